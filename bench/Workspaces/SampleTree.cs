using System.Diagnostics;
using System.Text;

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

    /// <summary>
    /// Files as those of a source tree: lines of words of which few are frequent, a size that varies from a few hundred bytes to half a megabyte and is 12 kB on
    /// average, some twenty files a folder. The same on every machine.
    /// </summary>
    /// <param name="number">Another number gives other files.</param>
    public static void SourceFiles(string target, long bytes, int number)
    {
        var random = new Random(Seed + number);
        var words = Enumerable.Range(0, 8_000).Select(_ => new string([.. Enumerable.Range(0, random.Next(2, 12)).Select(_ => (char)random.Next('a', 'z' + 1))])).ToArray();
        var text = new StringBuilder();
        var files = 0;
        for (var written = 0L; written < bytes; files++)
        {
            // Log-normal, as the sizes of source files are.
            var size = Math.Min((int)Math.Exp(8.2 + (1.5 * Normal(random))), 500_000);
            text.Clear();
            while (text.Length < size)
            {
                text.Append(' ', 4 * random.Next(4));
                for (var left = random.Next(1, 12); left > 0; left--)
                    text.Append(words[(int)(words.Length * Math.Pow(random.NextDouble(), 4))]).Append(left % 3 == 0 ? '.' : ' ');
                text.Append('\n');
            }

            var folder = Path.Combine(target, $"{files / 400:000}", $"{files / 20 % 20:00}");
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, $"{files:000000}.txt"), text.ToString());
            written += text.Length;
        }
    }

    /// <summary>A repository with its history as git packs it, and its files.</summary>
    public static async Task GitAsync(string target, string repository, CancellationToken cancellationToken)
    {
        using var git = Process.Start(new ProcessStartInfo("git", ["clone", "--quiet", "--no-hardlinks", repository, target]) { RedirectStandardError = true })!;
        await git.WaitForExitAsync(cancellationToken);
        if (git.ExitCode != 0) throw new InvalidOperationException($"git clone: {await git.StandardError.ReadToEndAsync(cancellationToken)}");
    }

    /// <summary>Binaries that nothing packs, each with a twin that has bytes inserted here and there.</summary>
    public static void Binaries(string target, int count, int size) => Binaries(target, target, ".shifted", count, size);

    /// <summary>Binaries that nothing packs in one folder, and in another the same with bytes inserted here and there.</summary>
    public static void Shifted(string before, string after, int count, int size) => Binaries(before, after, "", count, size);

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

    /// <summary>Puts a line somewhere into one file of a hundred.</summary>
    public static void Insert(string target)
    {
        var random = new Random(Seed);
        foreach (var path in Directory.EnumerateFiles(target, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Where(_ => random.Next(100) == 0).ToList())
        {
            var content = File.ReadAllBytes(path);
            var at = random.Next(content.Length + 1);
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            File.WriteAllBytes(path, [.. content.AsSpan(0, at), .. "\na line more\n"u8, .. content.AsSpan(at)]);
        }
    }

    /// <summary>Appends to one file of a hundred, or to more of them.</summary>
    public static void Touch(string target, int round, int ofHundred = 1)
    {
        var random = new Random(Seed + round);
        foreach (var path in Directory.EnumerateFiles(target, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Where(_ => random.Next(100) < ofHundred).ToList())
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            File.AppendAllText(path, $"a change of round {round}\n");
        }
    }

    private static void Binaries(string target, string twins, string suffix, int count, int size)
    {
        Directory.CreateDirectory(target);
        Directory.CreateDirectory(twins);
        var random = new Random(Seed);
        for (var i = 0; i < count; i++)
        {
            var content = new byte[size];
            random.NextBytes(content);
            File.WriteAllBytes(Path.Combine(target, $"{i}.bin"), content);
            using var twin = File.Create(Path.Combine(twins, $"{i}{suffix}.bin"));
            for (var at = 0; at < size; at += size / 8)
            {
                twin.Write(content, at, Math.Min(size / 8, size - at));
                twin.Write([1, 2, 3, 4, 5]);
            }
        }
    }

    private static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
