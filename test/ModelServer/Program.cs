using System.Runtime.InteropServices;
using Marionette.ModelServer;

if (args.Contains("--help"))
{
    Console.WriteLine(CommandLine.Help);
    return 0;
}

ModelServerOptions options;
try
{
    options = CommandLine.Parse(args);
}
catch (FormatException wrong)
{
    Console.Error.WriteLine(wrong.Message);
    return 2;
}

var stop = new TaskCompletionSource();
using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
try
{
    await using var server = await ScriptedModelServer.StartAsync(options);
    Console.WriteLine($"listening on {server.Url.GetLeftPart(UriPartial.Authority)}");
    await stop.Task;
    return 0;
}
catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
{
    Console.Error.WriteLine(failure.Message);
    return 1;
}

void OnSignal(PosixSignalContext signal)
{
    signal.Cancel = true; // the default would end the process before the server is disposed
    stop.TrySetResult();
}
