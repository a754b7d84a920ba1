using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text.Json;
using Marionette.Providers;
using Marionette.Runners;
using Marionette.Sessions;

namespace Marionette.Cluster.Tests.Sessions;

/// <summary>A runner's agent and its gateway, as the grains see both.</summary>
internal sealed class ScriptedAgent(IGrainFactory grains, RunnerSpec spec) : IRunnerConnection
{
    private readonly byte[] _secret = [.. Enumerable.Repeat((byte)7, 32)];
    private int _connections;
    private long _said, _lastCommand;

    public RunnerSpec Spec => spec;

    public string Id => spec.RunnerKey[(spec.RunnerKey.IndexOf('/', StringComparison.Ordinal) + 1)..];

    public ConcurrentQueue<RunnerCommand> Commands { get; } = new();

    /// <summary>Ends of its streams: epoch and reason. No reason = hung up, without a word of fencing.</summary>
    public ConcurrentQueue<(long Epoch, string Reason)> Ends { get; } = new();

    public IRunnerGrain Runner => grains.GetGrain<IRunnerGrain>(spec.RunnerKey);

    private ISessionGrain? Session { get; set; }

    public async Task ConnectAsync(CancellationToken cancellationToken)
    {
        var admission = await Runner.HelloAsync(new RunnerHello(spec.Epoch, spec.Token, _secret, "1", "host", 1), cancellationToken);
        Session = grains.GetGrain<ISessionGrain>(admission.SessionKey);
        await AttachAsync(cancellationToken);
    }

    public async Task AttachAsync(CancellationToken cancellationToken)
    {
        var self = grains.CreateObjectReference<IRunnerConnection>(this);
        var attachment = await Session!.AttachRunnerAsync(new AttachRunner(Id, spec.Epoch, $"c{_connections++}", _lastCommand, _said), self, cancellationToken);
        Take(attachment.Commands);
    }

    public Task<long> SayAsync(string type, object data, string? run, CancellationToken cancellationToken) => Session!.AppendOutputAsync(
        new RunnerOutput(spec.Epoch, ++_said, [new OutputEvent(type, run, 0, JsonSerializer.SerializeToUtf8Bytes(data))]), cancellationToken);

    public async Task<T> CommandAsync<T>(CancellationToken cancellationToken) where T : RunnerCommand =>
        (await Eventually.SeesAsync(typeof(T).Name, () => Task.FromResult(Commands.OfType<T>().LastOrDefault()), command => command is not null, cancellationToken))!;

    public Task OnCommandsAsync(ImmutableArray<RunnerCommand> commands)
    {
        Take(commands);
        return Task.CompletedTask;
    }

    public Task OnFencedAsync(long epoch, string reason)
    {
        Ends.Enqueue((epoch, reason));
        return Task.CompletedTask;
    }

    private void Take(ImmutableArray<RunnerCommand> commands)
    {
        foreach (var command in commands)
        {
            if (command.Number <= _lastCommand) continue;
            _lastCommand = command.Number;
            Commands.Enqueue(command);
        }
    }
}
