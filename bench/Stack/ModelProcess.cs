using System.Diagnostics;

namespace Marionette.Bench.Stack;

/// <summary>The scripted model server as a process.</summary>
internal sealed class ModelProcess : IAsyncDisposable
{
    private const string Listening = "listening on ";
    private readonly Process _process;

    private ModelProcess(Process process, string url) => (_process, Url) = (process, url);

    public string Url { get; }

    public static async Task<ModelProcess> StartAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(Path.Combine(options.Artifacts, "modelserver", "Marionette.ModelServer"))
        {
            ArgumentList = { "--port", "0" }, RedirectStandardOutput = true,
        };
        var process = Process.Start(start)!;
        var line = await process.StandardOutput.ReadLineAsync(cancellationToken);
        if (line?.StartsWith(Listening, StringComparison.Ordinal) != true) throw new InvalidOperationException($"The model server said: {line}");
        _ = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        return new ModelProcess(process, line[Listening.Length..]);
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
