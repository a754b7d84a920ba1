using System.Diagnostics;

namespace Marionette.Bench.Floors;

/// <summary>The least that keeps a folder and brings it back: tar into a file and out of it. It packs nothing, and nobody waits for the disk.</summary>
internal static class TarFloor
{
    /// <returns>Milliseconds of packing and of unpacking, by processes from start to end.</returns>
    public static async Task<(double Pack, double Unpack)> MeasureAsync(string folder, CancellationToken cancellationToken)
    {
        var work = Directory.CreateTempSubdirectory("marionette-bench-tar-").FullName;
        try
        {
            var (archive, target) = (Path.Combine(work, "archive.tar"), Directory.CreateDirectory(Path.Combine(work, "target")).FullName);
            return (await RunAsync(["-cf", archive, "-C", folder, "."], cancellationToken), await RunAsync(["-xf", archive, "-C", target], cancellationToken));
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    private static async Task<double> RunAsync(string[] arguments, CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();
        using var tar = Process.Start("tar", arguments);
        await tar.WaitForExitAsync(cancellationToken);
        var took = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
        return tar.ExitCode == 0 ? took : throw new InvalidOperationException($"tar ended with {tar.ExitCode}.");
    }
}
