using Marionette.Cli.Api;

namespace Marionette.Cli.Local;

/// <summary>The demo's own servers: the all-in-one, and the scripted model where there is no key for the real one.</summary>
internal sealed class DemoStack : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(120);
    private const string Announcement = "listening on ";

    private readonly Stack<ChildProcess> started = [];

    private readonly Layout layout;
    private readonly CliContext context;

    private DemoStack(Layout layout, string folder, CliContext context)
    {
        this.layout = layout;
        this.context = context;
        Folder = folder;
    }

    public string Folder { get; }

    public LocalStack Server { get; private set; } = null!;

    /// <summary>Address of the scripted model server; null with a real key.</summary>
    public string? ModelUrl { get; private set; }

    /// <summary>Starts everything and waits until it is ready. What was started is stopped again if the rest fails.</summary>
    public static async Task<DemoStack> StartAsync(Layout layout, string folder, bool offline, CliContext context, CancellationToken cancellationToken)
    {
        var stack = new DemoStack(layout, folder, context);
        try
        {
            await stack.BeginAsync(offline, cancellationToken).ConfigureAwait(false);
            return stack;
        }
        catch
        {
            await stack.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async Task BeginAsync(bool offline, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Folder);
        var endpoints = DataFolder.EndpointsFile(Folder);
        await RefuseIfRunningAsync(endpoints, cancellationToken).ConfigureAwait(false);
        File.Delete(endpoints);
        var logs = Directory.CreateDirectory(Path.Combine(Folder, "log")).FullName;
        var silo = layout.SiloCommand(new SiloPlace(Folder, 0, 0, 0)).ToArray();
        if (offline)
        {
            string[] command = [Layout.Need(layout.ModelServer, "the scripted model server"), "--port", "0"];
            var model = Launch("the model server", command, Path.Combine(logs, "model-server.log"), TimeSpan.FromSeconds(5));
            ModelUrl = await model.WaitForAsync(() => Announced(model.Log), StartLimit, cancellationToken).ConfigureAwait(false);
        }
        var server = Launch("the server", silo, Path.Combine(logs, "server.log"), TimeSpan.FromSeconds(30));
        Server = await server.WaitForAsync(() => LocalStack.Read(endpoints), StartLimit, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Stops in the reverse order of the start, each by its own id. Runners outlive a server by design, so they are looked for after it.</summary>
    public async ValueTask DisposeAsync()
    {
        while (started.TryPop(out var child))
        {
            await child.DisposeAsync().ConfigureAwait(false);
            foreach (var runner in ProcessTable.Find(layout.Agent, Folder))
                await ProcessTable.StopAsync(runner, layout.Agent, TimeSpan.FromSeconds(5), context.Clock).ConfigureAwait(false);
        }
    }

    private ChildProcess Launch(string name, string[] command, string log, TimeSpan patience)
    {
        var child = ChildProcess.Start(name, command, log, context.Clock, patience);
        started.Push(child);
        return child;
    }

    private async Task RefuseIfRunningAsync(string endpoints, CancellationToken cancellationToken)
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
        var ids = ProcessTable.Find(layout.Silo, Folder);
        throw new CliException($"another demo runs at {other.ApiUrl}{(ids.Count > 0 ? $" (process {string.Join(", ", ids)})" : "")}", "Stop it first, or give this one a --data-dir of its own.");
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
