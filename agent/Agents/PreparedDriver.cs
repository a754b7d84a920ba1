using System.Security.Cryptography;
using System.Text;
using Marionette.Agent.Events;
using Marionette.Agent.Hosting;
using Marionette.Agent.Processes;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents;

/// <summary>
/// A driver whose first run waits for the profile's script. The script runs in the workspace with the agent's environment, as the agent's user,
/// and what it prints is the run's log. It runs in each new runner, and again as long as it has not succeeded there.
/// </summary>
internal sealed class PreparedDriver(IAgentDriver inner, AgentServices services) : IAgentDriver
{
    private const int MaxLine = 1024 * 1024;
    private const int TailBytes = 2048;

    private readonly string mark = Path.Combine(services.Config.StateDir, "init.done");
    private ChildProcess? script;

    public string? ConversationId => inner.ConversationId;

    public string? AgentVersion => inner.AgentVersion;

    public bool Converses => inner.Converses;

    public async Task<RunResult> RunAsync(StartRun run, CancellationToken interrupted)
    {
        var text = services.Setup.Current.InitScript;
        if (text.Length > 0 && !IsDone(text) && await PrepareAsync(text, run, interrupted).ConfigureAwait(false) is { } failure)
            return failure;
        return await inner.RunAsync(run, interrupted).ConfigureAwait(false);
    }

    public Task<bool> AnswerAsync(AnswerPermission answer) => inner.AnswerAsync(answer);

    public Task<string?> SendAsync(SendMessage message) =>
        script is null ? inner.SendAsync(message) : Task.FromResult<string?>("The profile's script runs; the agent has not begun yet.");

    public Task<string?> ConfigureAsync(Configure change) => inner.ConfigureAsync(change);

    public Task StopAsync() => inner.StopAsync();

    public void Kill()
    {
        script?.KillTree();
        inner.Kill();
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    /// <returns>Null when the agent may begin.</returns>
    private async Task<RunResult?> PrepareAsync(string text, StartRun run, CancellationToken interrupted)
    {
        var id = Encoding.UTF8.GetBytes(run.Run);
        services.Sink.Emit("state"u8, id, 0, static (json, _) => json.WriteString("phase"u8, "init_script"u8));
        services.Sink.Commit();
        var tail = new OutputTail(TailBytes);
        try
        {
            var status = await ExecuteAsync(text, id, tail, interrupted).ConfigureAwait(false);
            if (interrupted.IsCancellationRequested)
                return new RunResult { Outcome = Outcomes.Interrupted };
            if (status.Code != 0)
                return RunResult.Failed(ErrorCodes.InitFailed, $"The profile's script ended with {status}." + (tail.ToString() is { Length: > 0 } said ? " It said: " + said : ""), status);
            await File.WriteAllTextAsync(mark, Digest(text), CancellationToken.None).ConfigureAwait(false);
            return null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return RunResult.Failed(ErrorCodes.InitFailed, $"The profile's script could not be run: {exception.Message}");
        }
    }

    private async Task<ExitStatus> ExecuteAsync(string text, byte[] run, OutputTail tail, CancellationToken interrupted)
    {
        Directory.CreateDirectory(services.Config.WorkspaceDir);
        var child = await ChildProcess.StartAsync(new ChildSpec
        {
            File = "/bin/sh",
            Arguments = ["-c", text],
            Environment = ChildEnvironment.Create(services.Config, services.Environment, services.Setup.Current.Env),
            WorkingDirectory = services.Config.WorkspaceDir,
        }).ConfigureAwait(false);
        script = child;
        services.Journal.Child(child.Pid, ProcessTree.StartTime(child.Pid) ?? 0);
        services.Log.ChildStarted(child.Pid, "the profile's script");
        var pump = new OutputPump(child, services.Clock)
        {
            Drained = token =>
            {
                services.Sink.Commit();
                return services.Sink.WaitForSpaceAsync(token);
            },
        };
        try
        {
            child.Input.Close();
            using var stop = interrupted.Register(() =>
            {
                child.KillTree();
                pump.Abandon();
            });
            return await pump.RunAsync(
                (MaxLine, (line, partial) => Log(LogStream.Stdout, line, partial)),
                (MaxLine, (line, partial) => Log(LogStream.Stderr, line, partial))).ConfigureAwait(false);
        }
        finally
        {
            script = null;
            services.Journal.Child(0, 0);
            services.Sink.Commit();
        }

        void Log(LogStream stream, ReadOnlyMemory<byte> line, bool partial)
        {
            tail.Add(line.Span);
            services.Sink.Log(run, stream, LogSeverity.Info, line.Span, partial);
        }
    }

    private bool IsDone(string text)
    {
        try
        {
            return File.ReadAllText(mark) == Digest(text);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static string Digest(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
