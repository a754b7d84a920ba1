using System.Text;
using Marionette.Agent.Agents.Input;
using Marionette.Agent.Agents.Permissions;
using Marionette.Agent.Events;
using Marionette.Agent.Hosting;
using Marionette.Agent.Processes;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Command;

/// <summary>
/// Runs a program of the session's choice for each task: what it prints is the log, its exit code the outcome and the end of its
/// output the result. One that speaks the line protocol tells events, asks for permission and takes messages as well.
/// </summary>
internal sealed class CommandDriver(AgentServices services) : IAgentDriver
{
    private const int MaxLine = 1024 * 1024;
    private const int MaxProtocolLine = LineProcess.MaxLine;
    private const int ResultBytes = 4096;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly OpenRequests permissions = new(services.Sink);
    private CommandProcess? running;

    public string? ConversationId => null;

    public string? AgentVersion => null;

    public bool Converses => false;

    public async Task<RunResult> RunAsync(StartRun run, CancellationToken interrupted)
    {
        if (interrupted.IsCancellationRequested)
            return new RunResult { Outcome = Outcomes.Interrupted };
        try
        {
            running = await StartAsync(run).ConfigureAwait(false);
            return await RunAsync(running, run, interrupted).ConfigureAwait(false);
        }
        catch (AgentStartException exception)
        {
            return RunResult.Failed(exception.Code, exception.Message);
        }
        finally
        {
            running = null;
            permissions.WithdrawAll("the agent's process ended");
            services.Sink.Commit();
            services.Journal.Child(0, 0);
        }
    }

    public async Task<bool> AnswerAsync(AnswerPermission answer)
    {
        if (running is not { } asker || permissions.Take(answer.Request) is not { } question)
            return false;
        if (answer is { Allow: false, Interrupt: true })
            asker.IsToEnd = true;
        if (await asker.TellAsync(LineProtocol.Answer(answer)).ConfigureAwait(false))
            permissions.Received(question, answer.Request);
        else
            permissions.Lost(question, answer.Request);
        if (asker.IsToEnd)
            asker.End();
        return true;
    }

    public async Task<string?> SendAsync(SendMessage message)
    {
        if (running is not { Options.Lines: true } taker)
            return "A command takes no message while it runs, unless it speaks the line protocol.";
        try
        {
            var files = AttachmentStore.Store(services.Config.WorkspaceDir, message.Run, message.Attachments);
            return await taker.TellAsync(LineProtocol.Message(message, files)).ConfigureAwait(false)
                ? null
                : "The command does not read its input any more.";
        }
        catch (AgentStartException exception)
        {
            return exception.Message;
        }
    }

    public Task<string?> ConfigureAsync(Configure change) => Task.FromResult<string?>("A command has neither model nor permission mode.");

    /// <summary>Nothing runs between two runs.</summary>
    public Task StopAsync() => Task.CompletedTask;

    public void Kill() => running?.Child.KillTree();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private async Task<CommandProcess> StartAsync(StartRun run)
    {
        var setup = services.Setup.Current;
        var options = CommandOptions.Read(setup.Options.Memory);
        if (setup.Command.Count == 0)
            throw new AgentStartException(ErrorCodes.AgentNotFound, "The session names no command.");
        var environment = ChildEnvironment.Create(services.Config, services.Environment, setup.Env);
        environment["MARIONETTE_SESSION"] = setup.Session;
        environment["MARIONETTE_TASK"] = run.Task;
        environment["MARIONETTE_RUN"] = run.Run;
        var file = ChildEnvironment.Find(setup.Command[0], environment["PATH"]) ?? throw new AgentStartException(
            ErrorCodes.AgentNotFound, $"The command \"{setup.Command[0]}\" is not there or not executable (PATH {environment["PATH"]}).");
        try
        {
            Directory.CreateDirectory(services.Config.WorkspaceDir);
            var input = CommandInput.Prepare(options, run, setup.Command.Skip(1), services.Config);
            foreach (var (name, value) in input.Environment)
                environment[name] = value;
            var started = await ChildProcess.StartAsync(new ChildSpec
            {
                File = file,
                Arguments = input.Arguments,
                Environment = environment,
                WorkingDirectory = services.Config.WorkspaceDir,
            }).ConfigureAwait(false);
            services.Journal.Child(started.Pid, ProcessTree.StartTime(started.Pid) ?? 0);
            services.Log.ChildStarted(started.Pid, file);
            return new CommandProcess(started, options, input);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new AgentStartException(ErrorCodes.WorkspaceUnavailable, exception.Message);
        }
    }

