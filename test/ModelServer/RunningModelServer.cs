using Marionette.ModelServer.Http;
using Marionette.ModelServer.Wire;

namespace Marionette.ModelServer;

/// <summary>A server that listens until it is disposed.</summary>
public sealed class RunningModelServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly RequestJournal _journal;
    private readonly Pace _pace;

    internal RunningModelServer(WebApplication app, RequestJournal journal, Pace pace)
    {
        (_app, _journal, _pace) = (app, journal, pace);
        Url = new Uri(app.Urls.Single());
    }

    /// <summary>Base address, to be given to the agent as <c>ANTHROPIC_BASE_URL</c>.</summary>
    public Uri Url { get; }

    /// <summary>A copy of what was asked so far, in the order in which answers began.</summary>
    public IReadOnlyList<RecordedRequest> Requests => _journal.Snapshot();

    /// <summary>
    /// Opens a gate: answers of <c>slow</c> that name it are paced no more, those under way and those to come.
    /// </summary>
    public void Open(string gate) => _pace.Open(gate);

    /// <summary>Ends running answers, closes the port and the log file.</summary>
    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        _journal.Dispose();
    }
}
