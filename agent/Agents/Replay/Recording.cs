using System.Globalization;
using System.Text.Json;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Replay;

/// <summary>One event of a recording.</summary>
/// <param name="Time">When it was said.</param>
internal sealed record RecordedEvent(string Type, DateTimeOffset Time, JsonElement Data);

/// <summary>An exported session log (docs/reference/formats/recording.md), taken apart into its tasks.</summary>
/// <param name="Tasks">Of each task that came to an end, its events in order; the last one is its end.</param>
internal sealed record Recording(IReadOnlyList<IReadOnlyList<RecordedEvent>> Tasks)
{
    private const string Format = "marionette.recording";
    private const int Version = 1;
    private const int Largest = 64 * 1024 * 1024;

    private static readonly JsonDocumentOptions Bounded = new() { MaxDepth = 250 };

    /// <summary>Reads the recording that the options name: its text, or a file of the workspace.</summary>
    /// <exception cref="AgentStartException">options_invalid.</exception>
    public static Recording Open(string source, string workspace)
    {
        if (source.AsSpan().TrimStart() is ['{', ..])
            return Read(new StringReader(source));
        var path = Path.GetFullPath(Path.Combine(workspace, source));
        if (!IsInside(path, workspace))
            throw Invalid($"{source} is outside of the workspace");
        try
        {
            var file = new FileInfo(path);
            var real = file.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? path;
            if (!IsInside(real, workspace))
                throw Invalid($"{source} is outside of the workspace");
            if (file.Length > Largest)
                throw Invalid($"{source} has more than {Largest >> 20} MiB");
            using var reader = new StreamReader(path);
            return Read(reader);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Invalid($"{source} cannot be read: {exception.Message}");
        }
    }

    private static bool IsInside(string path, string workspace) =>
        path.StartsWith(Path.GetFullPath(workspace) + "/", StringComparison.Ordinal);

    private static Recording Read(TextReader reader)
    {
        var tasks = new Dictionary<string, List<RecordedEvent>>(StringComparer.Ordinal);
        var ended = new List<IReadOnlyList<RecordedEvent>>();
        var number = 0;
        while (reader.ReadLine() is { } line)
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            var root = Parse(line, number);
            if (number == 1)
            {
                CheckHeader(root);
                continue;
            }

            if (root.Text("task_id"u8) is not { } task || root.Text("type"u8) is not { } type)
                continue;
            if (!DateTimeOffset.TryParse(root.Text("time"u8), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
                throw Invalid($"line {number} has no time");
            if (!tasks.TryGetValue(task, out var events))
                tasks[task] = events = [];
            events.Add(new RecordedEvent(type, time, root.Member("data"u8)));
            if (!ReplayEnd.IsEnd(type))
                continue;
            ended.Add(events);
            tasks.Remove(task); // a task that is retried later ends once more, as a task of its own
        }

        return number > 0 ? new Recording(ended) : throw Invalid("it is empty");
    }

    private static JsonElement Parse(string line, int number)
    {
        try
        {
            using var document = JsonDocument.Parse(line, Bounded);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            throw Invalid($"line {number} is not valid JSON");
        }
    }

    private static void CheckHeader(JsonElement header)
    {
        if (header.Text("format"u8) != Format)
            throw Invalid($"its first line does not say \"format\":\"{Format}\"");
        if (header.Number("version"u8) is < 1 or > Version)
            throw Invalid($"its version is {header.Number("version"u8)}, and this runner knows {Version}");
    }

    private static AgentStartException Invalid(string what) =>
        new(ErrorCodes.OptionsInvalid, $"The recording cannot be played: {what}.");
}
