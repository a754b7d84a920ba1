using System.Text.Json;
using System.Text.Json.Serialization;
using Marionette.Agent.Hosting;

namespace Marionette.Agent.Runs;

/// <summary>What a restarted agent must know about the last one.</summary>
internal sealed record JournalRecord
{
    /// <summary>Run that was under way; null when none.</summary>
    [JsonPropertyName("run")]
    public string? Run { get; set; }

    /// <summary>When it began, milliseconds since the Unix epoch.</summary>
    [JsonPropertyName("started_ms")]
    public long StartedMs { get; set; }

    /// <summary>Process of the driven agent; 0 when none. It outlives a run.</summary>
    [JsonPropertyName("pid")]
    public int Pid { get; set; }

    /// <summary>Start time of that process in ticks since boot: a pid alone may belong to another by now.</summary>
    [JsonPropertyName("pid_start")]
    public long PidStart { get; set; }

    /// <summary>The agent's conversation; null when none.</summary>
    [JsonPropertyName("conversation")]
    public string? Conversation { get; set; }

    /// <summary>The newest runs that this runner ended, oldest first. A server that did not hear of it yet may send them again.</summary>
    [JsonPropertyName("ended")]
    public IReadOnlyList<string> Ended { get; set; } = [];
}

/// <summary>Keeps the record in one file that is replaced whole.</summary>
internal sealed class RunJournal
{
    private const int KeptRuns = 64;

    private readonly Lock gate = new();
    private readonly string path;

    public RunJournal(string path)
    {
        this.path = path;
        Record = Read(path);
    }

    public JournalRecord Record { get; private set; }

    public bool HasEnded(string run) => Record.Ended.Contains(run);

    public void Started(string run, long startedMs) => Update(record => record with { Run = run, StartedMs = startedMs });

    public void Ended(string run, string? conversation) => Update(record => record with
    {
        Run = null,
        Conversation = conversation ?? record.Conversation,
        Ended = [.. record.Ended.TakeLast(KeptRuns - 1), run],
    });

    public void Child(int pid, long start) => Update(record => record with { Pid = pid, PidStart = start });

    public void Conversation(string conversation) => Update(record => record with { Conversation = conversation });

    private static JournalRecord Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), AgentJsonContext.Default.JournalRecord) ?? new();
        }
        catch (Exception exception) when (exception is IOException or JsonException or UnauthorizedAccessException)
        {
            return new JournalRecord();
        }
    }

    private void Update(Func<JournalRecord, JournalRecord> change)
    {
        lock (gate)
        {
            Record = change(Record);
            try
            {
                File.WriteAllBytes(path + ".new", JsonSerializer.SerializeToUtf8Bytes(Record, AgentJsonContext.Default.JournalRecord));
                File.Move(path + ".new", path, overwrite: true);
            }
            catch (IOException)
            {
                // A full disk: the run goes on; only a restart of the agent right now would not know of it.
            }
        }
    }
}
