using Orleans.Dashboard;
using Prometheus;

namespace Marionette.Silo.Hosting;

/// <summary>The admin port: the Orleans dashboard, metrics and health. It has no user accounts and listens on loopback unless told otherwise.</summary>
internal static class AdminExtensions
{
    /// <summary>
    /// Keeps the two worlds apart by the port that a request came in on. The Host header would not do: whoever calls writes it.
    /// </summary>
    public static void UseAdminPort(this WebApplication app)
    {
        var ports = app.Services.GetRequiredService<BoundPorts>();
        app.UseRouting();
        app.Use((context, next) =>
        {
            var wanted = context.GetEndpoint()?.Metadata.GetMetadata<AdminPortOnly>() is not null;
            var came = context.Connection.LocalPort == ports.Admin && ports.Admin != 0;
            if (context.GetEndpoint() is not null && wanted != came) context.SetEndpoint(null);
            return next(context);
        });
    }

    public static void MapMarionetteAdmin(this WebApplication app)
    {
        var admin = app.MapGroup("").WithMetadata(new AdminPortOnly());
        admin.MapGet("/", () => Results.Redirect("/dashboard/")).ExcludeFromDescription();
        admin.MapGet("/admin/health", () => Results.Text("ok\n")).ExcludeFromDescription();
        admin.MapMetrics("/metrics");
        admin.MapOrleansDashboard("/dashboard");
    }

    private sealed class AdminPortOnly;
}
