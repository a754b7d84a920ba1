using Marionette.Cli.Api;

namespace Marionette.Cli.Local;

/// <summary>The demo's own servers: the all-in-one, and the scripted model where there is no key for the real one.</summary>
internal sealed class DemoStack : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(120);
    private const string Announcement = "listening on ";

    private readonly Stack<ChildProcess> started = [];

    private DemoStack(string folder) => Folder = folder;

    public string Folder { get; }

    public LocalStack Server { get; private set; } = null!;

    /// <summary>Address of the scripted model server; null with a real key.</summary>
    public string? ModelUrl { get; private set; }

    /// <summary>Starts everything and waits until it is ready. What was started is stopped again if the rest fails.</summary>
    public static async Task<DemoStack> StartAsync(Layout layout, string folder, bool offline, CliContext context, CancellationToken cancellationToken)
    {
        var stack = new DemoStack(folder);
        try
        {
            await stack.BeginAsync(layout, offline, context, cancellationToken).ConfigureAwait(false);
            return stack;
        }
        catch
        {
            await stack.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async Task BeginAsync(Layout layout, bool offline, CliContext context, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Folder);
        var endpoints = DataFolder.EndpointsFile(Folder);
        await RefuseIfRunningAsync(endpoints, context, cancellationToken).ConfigureAwait(false);
        File.Delete(endpoints);
        var logs = Directory.CreateDirectory(Path.Combine(Folder, "log")).FullName;
        var silo = layout.SiloCommand(new SiloPlace(Folder, 0, 0, 0)).ToArray();
        if (offline)
        {
            string[] command = [Layout.Need(layout.ModelServer, "the scripted model server"), "--port", "0"];
            var model = Launch("the model server", command, Path.Combine(logs, "model-server.log"), TimeSpan.FromSeconds(5), context);
            ModelUrl = await model.WaitForAsync(() => Announced(model.Log), StartLimit, cancellationToken).ConfigureAwait(false);
        }
        var server = Launch("the server", silo, Path.Combine(logs, "server.log"), TimeSpan.FromSeconds(30), context);
        Server = await server.WaitForAsync(() => LocalStack.Read(endpoints), StartLimit, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Stops in the reverse order of the start, each by its own id.</summary>
    public async ValueTask DisposeAsync()
    {
        while (started.TryPop(out var child))
            await child.DisposeAsync().ConfigureAwait(false);
    }

    private ChildProcess Launch(string name, string[] command, string log, TimeSpan patience, CliContext context)
    {
        var child = ChildProcess.Start(name, command, log, context.Clock, patience);
        started.Push(child);
        return child;
    }

    private static async Task RefuseIfRunningAsync(string endpoints, CliContext context, CancellationToken cancellationToken)
    {
        if (LocalStack.Read(endpoints) is not { } other)
            return;
        try
        {
            using var api = new ApiClient(new Endpoint(other.ApiUrl, other.ApiKey, endpoints), context.Clock);
            await api.ProbeAsync("/health/live", cancellationToken).ConfigureAwait(false);
        }
        catch (CliException)
        {
            // Left over from a stack that is gone.
            return;
        }
        throw new CliException($"another demo runs at {other.ApiUrl}", "Stop it first, or give this one a --data-dir of its own.");
    }

    private static string? Announced(string log)
    {
        try
        {
            return File.ReadLines(log).FirstOrDefault() is { } line && line.StartsWith(Announcement, StringComparison.Ordinal) ? line[Announcement.Length..].Trim() : null;
        }
        catch (IOException)
        {
            return null;
        }
    }
}
