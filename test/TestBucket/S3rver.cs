using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Marionette.TestBucket;

/// <summary>s3rver, which <c>./marionette test</c> installs: a process of its own over a folder of its own, with one bucket.</summary>
public sealed partial class S3rver : IAsyncDisposable
{
    public const string Bucket = "chunks";

    private readonly Process process;
    private readonly string folder;

    private S3rver(Process process, string folder) => (this.process, this.folder) = (process, folder);

    /// <summary>Null when it can run; otherwise why not.</summary>
    public static string? Obstacle { get; } = Program is { } program && File.Exists(program)
        ? null
        : "MARIONETTE_S3RVER names no s3rver; ./marionette test installs it where there is npm.";

    /// <summary>Where it listens.</summary>
    public Uri Endpoint { get; private set; } = null!;

    private static string? Program => Environment.GetEnvironmentVariable("MARIONETTE_S3RVER");

    public static async Task<S3rver> StartAsync()
    {
        var folder = Directory.CreateTempSubdirectory("marionette-s3rver-").FullName;
        Directory.CreateDirectory(Path.Combine(folder, Bucket));
        var start = new ProcessStartInfo(Program!, ["-d", folder, "-a", "127.0.0.1", "-p", "0", "--no-vhost-buckets"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        var listening = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        var process = new Process { StartInfo = start, EnableRaisingEvents = true };
        process.OutputDataReceived += (_, said) =>
        {
            if (Listening().Match(said.Data ?? "") is { Success: true } found) listening.TrySetResult(int.Parse(found.Groups[1].ValueSpan));
        };
        // Read, so that it never waits for a reader.
        process.ErrorDataReceived += (_, _) => { };
        process.Exited += (_, _) => listening.TrySetException(new InvalidOperationException("s3rver ended before it listened."));
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        var server = new S3rver(process, folder);
        try
        {
            server.Endpoint = new Uri($"http://127.0.0.1:{await listening.Task.WaitAsync(TimeSpan.FromSeconds(60))}");
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited) process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [GeneratedRegex(@"listening on \S+:(\d+)$")]
    private static partial Regex Listening();
}
