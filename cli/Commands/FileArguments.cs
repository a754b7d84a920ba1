using System.CommandLine;
using System.Text.Json.Nodes;

namespace Marionette.Cli.Commands;

/// <summary>Files that go with a prompt or a message.</summary>
internal static class FileArguments
{
    public static Option<string[]> Option() => new("--file")
    {
        Description = "A file or an image for the agent; repeat it", HelpName = "FILE", CustomParser = result => [.. result.Tokens.Select(token => token.Value)],
    };

    /// <exception cref="IOException">One of them cannot be read.</exception>
    public static async Task<JsonArray?> ReadAsync(string[]? paths, CancellationToken cancellationToken)
    {
        if (paths is not { Length: > 0 })
            return null;
        var files = new JsonArray();
        foreach (var path in paths)
        {
            var content = await File.ReadAllBytesAsync(path, cancellationToken).ConfigureAwait(false);
            files.Add(new JsonObject
            {
                ["name"] = Path.GetFileName(path), ["media_type"] = TypeOf(path), ["content"] = Convert.ToBase64String(content),
            });
        }

        return files;
    }

    private static string TypeOf(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".png" => "image/png",
        ".jpg" or ".jpeg" => "image/jpeg",
        ".gif" => "image/gif",
        ".webp" => "image/webp",
        ".pdf" => "application/pdf",
        ".json" => "application/json",
        ".txt" or ".md" or ".log" or ".csv" => "text/plain",
        _ => "application/octet-stream",
    };
}
