using System.Text;
using Marionette.Agent.Agents.Input;
using Marionette.Agent.Hosting;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Command;

/// <summary>What a program is given of its task.</summary>
/// <param name="Arguments">After the program's name.</param>
/// <param name="Environment">Beside what every command gets.</param>
/// <param name="Input">Its standard input; it ends after that, unless the program speaks the line protocol.</param>
internal sealed record CommandInput(
    IReadOnlyList<string> Arguments, IReadOnlyDictionary<string, string> Environment, ReadOnlyMemory<byte> Input)
{
    private const string Placeholder = "{prompt}";
    private const int LongestArgument = 128 * 1024 - 1; // the system's own limit

    /// <exception cref="AgentStartException">The prompt cannot be an argument, or its files cannot be written.</exception>
    /// <exception cref="IOException">The file of the prompt cannot be written.</exception>
    public static CommandInput Prepare(CommandOptions options, StartRun run, IEnumerable<string> arguments, AgentConfig config)
    {
        var files = AttachmentStore.Store(config.WorkspaceDir, run.Run, run.Attachments);
        var note = AttachmentStore.Note(files);
        var prompt = note is null ? run.Prompt : $"{run.Prompt}\n\n{note}";
        var environment = new Dictionary<string, string>();
        string[] argv = [.. arguments];
        if (options.Prompt == PromptBy.Argument)
            argv = WithPrompt(argv, prompt);
        if (options.Prompt == PromptBy.File)
            environment["MARIONETTE_PROMPT_FILE"] = Write(config.StateDir, "prompt.txt", prompt);
        if (!run.OutputSchema.IsEmpty)
            environment["MARIONETTE_OUTPUT_SCHEMA_FILE"] = Write(config.StateDir, "output-schema.json", run.OutputSchema.ToStringUtf8());
        var input = options.Lines
            ? LineProtocol.Prompt(run, files)
            : options.Prompt == PromptBy.Stdin ? Encoding.UTF8.GetBytes(prompt) : [];
        return new CommandInput(argv, environment, input);
    }

    private static string[] WithPrompt(string[] arguments, string prompt)
    {
        if (prompt.Contains('\0', StringComparison.Ordinal))
            throw new AgentStartException(ErrorCodes.OptionsInvalid, "A prompt with a NUL cannot be an argument: use prompt \"stdin\" or \"file\".");
        string[] full = arguments.Any(argument => argument.Contains(Placeholder, StringComparison.Ordinal))
            ? [.. arguments.Select(argument => argument.Replace(Placeholder, prompt, StringComparison.Ordinal))]
            : [.. arguments, prompt];
        return full.All(argument => Encoding.UTF8.GetByteCount(argument) <= LongestArgument) ? full : throw new AgentStartException(
            ErrorCodes.OptionsInvalid, $"The prompt is longer than an argument can be ({LongestArgument} bytes): use prompt \"stdin\" or \"file\".");
    }

    private static string Write(string folder, string name, string text)
    {
        var path = Path.Combine(folder, name);
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return path;
    }
}
