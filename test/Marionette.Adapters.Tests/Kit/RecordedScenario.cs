using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Marionette.Adapters.Tests.Kit;

/// <summary>Writes recordings (docs/reference/formats/recording.md) of sessions in which an agent played scenarios of the model server.</summary>
internal sealed partial class RecordedScenario
{
    private const string Unicode =
        "ASCII, 👩‍👩‍👧‍👦 🇩🇪 𝒳 𠜎, quote \" backslash \\ slash / <tag> & entity, end.\nSecond line.";

    private static readonly DateTimeOffset Began = new(2026, 11, 24, 10, 0, 0, TimeSpan.Zero);

    private readonly List<string> lines = [];
    private string task = "";
    private DateTimeOffset now = Began;
    private int messages;

    /// <param name="workspace">Where the recorded agent worked: edits name their files by it.</param>
    public static string Of(IEnumerable<(string Prompt, string Output)> tasks, string workspace)
    {
        var recorded = new RecordedScenario();
        var number = 0;
        foreach (var (prompt, output) in tasks)
            recorded.Add($"task_{number++}", prompt, output, workspace);
        var header = JsonSerializer.Serialize(new { format = "marionette.recording", version = 1, events = recorded.lines.Count });
        return string.Join('\n', [header, .. recorded.lines]);
    }

    private void Add(string id, string prompt, string output, string workspace)
    {
        task = id;
        Say("task.created", new { prompt });
        Say("task.started", new { attempt = 1 });
        Say("state", new { phase = "starting" });
        var (name, arguments) = Parse(prompt);
        var result = name switch
        {
            "say" => Speak(arguments["text"], 8, 0),
            "unicode" => Speak(Unicode, 3, 0),
            "huge" => Speak(new string('h', Number(arguments, "bytes")), 8192, 0),
            "slow" => Speak(new string('x', Number(arguments, "chunks") * Number(arguments, "size", 16)), Number(arguments, "size", 16), Number(arguments, "delay_ms")),
            "shell" => Shell(arguments["cmd"], output),
            "write" => Write(Path.Combine(workspace, arguments["file"]), arguments["text"].Replace("\\n", "\n", StringComparison.Ordinal)),
            _ => throw new InvalidOperationException($"no recording is made of the scenario {name}"),
        };
        Say("usage", new { input_tokens = 10, output_tokens = 5, cache_read_tokens = 0, cache_write_tokens = 0 });
        Say("task.completed", new
        {
            attempt = 1, result, duration_ms = 1, usage = new { input_tokens = 10, output_tokens = 5, cache_read_tokens = 0, cache_write_tokens = 0 },
        });
    }

    private string Shell(string command, string output)
    {
        Ask(new { permission_id = $"perm_{task}", request_id = $"ask_{task}", tool = "shell", category = "command", input = new { command }, command });
        Say("tool_use", new { tool_use_id = "t1", name = "shell", input = new { command } });
        Say("tool_result", new { tool_use_id = "t1", content = output, is_error = false });
        return Speak($"The tool answered: {output}", 8, 0);
    }

    private string Write(string path, string text)
    {
        var diff = $"--- /dev/null\n+++ {path}\n@@ -0,0 +1 @@\n{string.Concat(text.Split('\n').Select(line => $"+{line}\n"))}";
        Ask(new { permission_id = $"perm_{task}", request_id = $"ask_{task}", tool = "write", category = "edit", input = new { path, text }, paths = new[] { path }, diff });
        return Speak("I wrote it.", 8, 0);
    }

    private void Ask(object request)
    {
        Say("permission.requested", request);
        now += TimeSpan.FromHours(1); // somebody took their time: nobody who plays it has to wait for that
        Say("permission.approved", new { permission_id = $"perm_{task}", by = "somebody" });
        Say("permission.delivered", new { permission_id = $"perm_{task}" });
    }

    private string Speak(string text, int size, int delay)
    {
        var message = $"m{++messages}";
        for (var at = 0; at < text.Length;)
        {
            var end = Math.Min(text.Length, at + size);
            if (end < text.Length && char.IsHighSurrogate(text[end - 1]))
                end++;
            now += TimeSpan.FromMilliseconds(delay);
            Say("text.delta", new { message_id = message, index = 0, text = text[at..end] });
            at = end;
        }

        Say("text", new { message_id = message, index = 0, text });
        return text;
    }

    private void Say(string type, object data) => lines.Add(JsonSerializer.Serialize(new
    {
        seq = lines.Count + 1, type, time = now.ToString("O", CultureInfo.InvariantCulture), session_id = "sess_recorded", task_id = task, data,
    }));

    private static (string Name, Dictionary<string, string> Arguments) Parse(string prompt)
    {
        var line = prompt.Split('\n').First(line => line.StartsWith("@scenario ", StringComparison.Ordinal));
        return (line.Split(' ')[1], Arguments().Matches(line).ToDictionary(
            match => match.Groups[1].Value, match => match.Groups[2].Success ? match.Groups[2].Value : match.Groups[3].Value));
    }

    private static int Number(Dictionary<string, string> arguments, string name, int otherwise = 0) =>
        arguments.TryGetValue(name, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    [GeneratedRegex("(\\w+)=(?:\"([^\"]*)\"|(\\S+))")]
    private static partial Regex Arguments();
}