    private async Task<RunResult> RunAsync(CommandProcess process, StartRun run, CancellationToken interrupted)
    {
        var id = Encoding.UTF8.GetBytes(run.Run);
        var answer = new OutputTail(ResultBytes);
        var errors = new OutputTail(ResultBytes);
        var protocol = process.Options.Lines ? new LineProtocol(services.Sink, permissions, id) : null;
        var pump = new OutputPump(process.Child, services.Clock)
        {
            Drained = token =>
            {
                services.Sink.Commit();
                return services.Sink.WaitForSpaceAsync(token);
            },
        };
        var feeding = process.FeedAsync();
        var ending = pump.RunAsync(
            (protocol is null ? MaxLine : MaxProtocolLine, (line, partial) =>
            {
                if (partial || protocol is null || !protocol.Take(line))
                    Log(id, LogStream.Stdout, line, partial, answer);
            }),
            (MaxLine, (line, partial) => Log(id, LogStream.Stderr, line, partial, errors)));
        using (var stop = CancellationTokenSource.CreateLinkedTokenSource(interrupted, process.Ending))
            await EndAsync(process, pump, ending, stop.Token).ConfigureAwait(false);
        var status = await ending.ConfigureAwait(false);
        await feeding.ConfigureAwait(false);
        services.Sink.Commit();
        services.Log.ChildEnded(process.Child.Pid, status.ToString());
        if (process.IsToEnd)
            return new RunResult { Outcome = Outcomes.Canceled, Exit = status };
        return Conclude(status, protocol, answer.ToString(), errors.ToString());
    }

    private static RunResult Conclude(ExitStatus status, LineProtocol? protocol, string answer, string errors)
    {
        var usage = protocol?.Usage ?? default;
        if (status.Code == 0 || protocol?.Result is { Outcome: Outcomes.Failed })
        {
            var told = protocol?.Result ?? new RunResult { Outcome = Outcomes.Completed, Result = answer };
            return told with { Exit = status, Usage = usage };
        }

        var message = $"The command ended with {status}." + (errors.Length > 0 ? " It said: " + errors : "");
        var code = status.Signal is null ? ErrorCodes.AgentExited : ErrorCodes.AgentKilled;
        return RunResult.Failed(code, message, status) with { Usage = usage };
    }

    private void Log(byte[] run, LogStream stream, ReadOnlyMemory<byte> line, bool partial, OutputTail tail)
    {
        tail.Add(line.Span);
        services.Sink.Log(run, stream, LogSeverity.Info, line.Span, partial);
    }

    // Waits for the end, and brings it about when the run is interrupted: a word, SIGTERM, and SIGKILL when that was not enough.
    private async Task EndAsync(CommandProcess process, OutputPump pump, Task<ExitStatus> ending, CancellationToken stop)
    {
        try
        {
            await ending.WaitAsync(stop).ConfigureAwait(false);
            return;
        }
        catch (OperationCanceledException)
        {
            // Below: it is brought to its end.
        }

        if (process.Options.Lines && await process.TellAsync(LineProtocol.Interrupt()).ConfigureAwait(false)
            && await EndsAsync(ending).ConfigureAwait(false))
            return;
        process.Child.Signal(Libc.SigTerm);
        if (await EndsAsync(ending).ConfigureAwait(false))
            return;
        process.Child.KillTree();
        pump.Abandon();
    }

    private async Task<bool> EndsAsync(Task<ExitStatus> ending)
    {
        try
        {
            await ending.WaitAsync(Patience, services.Clock, CancellationToken.None).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }
}
