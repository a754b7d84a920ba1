using Marionette.ModelServer.Http;

namespace Marionette.ModelServer;

/// <summary>A server that listens until it is disposed.</summary>
public sealed class RunningModelServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly RequestJournal _journal;

    internal RunningModelServer(WebApplication app, RequestJournal journal)
    {
        (_app, _journal) = (app, journal);
        Url = new Uri(app.Urls.Single());
    }

    /// <summary>Base address, to be given to the agent as <c>ANTHROPIC_BASE_URL</c>.</summary>
    public Uri Url { get; }

    /// <summary>A copy of what was asked so far, in the order in which answers began.</summary>
    public IReadOnlyList<RecordedRequest> Requests => _journal.Snapshot();

    /// <summary>Ends running answers, closes the port and the log file.</summary>
    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        _journal.Dispose();
    }
}
