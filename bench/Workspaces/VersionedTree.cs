using System.Diagnostics;

namespace Marionette.Bench.Workspaces;

/// <summary>A folder as it was and as it is after some work: what chunks of one version are worth to the next.</summary>
internal static class VersionedTree
{
    private const int LargestPackageFile = 8_000_000, CommitsBetween = 20;

    /// <summary>Packages as npm lays them out, and the same after one file in a hundred got a line somewhere.</summary>
    /// <param name="source">Programs in it, files above 8 MB, are left out.</param>
    public static void Packages(string before, string after, string source, long bytes)
    {
        var copied = 0L;
        var all = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true };
        var files = new DirectoryInfo(source).EnumerateFiles("*", all).Where(file => file.Length <= LargestPackageFile);
        foreach (var file in files.OrderBy(file => file.FullName, StringComparer.Ordinal))
        {
            if (copied >= bytes) break;
            foreach (var target in new[] { before, after })
            {
                var to = Path.Combine(target, Path.GetRelativePath(source, file.FullName));
                Directory.CreateDirectory(Path.GetDirectoryName(to)!);
                file.CopyTo(to);
            }

            copied += file.Length;
        }

        if (copied == 0) throw new InvalidOperationException($"{source} has no files; MARIONETTE_BENCH_PACKAGES names a folder with npm packages.");
        SampleTree.Insert(after);
    }

    /// <summary>A clone as it was some commits ago and as it is now, each with its history packed anew, as git does now and then.</summary>
    public static async Task GitAsync(string before, string after, string repository, CancellationToken cancellationToken)
    {
        foreach (var target in new[] { before, after })
        {
            await SampleTree.GitAsync(target, repository, cancellationToken);
            if (target == before)
            {
                await RunAsync("git", target, cancellationToken, "checkout", "--quiet", "--detach", $"HEAD~{CommitsBetween}");
                // Without any name for the newer commits, packing leaves them out.
                const string Forget =
                    "git for-each-ref --format='delete %(refname)' | git update-ref --no-deref --stdin && rm -f .git/ORIG_HEAD .git/FETCH_HEAD";
                await RunAsync("sh", target, cancellationToken, "-c", Forget);
                await RunAsync("git", target, cancellationToken, "reflog", "expire", "--expire=now", "--all");
            }

            await RunAsync("git", target, cancellationToken, "repack", "-a", "-d", "-q");
            await RunAsync("git", target, cancellationToken, "prune", "--expire=now");
        }
    }

    /// <summary>What this repository's gateway is built into, and the same after a change of the project that all others rest on.</summary>
    public static async Task BuildAsync(string before, string after, string repository, CancellationToken cancellationToken)
    {
        var work = Directory.CreateTempSubdirectory("marionette-bench-build-").FullName;
        try
        {
            var clone = Path.Combine(work, "clone");
            await SampleTree.GitAsync(clone, repository, cancellationToken);
            await BuildAsync(clone, before, cancellationToken);
            const string Change = "namespace Marionette;\n\n/// <summary>A change.</summary>\ninternal static class Change;\n";
            await File.WriteAllTextAsync(Path.Combine(clone, "grain-interfaces", "Change.cs"), Change, cancellationToken);
            await BuildAsync(clone, after, cancellationToken);
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    private static async Task BuildAsync(string clone, string target, CancellationToken cancellationToken)
    {
        string[] arguments = ["build", Path.Combine("gateway", "Marionette.Gateway.csproj"), "-c", "Release", "--nologo", "-v", "q", "-nr:false"];
        await RunAsync("dotnet", clone, cancellationToken, arguments);
        foreach (var name in new[] { "bin", "obj" })
        {
            foreach (var built in Directory.EnumerateDirectories(clone, name, SearchOption.AllDirectories).ToList())
            {
                var to = Path.Combine(target, Path.GetRelativePath(clone, built));
                Directory.CreateDirectory(Path.GetDirectoryName(to)!);
                await RunAsync("cp", clone, cancellationToken, "-a", built, to);
            }
        }
    }

    private static async Task RunAsync(string program, string folder, CancellationToken cancellationToken, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var said = Task.WhenAll(process.StandardOutput.ReadToEndAsync(cancellationToken), process.StandardError.ReadToEndAsync(cancellationToken));
        await process.WaitForExitAsync(cancellationToken);
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {string.Concat(await said)}");
    }
}
