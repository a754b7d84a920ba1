using System.Text.Json;
using Marionette.Agent.Egress.Policy;
using Marionette.Agent.Processes;

namespace Marionette.Agent.Egress;

/// <summary>Reads requests and answers each, whatever is wrong with it. Requests for different runners are worked on at once.</summary>
internal sealed class NetdServer(RunnerDirectory runners, NetdOutput output, TimeProvider clock)
{
    private const int MaxLine = 4 * 1024 * 1024;
    private const int MaxKey = 200;
    private const int MaxAtOnce = 64;

    private readonly SemaphoreSlim slots = new(MaxAtOnce);
    private readonly Dictionary<string, Task> lanes = new(StringComparer.Ordinal);

    /// <summary>Serves an input until its end, and finishes what it asked for.</summary>
    public async Task ServeAsync(Stream input, CancellationToken cancellationToken)
    {
        using var reader = new LineReader(input, MaxLine);
        var skipping = false;
        bool more;
        do
        {
            more = await FillAsync(reader, cancellationToken).ConfigureAwait(false);
            while (reader.TryTake(out var line, out var partial))
            {
                if (partial && !skipping)
                    output.Answer(new NetdAnswer(null, false, "the line is too long"));
                var skip = skipping || partial;
                skipping = partial;
                if (!skip && !line.Span.Trim("\r \t"u8).IsEmpty)
                    await TakeAsync(line, cancellationToken).ConfigureAwait(false);
            }
        }
        while (more);
        await Task.WhenAll(lanes.Values).ConfigureAwait(false);
    }

    /// <summary>Tells notices that are due, until stopped.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1), clock);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
                runners.Flush();
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    private static async Task<bool> FillAsync(LineReader reader, CancellationToken cancellationToken)
    {
        try
        {
            return await reader.FillAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (IOException)
        {
            return false; // a terminal that is gone: the end of the input
        }
    }

    private async Task TakeAsync(ReadOnlyMemory<byte> line, CancellationToken cancellationToken)
    {
        NetdRequest? request;
        try
        {
            request = JsonSerializer.Deserialize(line.Span, NetdJsonContext.Default.NetdRequest);
        }
        catch (JsonException exception)
        {
            output.Answer(new NetdAnswer(null, false, $"not a request: {exception.Message}"));
            return;
        }

        if (request is null)
        {
            output.Answer(new NetdAnswer(null, false, "not a request"));
            return;
        }

        await slots.WaitAsync(cancellationToken).ConfigureAwait(false);
        foreach (var done in lanes.Where(lane => lane.Value.IsCompleted).Select(lane => lane.Key).ToList())
            lanes.Remove(done);
        var key = request.Key ?? "";
        var before = lanes.GetValueOrDefault(key, Task.CompletedTask);
        // Attaching blocks its thread for some milliseconds: not one of those that carry the connections.
        lanes[key] = Task.Factory.StartNew(
            () => WorkAsync(request, before), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap();
    }

    private async Task WorkAsync(NetdRequest request, Task before)
    {
        try
        {
            await before.ConfigureAwait(false);
            output.Answer(await AnswerAsync(request).ConfigureAwait(false));
        }
        catch (Exception exception)
        {
            // Whatever it was: it is this request's, and its asker waits.
            output.Answer(new NetdAnswer(request.Id, false, exception.Message));
        }
        finally
        {
            slots.Release();
        }
    }

    private async Task<NetdAnswer> AnswerAsync(NetdRequest request)
    {
        if (request.Op == "list")
            return new NetdAnswer(request.Id, true, Keys: runners.Keys);
        if (request.Op is not ("attach" or "policy" or "detach"))
            return Refuse("op must be attach, policy, detach or list");
        if (request.Key is not { Length: > 0 and <= MaxKey } key)
            return Refuse("key is missing or too long");
        if (request.Op == "detach")
        {
            await runners.DetachAsync(key, "asked").ConfigureAwait(false);
            return new NetdAnswer(request.Id, true);
        }

        if (EgressPolicy.Parse(request.Mode, request.Allowed, request.Aliases, out var problem) is not { } policy)
            return Refuse(problem);
        if (request.Op == "policy")
            runners.Apply(key, policy);
        else if (request.Pid is { } pid and > 0)
            await runners.AttachAsync(key, pid, policy).ConfigureAwait(false);
        else
            return Refuse("pid is missing");
        return new NetdAnswer(request.Id, true);

        NetdAnswer Refuse(string why) => new(request.Id, false, why);
    }
}
