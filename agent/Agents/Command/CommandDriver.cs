using System.Text;
using Marionette.Agent.Events;
using Marionette.Agent.Hosting;
using Marionette.Agent.Processes;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Command;

/// <summary>
/// Runs a program of the session's choice for each task: the prompt is its input, what it prints is the log, its exit code the
/// outcome and the end of its output the result.
/// </summary>
internal sealed class CommandDriver(AgentServices services) : IAgentDriver
{
    private const int MaxLine = 1024 * 1024;
    private const int ResultBytes = 4096;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private ChildProcess? child;

    public string? ConversationId => null;

    public string? AgentVersion => null;

    public async Task<RunResult> RunAsync(StartRun run, CancellationToken interrupted)
    {
        if (interrupted.IsCancellationRequested)
            return new RunResult { Outcome = Outcomes.Interrupted };
        try
        {
            child = await StartAsync(run).ConfigureAwait(false);
        }
        catch (AgentStartException exception)
        {
            return RunResult.Failed(exception.Code, exception.Message);
        }

        try
        {
            return await RunAsync(child, run, interrupted).ConfigureAwait(false);
        }
        finally
        {
            child = null;
            services.Journal.Child(0, 0);
        }
    }

    /// <summary>A command asks no questions.</summary>
    public Task<bool> AnswerAsync(AnswerPermission answer) => Task.FromResult(false);

    public Task<string?> SendAsync(SendMessage message) => Task.FromResult<string?>("A command takes no message while it runs.");

    public Task<string?> ConfigureAsync(Configure change) => Task.FromResult<string?>("A command has neither model nor permission mode.");

    /// <summary>Nothing runs between two runs.</summary>
    public Task StopAsync() => Task.CompletedTask;

    public void Kill() => child?.KillTree();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static async Task FeedAsync(ChildProcess running, string prompt)
    {
        try
        {
            await running.Input.WriteAsync(Encoding.UTF8.GetBytes(prompt)).ConfigureAwait(false);
            await running.Input.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            // It does not want its input (all of it).
        }
    }

    private async Task<ChildProcess> StartAsync(StartRun run)
    {
        var command = services.Setup.Current.Command;
        if (command.Count == 0)
            throw new AgentStartException(ErrorCodes.AgentNotFound, "The session names no command.");
        var environment = ChildEnvironment.Create(services.Config, services.Environment, services.Setup.Current.Env);
        environment["MARIONETTE_SESSION"] = services.Setup.Current.Session;
        environment["MARIONETTE_TASK"] = run.Task;
        environment["MARIONETTE_RUN"] = run.Run;
        var file = ChildEnvironment.Find(command[0], environment["PATH"]) ?? throw new AgentStartException(
            ErrorCodes.AgentNotFound, $"The command \"{command[0]}\" is not there or not executable (PATH {environment["PATH"]}).");
        try
        {
            Directory.CreateDirectory(services.Config.WorkspaceDir);
            var started = await ChildProcess.StartAsync(new ChildSpec
            {
                File = file,
                Arguments = [.. command.Skip(1)],
                Environment = environment,
                WorkingDirectory = services.Config.WorkspaceDir,
            }).ConfigureAwait(false);
            services.Journal.Child(started.Pid, ProcessTree.StartTime(started.Pid) ?? 0);
            services.Log.ChildStarted(started.Pid, file);
            return started;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new AgentStartException(ErrorCodes.WorkspaceUnavailable, exception.Message);
        }
    }

    private async Task<RunResult> RunAsync(ChildProcess running, StartRun run, CancellationToken interrupted)
    {
        var id = Encoding.UTF8.GetBytes(run.Run);
        var answer = new OutputTail(ResultBytes);
        var errors = new OutputTail(ResultBytes);
        var pump = new OutputPump(running, services.Clock)
        {
            Drained = token =>
            {
                services.Sink.Commit();
                return services.Sink.WaitForSpaceAsync(token);
            },
        };
        var feeding = FeedAsync(running, run.Prompt);
        var ending = pump.RunAsync(
            (MaxLine, (line, partial) => Log(id, LogStream.Stdout, line, partial, answer)),
            (MaxLine, (line, partial) => Log(id, LogStream.Stderr, line, partial, errors)));
        await EndAsync(running, pump, ending, interrupted).ConfigureAwait(false);
        var status = await ending.ConfigureAwait(false);
        await feeding.ConfigureAwait(false);
        services.Sink.Commit();
        services.Log.ChildEnded(running.Pid, status.ToString());
        if (status.Code == 0)
            return new RunResult { Outcome = Outcomes.Completed, Result = answer.ToString(), Exit = status };
        var message = $"The command ended with {status}." + (errors.ToString() is { Length: > 0 } tail ? " It said: " + tail : "");
        var code = status.Signal is null ? ErrorCodes.AgentExited : ErrorCodes.AgentKilled;
        return RunResult.Failed(code, message, status);
    }

    private void Log(byte[] run, LogStream stream, ReadOnlyMemory<byte> line, bool partial, OutputTail tail)
    {
        tail.Add(line.Span);
        services.Sink.Log(run, stream, LogSeverity.Info, line.Span, partial);
    }

    // Waits for the end, and brings it about when the run is interrupted: SIGTERM, and SIGKILL when that was not enough.
    private async Task EndAsync(
        ChildProcess running, OutputPump pump, Task<ExitStatus> ending, CancellationToken interrupted)
    {
        try
        {
            await ending.WaitAsync(interrupted).ConfigureAwait(false);
            return;
        }
        catch (OperationCanceledException)
        {
            running.Signal(Libc.SigTerm);
        }

        try
        {
            await ending.WaitAsync(Patience, services.Clock, CancellationToken.None).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            running.KillTree();
            pump.Abandon();
        }
    }
}
