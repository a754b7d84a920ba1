using System.Text.Json;
using System.Text.Json.Serialization;
using Marionette.Gateway.Auth;
using Microsoft.AspNetCore.Hosting.Server;

namespace Marionette.Silo.Hosting;

/// <summary>Says that all is ready: <c>endpoints.json</c> (0600) for programs, a banner on stdout for people.</summary>
internal static class ReadyAnnouncement
{
    public static async Task WriteAsync(WebApplication app, SiloSettings settings)
    {
        var ports = app.Services.GetRequiredService<BoundPorts>();
        ports.Learn(app.Services.GetRequiredService<IServer>());
        if (!settings.HasGateway)
        {
            // Gateways of their own have no key to begin with: the silo, which made the tables, leaves the operator's in its data folder.
            var keys = new ApiKeyStore(app.Services.GetRequiredService<Npgsql.NpgsqlDataSource>(), TimeProvider.System);
            await keys.EnsureBootstrapAsync(settings.DataDirectory, TimeProvider.System);
            await Console.Out.WriteLineAsync(
                $"marionette silo is ready: admin {ports.AdminUrl}, operator's key in {Path.Combine(settings.DataDirectory, "secrets", "operator.token")}");
            return;
        }

        var key = await app.Services.GetRequiredService<ApiKeyStore>().EnsureBootstrapAsync(settings.DataDirectory, TimeProvider.System);
        var endpoints = new Endpoints(ports.ApiUrl, ports.AdminUrl, ports.GrpcUrl, key);
        await WriteWholeAsync(settings.EndpointsFile, JsonSerializer.SerializeToUtf8Bytes(endpoints, EndpointsJsonContext.Default.Endpoints));
        await Console.Out.WriteLineAsync(
            $"""
             marionette is ready
               API    {ports.ApiUrl}   (contract: {ports.ApiUrl}/docs)
               admin  {ports.AdminUrl}
               gRPC   {ports.GrpcUrl}
               key    in {settings.EndpointsFile}
             """);
    }

    private static async Task WriteWholeAsync(string path, byte[] content)
    {
        var draft = path + ".new";
        File.Delete(draft);
        await using (var file = new FileStream(draft, new FileStreamOptions
        {
            Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
            await file.WriteAsync(content);
        File.Move(draft, path, overwrite: true);
    }
}

/// <summary>Where the stack is, and the operator's key.</summary>
internal sealed record Endpoints(string ApiUrl, string AdminUrl, string GrpcUrl, string ApiKey);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(Endpoints))]
internal sealed partial class EndpointsJsonContext : JsonSerializerContext;
