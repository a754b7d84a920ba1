using System.Text;
using System.Text.Json;
using Marionette.Agent.Agents.Permissions;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Acp;

/// <summary>A tool call, put together from what the agent says of it bit by bit.</summary>
internal sealed class AcpCall(string id)
{
    private static readonly JsonElement Empty = JsonDocument.Parse("{}").RootElement;

    private JsonElement content;
    private JsonElement rawOutput;
    private string? toolName;

    public string Id { get; } = id;

    public string Title { get; private set; } = "";

    public string Kind { get; private set; } = "other";

    public string Status { get; private set; } = "pending";

    /// <summary>The tool's input: an object, empty when nothing is known of it.</summary>
    public JsonElement Input { get; private set; } = Empty;

    public IReadOnlyList<string> Paths { get; private set; } = [];

    /// <summary>The call was told to the session.</summary>
    public bool IsTold { get; set; }

    /// <summary>Output that was told to the session as it came.</summary>
    public string ToldOutput { get; set; } = "";

    public bool HasInput => Input.EnumerateObject().Any();

    /// <summary>Its input is all there, as far as that can be told: agents hand it out bit by bit.</summary>
    public bool IsComplete => HasInput && (Kind != "execute" || Command is not null);

    public bool IsOver => Status is "completed" or "failed";

    /// <summary>The agent's name of the tool where it has one, else the kind of what it does.</summary>
    public string Name => toolName ?? (Title.Length is > 0 and <= 40 && Title.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.') ? Title : Kind);

    public string? Command => Input.Member("command"u8) switch
    {
        { ValueKind: JsonValueKind.String } text => ShellWords.Unwrap(text.GetString()!),
        { ValueKind: JsonValueKind.Array } words => string.Join(' ', words.EnumerateArray().Select(word => word.ToString())),
        _ => Input.Text("cmd"u8),
    };

    /// <summary>Takes in what the agent says now; what it does not say stays.</summary>
    public void Merge(JsonElement update)
    {
        toolName = Named(update.Member("_meta"u8)) ?? toolName;
        if (toolName is null && Title.Length == 0 && update.Text("title"u8) is { Length: > 0 } first && !first.Contains(' ', StringComparison.Ordinal))
            toolName = first; // later titles describe the call
        Title = update.Text("title"u8) ?? Title;
        Kind = update.Text("kind"u8) ?? Kind;
        Status = update.Text("status"u8) ?? Status;
        if (update.Member("rawInput"u8) is { ValueKind: JsonValueKind.Object } input && input.EnumerateObject().Any())
            Input = input.Clone();
        if (update.Member("content"u8) is { ValueKind: JsonValueKind.Array } list && list.GetArrayLength() > 0)
            content = list.Clone();
        if (update.Member("rawOutput"u8) is { ValueKind: not (JsonValueKind.Undefined or JsonValueKind.Null) } output)
            rawOutput = output.Clone();
        string[] paths = [.. update.Member("locations"u8).Items().Select(place => place.Text("path"u8)).OfType<string>().Where(path => path.Length > 0)];
        if (paths.Length > 0)
            Paths = paths;
    }

    /// <summary>The call's output so far as text; without the changes of files, which are no output.</summary>
    /// <param name="terminals">Finds what a terminal printed.</param>
    public string Output(Func<string, string?> terminals)
    {
        var text = new StringBuilder();
        foreach (var part in content.Items())
        {
            var piece = part.Text("type"u8) switch
            {
                "content" => Describe(part.Member("content"u8)),
                "terminal" => terminals(part.Text("terminalId"u8) ?? "") ?? "",
                _ => "",
            };
            if (text.Length > 0 && piece.Length > 0)
                text.Append('\n');
            text.Append(piece);
        }

        if (text.Length > 0)
            return Unfenced(text.ToString());
        return rawOutput.ValueKind switch
        {
            JsonValueKind.String => rawOutput.GetString()!,
            JsonValueKind.Object => rawOutput.Text("output"u8) ?? rawOutput.Text("error"u8) ?? rawOutput.GetRawText(),
            JsonValueKind.Undefined => Diff ?? "",
            _ => rawOutput.GetRawText(),
        };
    }

    /// <summary>What it changes in files, as a unified diff; null when it changes none.</summary>
    public string? Diff
    {
        get
        {
            var diff = string.Concat(content.Items().Where(part => part.Text("type"u8) == "diff")
                .Select(part => UnifiedDiff.Between(part.Text("path"u8) ?? "", part.Text("oldText"u8), part.Text("newText"u8) ?? "")));
            return diff.Length > 0 ? diff : null;
        }
    }

    /// <summary>Files of its changes, where the agent names no places.</summary>
    public IReadOnlyList<string> ChangedPaths =>
        [.. content.Items().Where(part => part.Text("type"u8) == "diff").Select(part => part.Text("path"u8)).OfType<string>()];

    private static string Describe(JsonElement block) => block.Text("type"u8) switch
    {
        "text" => block.Text("text"u8) ?? "",
        "resource" => block.Member("resource"u8).Text("text"u8) ?? $"[resource {block.Member("resource"u8).Text("uri"u8)}]",
        "resource_link" => $"[{block.Text("uri"u8)}]",
        var type => $"[{type} {block.Text("mimeType"u8)}]",
    };

    // Some agents dress output up for an editor.
    private static string Unfenced(string text)
    {
        var trimmed = text.AsSpan().Trim('\n');
        if (!trimmed.StartsWith("```", StringComparison.Ordinal) || !trimmed.EndsWith("```", StringComparison.Ordinal) || trimmed.Length < 7)
            return text;
        var from = trimmed.IndexOf('\n');
        return from < 0 || from > 20 ? text : trimmed[(from + 1)..^3].TrimEnd('\n').ToString();
    }

    // {"claudeCode":{"toolName":"Bash"}}: under the agent's own name.
    private static string? Named(JsonElement meta)
    {
        if (meta.ValueKind != JsonValueKind.Object)
            return null;
        foreach (var member in meta.EnumerateObject())
        {
            if (member.Value.Text("toolName"u8) is { Length: > 0 } name)
                return name;
        }

        return null;
    }
}
