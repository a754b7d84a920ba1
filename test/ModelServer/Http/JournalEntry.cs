using Marionette.ModelServer.Wire;

namespace Marionette.ModelServer.Http;

/// <summary>Collects what is known of a request and records it when its answer begins, or else when it ends.</summary>
internal sealed class JournalEntry
{
    private readonly HttpContext _context;
    private readonly TimeProvider _time;
    private readonly RequestJournal _journal;
    private bool _recorded;

    public JournalEntry(HttpContext context, TimeProvider time, RequestJournal journal)
    {
        (_context, _time, _journal) = (context, time, journal);
        Session = NullIfEmpty(context.Request.Headers["x-claude-code-session-id"].ToString());

        // At the start, not the end: a test may wait for a request whose answer never ends.
        context.Response.OnStarting(() =>
        {
            Record(context.Response.StatusCode);
            return Task.CompletedTask;
        });
    }

    public string? KeySha256 { get; set; }

    public string? Scenario { get; set; }

    public int? Step { get; set; }

    public int? Attempt { get; set; }

    public bool Stream { get; set; }

    public bool? History { get; set; }

    public int? Images { get; set; }

    public string? Session { get; private set; }

    /// <summary>The session of the header, or else of the body.</summary>
    public string? ReadSession(ModelRequest request) => Session ??= request.BodySession;

    /// <summary>Records a request that got no answer, with status 0.</summary>
    public void Close() => Record(_context.Response.HasStarted ? _context.Response.StatusCode : 0);

    private void Record(int status)
    {
        if (_recorded) return;
        _recorded = true;
        _journal.Add(new RecordedRequest(
            _time.GetUtcNow(),
            _context.Request.Method,
            _context.Request.Path,
            status,
            Scenario,
            Step,
            Attempt,
            Stream,
            Session,
            KeySha256,
            History,
            Images));
    }

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;
}
