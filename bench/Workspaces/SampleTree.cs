using System.Diagnostics;

namespace Marionette.Bench.Workspaces;

/// <summary>Trees to snapshot, the same in every run on one machine.</summary>
internal static class SampleTree
{
    private const int Seed = 20_260_101;

    private static readonly string[] Sources = ["/usr/lib/node_modules", "/usr/lib/python3", "/usr/lib/python3.11", "/usr/include", "/usr/share"];

    /// <summary>Many small files: what the machine has of headers, scripts, documentation and node modules, in the order of names.</summary>
    public static long SmallFiles(string target, long bytes)
    {
        var copied = 0L;
        foreach (var source in Sources.Where(Directory.Exists))
        {
            var all = new DirectoryInfo(source).EnumerateFiles("*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true });
            foreach (var file in all.OrderBy(file => file.FullName, StringComparer.Ordinal).TakeWhile(_ => copied < bytes))
            {
                var to = Path.Combine(target, file.FullName[1..]);
                Directory.CreateDirectory(Path.GetDirectoryName(to)!);
                file.CopyTo(to);
                copied += file.Length;
            }
        }

        return copied;
    }

    /// <summary>A repository with its history as git packs it, and its files.</summary>
    public static async Task GitAsync(string target, string repository, CancellationToken cancellationToken)
    {
        using var git = Process.Start(new ProcessStartInfo("git", ["clone", "--quiet", "--no-hardlinks", repository, target]) { RedirectStandardError = true })!;
        await git.WaitForExitAsync(cancellationToken);
        if (git.ExitCode != 0) throw new InvalidOperationException($"git clone: {await git.StandardError.ReadToEndAsync(cancellationToken)}");
    }

    /// <summary>Binaries that nothing packs, each with a twin that has bytes inserted here and there.</summary>
    public static void Binaries(string target, int count, int size)
    {
        Directory.CreateDirectory(target);
        var random = new Random(Seed);
        for (var i = 0; i < count; i++)
        {
            var content = new byte[size];
            random.NextBytes(content);
            File.WriteAllBytes(Path.Combine(target, $"{i}.bin"), content);
            using var twin = File.Create(Path.Combine(target, $"{i}.shifted.bin"));
            for (var at = 0; at < size; at += size / 8)
            {
                twin.Write(content, at, Math.Min(size / 8, size - at));
                twin.Write([1, 2, 3, 4, 5]);
            }
        }
    }

    /// <summary>Files of 100 bytes, a thousand a folder.</summary>
    public static void Flat(string target, int count)
    {
        var random = new Random(Seed);
        var content = new byte[200];
        for (var i = 0; i < count; i++)
        {
            random.NextBytes(content);
            var folder = Path.Combine(target, $"{i / 1000:000}");
            Directory.CreateDirectory(folder);
            File.WriteAllBytes(Path.Combine(folder, $"{i:000000}"), content);
        }
    }

    /// <summary>Appends to one file of a hundred.</summary>
    public static void Touch(string target, int round)
    {
        var random = new Random(Seed + round);
        foreach (var path in Directory.EnumerateFiles(target, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Where(_ => random.Next(100) == 0).ToList())
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            File.AppendAllText(path, $"a change of round {round}\n");
        }
    }
}
