using System.Text;
using DiffPlex.Renderer;

namespace Marionette.Agent.Agents.Permissions;

/// <summary>The change that an edit would make, as a unified diff for whoever decides on it. Bounded in time and size.</summary>
internal static class FileDiff
{
    private const int LargestFile = 512 * 1024;
    private const int MostLines = 8000;
    private const int LongestDiff = 64 * 1024;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>What lies at a path now; "" when nothing does.</summary>
    /// <returns>Null when it is no text, too large, or cannot be read.</returns>
    public static string? Read(string path)
    {
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists)
                return Directory.Exists(path) ? null : "";
            if (file.Length > LargestFile)
                return null;
            var text = Strict.GetString(File.ReadAllBytes(path));
            return text.Contains('\0', StringComparison.Ordinal) ? null : text;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException
            or NotSupportedException)
        {
            return null;
        }
    }

    /// <param name="path">Named in the diff's head.</param>
    /// <returns>Null when there is no difference or it is too large to be found in time.</returns>
    public static string? Between(string path, string before, string after)
    {
        if (before == after || after.Length > LargestFile || Lines(before) > MostLines || Lines(after) > MostLines)
            return null;
        var diff = UnidiffRenderer.GenerateUnidiff(
            before.TrimEnd('\n'), after.TrimEnd('\n'), before.Length == 0 ? "/dev/null" : path, path);
        if (diff.Length <= LongestDiff)
            return diff;
        var cut = diff.LastIndexOf('\n', LongestDiff);
        return $"{diff[..(cut > 0 ? cut : LongestDiff)]}\n[{diff.Length - cut} characters cut]";
    }

    private static int Lines(string text) => text.AsSpan().Count('\n') + 1;
}
