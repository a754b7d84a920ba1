using Marionette.Bench;
using Marionette.Bench.Figures;
using Marionette.Bench.Floors;
using Marionette.Bench.Measuring;
using Marionette.Bench.Runners;

switch (args)
{
    case ["floor", var connectionString]:
        return await FloorServer.RunAsync(connectionString);
    case [Ticker.Verb, var rate, var count]:
        return Ticker.Run(int.Parse(rate), int.Parse(count));
    case [NetworkPeer.Verb, .. var peer]:
        return await NetworkPeer.RunAsync(peer);
    case ["asker", var questions]:
        return Asker.Run(int.Parse(questions));
}

BenchOptions options;
try
{
    options = BenchOptions.Parse(args);
}
catch (ArgumentException e)
{
    await Console.Error.WriteLineAsync($"bench: {e.Message}");
    return 2;
}

using var interrupted = new CancellationTokenSource();
Console.CancelKeyPress += (_, stop) =>
{
    stop.Cancel = true;
    interrupted.Cancel();
};
return await Catalog.RunAsync(options, new FigureWriter(options.Json), interrupted.Token);
