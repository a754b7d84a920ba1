using System.Diagnostics;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Floors;

/// <summary>The <see cref="FloorServer"/> on the database of a stack.</summary>
internal sealed class FloorProcess : IAsyncDisposable
{
    private readonly Process _process;

    private FloorProcess(Process process, string[] addresses) => (_process, Url, GrpcUrl) = (process, addresses[0], addresses[1]);

    public string Url { get; }

    public string GrpcUrl { get; }

    public static async Task<FloorProcess> StartAsync(BenchStack stack, CancellationToken cancellationToken)
    {
        await using (var command = stack.Database.CreateCommand("create table if not exists bench_row (id bigint primary key generated always as identity, body bytea not null)"))
            await command.ExecuteNonQueryAsync(cancellationToken);
        var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!)
        {
            ArgumentList = { "floor", stack.ConnectionString }, RedirectStandardInput = true, RedirectStandardOutput = true,
        })!;
        var line = await process.StandardOutput.ReadLineAsync(cancellationToken) ?? throw new InvalidOperationException("The floor server did not start.");
        return new FloorProcess(process, line.Split(' '));
    }

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        try
        {
            await _process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill();
        }

        _process.Dispose();
    }
}
