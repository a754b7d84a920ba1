using System.Text;
using System.Text.Json;
using Marionette.Agent.Events;
using Marionette.Agent.Hosting;
using Marionette.Agent.Processes;

namespace Marionette.Agent.Agents.Rpc;

/// <content>What the agent prints, line by line.</content>
internal abstract partial class RpcDriver
{
    private const int ShownBytes = 4096;

    protected byte[] RunId => turn?.Id ?? [];

    void ILineListener.OnLine(LineProcess source, ReadOnlyMemory<byte> line, bool partial)
    {
        stall.Touch();
        if (turn is { } current && ReferenceEquals(current.Process, source))
            current.Heard = true;
        ((RpcProcess)source).Peer.Take(line, partial);
    }

    void ILineListener.OnErrorLine(LineProcess source, ReadOnlyMemory<byte> line)
    {
        if (line.IsEmpty)
            return;
        stall.Touch();
        OnErrorLine(line);
    }

    ValueTask ILineListener.OnDrainedAsync(CancellationToken cancellationToken)
    {
        Sink.Commit();
        return Sink.WaitForSpaceAsync(cancellationToken);
    }

    void ILineListener.OnEnded(LineProcess source, ExitStatus status)
    {
        Services.Log.ChildEnded(source.Pid, status.ToString());
        if (ReferenceEquals(process, source))
        {
            process = null;
            Services.Journal.Child(0, 0);
        }

        var ended = (RpcProcess)source;
        ended.Peer.Close($"{Name} ended with {status}.");
        asks.WithdrawAll("the agent's process ended");
        OnProcessEnded();
        if (turn is { } current && ReferenceEquals(current.Process, source))
        {
            current.Again = !current.Heard && ended.Turns > 1;
            Complete(current, Explain(status, source.ErrorTail));
        }

        Sink.Commit();
    }

    void IRpcHandler.OnMessage(RpcPeer peer, ReadOnlyMemory<byte> line)
    {
        if (Services.Setup.Current.IncludeRaw)
            Sink.Emit("raw"u8, RunId, line, static (json, raw) => json.WriteString("line"u8, raw.Span));
    }

    void IRpcHandler.OnMalformed(RpcPeer peer, ReadOnlyMemory<byte> line, string what)
    {
        var note = Encoding.UTF8.GetBytes($"{Name} printed a line that is {what}: ");
        Sink.Log(RunId, LogStream.Stdout, LogSeverity.Warn, [.. note, .. Utf8Text.Head(line.Span, ShownBytes)]);
    }

    public abstract void OnRequest(RpcPeer peer, string id, string method, JsonElement parameters);

    public abstract void OnNotification(RpcPeer peer, string method, JsonElement parameters);

    /// <summary>A line of standard error.</summary>
    protected virtual void OnErrorLine(ReadOnlyMemory<byte> line) => Sink.Log(RunId, LogStream.Stderr, LogSeverity.Warn, line.Span);

    /// <summary>The process is gone, with what the adapter keeps of it.</summary>
    protected virtual void OnProcessEnded()
    {
    }

    private RunResult Explain(ExitStatus status, string errorTail)
    {
        var (code, message) = (status.Code, status.Signal) switch
        {
            (ChildLauncher.CannotStart, _) when errorTail.Contains("cannot enter", StringComparison.Ordinal) =>
                (ErrorCodes.WorkspaceUnavailable, "The workspace folder cannot be entered."),
            (ChildLauncher.CannotStart, _) when errorTail.Contains("cannot start", StringComparison.Ordinal) =>
                (ErrorCodes.AgentNotFound, $"{Name} could not be started."),
            (_, not null) => (ErrorCodes.AgentKilled, $"{Name} was killed by {status.SignalName}."),
            _ => (ErrorCodes.AgentExited, $"{Name} ended with {status} before the task was done."),
        };
        return RunResult.Failed(code, errorTail.Length > 0 ? $"{message} It said: {errorTail}" : message, status);
    }
}
