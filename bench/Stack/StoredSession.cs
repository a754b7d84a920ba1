using System.Text.Json;

namespace Marionette.Bench.Stack;

/// <summary>
/// An idle session of the command agent whose workspace lies on this machine: the bench fills it, and takes the times of its departures and returns from
/// its log.
/// </summary>
internal sealed class StoredSession
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(10);

    private readonly BenchStack _stack;
    private readonly string _folder;
    private long _seen;

    private StoredSession(BenchStack stack, string id, string folder) => (_stack, Id, _folder) = (stack, id, folder);

    public string Id { get; }

    /// <summary>The folder in which the agent works.</summary>
    public string Workspace => Path.Combine(_folder, "workspace");

    /// <summary>Without a runner yet, and with an empty workspace that may be filled.</summary>
    public static async Task<StoredSession> CreateAsync(BenchStack stack, CancellationToken cancellationToken)
    {
        var id = await stack.Api.CreateSessionAsync("true");
        var view = await stack.Api.GetAsync($"/api/v1/sessions/{id}", cancellationToken);
        // Where the provider of processes keeps the files of a session's runners.
        var session = new StoredSession(stack, id, Path.Combine(stack.DataDirectory, "workspaces", view.GetProperty("workspace_id").GetString()!));
        Directory.CreateDirectory(session.Workspace);
        return session;
    }

    /// <summary>Gives it a runner.</summary>
    /// <param name="source">What the runner must say that it found: <c>kept</c> or <c>restored</c>.</param>
    public async Task<Return> ResumeAsync(string source, CancellationToken cancellationToken)
    {
        var called = TimeProvider.System.GetUtcNow();
        await _stack.Api.PostAsync($"/api/v1/sessions/{Id}/resume", null, cancellationToken);
        var ready = await EventAsync("workspace.ready", cancellationToken);
        await _stack.Api.UntilAsync(Id, view => view.GetProperty("status").GetString() == "active", cancellationToken);
        var data = ready.GetProperty("data");
        if (data.GetProperty("source").GetString() is var found && found != source)
            throw new InvalidOperationException($"The runner found {found} files in place of {source} ones.");
        return new Return(Since(called, ready), data.GetProperty("took_ms").GetInt64());
    }

    /// <summary>Runs a task that does nothing: a checkpoint of its end follows.</summary>
    public async Task RunTaskAsync(CancellationToken cancellationToken)
    {
        await _stack.Api.SubmitAsync(Id, "go");
        await EventAsync("checkpoint.created", cancellationToken);
    }

    /// <summary>Takes its runner away. On return the runner's process has ended.</summary>
    public async Task<Departure> SuspendAsync(CancellationToken cancellationToken)
    {
        var view = await _stack.Api.GetAsync($"/api/v1/sessions/{Id}", cancellationToken);
        var called = TimeProvider.System.GetUtcNow();
        await _stack.Api.PostAsync($"/api/v1/sessions/{Id}/suspend", null, cancellationToken);
        var made = await EventAsync("checkpoint.created", cancellationToken);
        var suspended = await EventAsync("session.suspended", cancellationToken);
        while (_stack.RunnerPid(view.GetProperty("runner_id").GetString()!) is not null) await Task.Delay(Look, cancellationToken);
        var data = made.GetProperty("data");
        return new Departure(Since(called, suspended), data.GetProperty("took_ms").GetInt64(), data.GetProperty("bytes_stored").GetInt64());
    }

    /// <summary>Its next runner begins on another machine, as far as it can see.</summary>
    public void ForgetFolders() => Directory.Delete(_folder, recursive: true);

    public async Task EndAsync(CancellationToken cancellationToken)
    {
        await _stack.Api.TerminateAsync(Id, cancellationToken);
        if (Directory.Exists(_folder)) ForgetFolders();
    }

    /// <summary>The next event of a type, behind the last one that was asked for.</summary>
    private async Task<JsonElement> EventAsync(string type, CancellationToken cancellationToken)
    {
        var found = await _stack.Api.EventAsync(Id, $"{type},checkpoint.failed,runner.lost", _seen, cancellationToken);
        _seen = found.GetProperty("seq").GetInt64();
        return found.GetProperty("type").GetString() == type ? found : throw new InvalidOperationException($"{type} was waited for, and there came {found}");
    }

    private static double Since(DateTimeOffset called, JsonElement happened) => (happened.GetProperty("time").GetDateTimeOffset() - called).TotalMilliseconds;
}

/// <summary>A suspension.</summary>
/// <param name="Milliseconds">From the client's call to <c>session.suspended</c>.</param>
/// <param name="CheckpointMs">Of these the agent's last checkpoint, workspace and home.</param>
/// <param name="BytesStored">What it added to the store.</param>
internal readonly record struct Departure(double Milliseconds, long CheckpointMs, long BytesStored);

/// <summary>A return.</summary>
/// <param name="Milliseconds">From the client's call to <c>workspace.ready</c>.</param>
/// <param name="OpeningMs">Of these the agent's opening of its folders.</param>
internal readonly record struct Return(double Milliseconds, long OpeningMs);
