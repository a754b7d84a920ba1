using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Marionette.Cli.Output;

namespace Marionette.Cli.Live;

/// <summary>Lets a person change a tool's input: in their editor where one is named, else on one line.</summary>
/// <param name="command">The editor's command line ($VISUAL or $EDITOR); null: one line in the terminal.</param>
internal sealed class InputEditor(string? command)
{
    public static InputEditor From(CliContext context) => new(context.Variable("VISUAL") ?? context.Variable("EDITOR"));

    /// <summary>The changed input, a JSON object; null when it was given up or is no JSON object (which is said on the screen).</summary>
    public async Task<JsonObject?> EditAsync(JsonElement input, IKeyboard keyboard, LiveScreen screen, CancellationToken cancellationToken)
    {
        var text = command is null
            ? await LinePrompt.ReadAsync(keyboard, screen, "  input › ", JsonText.Compact(input), cancellationToken).ConfigureAwait(false)
            : await InEditorAsync(input, screen, cancellationToken).ConfigureAwait(false);
        if (text is null)
            return null;
        try
        {
            if (JsonNode.Parse(text) is JsonObject edited)
                return edited;
            screen.Line("  the input must be a JSON object", Style.Bad);
        }
        catch (JsonException error)
        {
            screen.Line($"  that is not JSON: {TerminalText.OneLine(error.Message)}", Style.Bad);
        }
        return null;
    }

    private async Task<string?> InEditorAsync(JsonElement input, LiveScreen screen, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("marionette-").FullName;
        var file = Path.Combine(folder, "input.json");
        try
        {
            // The folder is ours alone (0700), and so is what stands in it.
            await File.WriteAllTextAsync(file, JsonText.Indented(input) + "\n", cancellationToken).ConfigureAwait(false);
            screen.Release();
            // Through a shell, because $EDITOR is a command line ("code --wait"); the file name is an argument and is never parsed.
            using var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", $"{command} \"$1\"", "sh", file]) { UseShellExecute = false })!;
            await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
            if (process.ExitCode != 0)
            {
                screen.Line($"  the editor ended with {process.ExitCode}; nothing was changed", Style.Bad);
                return null;
            }
            return await File.ReadAllTextAsync(file, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
