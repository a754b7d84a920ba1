using System.Collections.Immutable;
using Marionette.Gateway.Rest.Models;
using Marionette.Runners;

namespace Marionette.Gateway.Rest;

/// <summary>What files a prompt or a message may bring.</summary>
internal static class FileRules
{
    /// <summary>Bound of a body with files in it, in bytes: base64 and the rest.</summary>
    public const int MaxBody = 8 * 1024 * 1024;

    private const int MaxFiles = 20, MaxBytes = 5 * 1024 * 1024, MaxName = 200;

    public static ImmutableArray<TaskFile> Check(FieldErrors errors, List<FileModel?>? files)
    {
        if (files is null or []) return [];
        if (files.Count > MaxFiles) errors.Add("files", $"must have at most {MaxFiles} entries");
        var result = ImmutableArray.CreateBuilder<TaskFile>(files.Count);
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        long total = 0;
        for (var i = 0; i < files.Count; i++)
        {
            var (name, content) = (files[i]?.Name ?? "", Content(files[i]?.Content));
            if (!IsName(name)) errors.Add($"files[{i}].name", $"must be a file name of 1 to {MaxName} characters without a folder");
            else if (!names.Add(name)) errors.Add($"files[{i}].name", "stands there twice");
            var type = errors.Text($"files[{i}].media_type", files[i]?.MediaType, 100) ?? "";
            if (content is null) errors.Add($"files[{i}].content", "must be base64");
            else if ((total += content.Length) > MaxBytes) errors.Add("files", $"must have at most {MaxBytes} bytes in all");
            else result.Add(new TaskFile(name, type, content));
        }

        return result.ToImmutable();
    }

    private static bool IsName(string name) =>
        name.Length is > 0 and <= MaxName && name is not ("." or "..") && !name.Any(c => char.IsControl(c) || c is '/' or '\\');

    private static byte[]? Content(string? text)
    {
        if (text is null) return null;
        var bytes = new byte[text.Length * 3 / 4 + 3];
        return Convert.TryFromBase64String(text, bytes, out var length) ? bytes[..length] : null;
    }
}
