using System.Text;

namespace Marionette.Agent.Agents.Acp;

/// <summary>The files that an agent reads and writes through us: those of the workspace and of its home, and no others.</summary>
internal sealed class AcpFiles(string workspace, string home)
{
    private const long MaxBytes = 32 * 1024 * 1024;

    /// <param name="line">First line, from 1; 0 for the beginning.</param>
    /// <param name="limit">Lines at most; 0 for all.</param>
    /// <exception cref="IOException">It is not there, not ours, or too long.</exception>
    public string Read(string path, long line, long limit)
    {
        var file = new FileInfo(Confine(path));
        if (!file.Exists)
            throw new FileNotFoundException($"{path} does not exist.");
        if (file.Length > MaxBytes)
            throw new IOException($"{path} has {file.Length} bytes; at most {MaxBytes} are read.");
        var text = File.ReadAllText(file.FullName, Encoding.UTF8);
        return line <= 1 && limit <= 0 ? text : Cut(text, Math.Max(1, line), limit <= 0 ? long.MaxValue : limit);
    }

    /// <exception cref="IOException">It is not ours, or cannot be written.</exception>
    public void Write(string path, string content)
    {
        var full = Confine(path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, content);
    }

    private static string Cut(string text, long line, long limit)
    {
        var start = 0;
        for (var passed = 1L; passed < line; passed++)
        {
            var next = text.IndexOf('\n', start);
            if (next < 0)
                return "";
            start = next + 1;
        }

        var end = start;
        for (var taken = 0L; taken < limit; taken++)
        {
            var next = text.IndexOf('\n', end);
            if (next < 0)
                return text[start..];
            end = next + 1;
        }

        return text[start..end];
    }

    // Links are followed before the place is judged: one that leads out of the workspace is not of the workspace.
    private string Confine(string path)
    {
        if (!Path.IsPathRooted(path))
            throw new IOException("The path must be absolute.");
        var real = Resolve(Path.GetFullPath(path));
        if (IsBelow(real, Resolve(workspace)) || IsBelow(real, Resolve(home)))
            return real;
        throw new IOException($"{path} lies outside of the workspace.");
    }

    private static bool IsBelow(string path, string folder) =>
        path.StartsWith(Path.TrimEndingDirectorySeparator(folder) + "/", StringComparison.Ordinal);

    private static string Resolve(string path)
    {
        var real = "/";
        foreach (var part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            real = Path.Combine(real, part);
            FileSystemInfo info = Directory.Exists(real) ? new DirectoryInfo(real) : new FileInfo(real);
            if (info.LinkTarget is not null)
                real = info.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? real;
        }

        return real;
    }
}
