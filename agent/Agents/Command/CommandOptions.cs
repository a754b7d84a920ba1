using System.Text.Json;

namespace Marionette.Agent.Agents.Command;

/// <summary>How a program gets its prompt.</summary>
internal enum PromptBy
{
    /// <summary>On its standard input.</summary>
    Stdin,

    /// <summary>In its arguments: in the place of <c>{prompt}</c>, or as the last one.</summary>
    Argument,

    /// <summary>In a file that MARIONETTE_PROMPT_FILE names.</summary>
    File,
}

/// <summary>What a session may say of its command beside argv (docs/guides/agents/command.md).</summary>
/// <param name="Prompt">How the program gets its prompt.</param>
/// <param name="Lines">Whether it speaks the line protocol.</param>
internal sealed record CommandOptions(PromptBy Prompt, bool Lines)
{
    private static readonly string[] Known = ["prompt", "protocol"];

    /// <summary>Reads the options of a setup.</summary>
    /// <exception cref="AgentStartException">options_invalid.</exception>
    public static CommandOptions Read(ReadOnlyMemory<byte> json)
    {
        if (json.IsEmpty)
            return new CommandOptions(PromptBy.Stdin, Lines: false);
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
                throw Invalid("they are not a JSON object");
            foreach (var member in root.EnumerateObject().Where(member => !Known.Contains(member.Name)))
                throw Invalid($"{member.Name} is unknown (known are {string.Join(", ", Known)})");
            return new CommandOptions(
                Text(root, "prompt", "stdin") switch
                {
                    "stdin" => PromptBy.Stdin,
                    "argument" => PromptBy.Argument,
                    "file" => PromptBy.File,
                    _ => throw Invalid("prompt must be stdin, argument or file"),
                },
                Text(root, "protocol", "none") switch
                {
                    "none" => false,
                    "lines" => true,
                    _ => throw Invalid("protocol must be none or lines"),
                });
        }
        catch (JsonException)
        {
            throw Invalid("they are not valid JSON");
        }
    }

    private static string? Text(JsonElement root, string name, string standard) =>
        root.TryGetProperty(name, out var value) ? value.ValueKind == JsonValueKind.String ? value.GetString() : null : standard;

    private static AgentStartException Invalid(string what) =>
        new(ErrorCodes.OptionsInvalid, $"The session's options for its command cannot be used: {what}.");
}
