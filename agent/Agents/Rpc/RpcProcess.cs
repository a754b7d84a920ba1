using Marionette.Agent.Processes;

namespace Marionette.Agent.Agents.Rpc;

/// <summary>A running agent that speaks JSON-RPC.</summary>
internal sealed class RpcProcess : LineProcess
{
    /// <param name="shape">What it was started with; a process of another shape is replaced before the next run.</param>
    public RpcProcess(ChildProcess child, string shape, TimeProvider clock, ILineListener listener, IRpcHandler handler)
        : base(child, clock, listener)
    {
        Shape = shape;
        Peer = new RpcPeer(WriteAsync, handler);
    }

    public RpcPeer Peer { get; }

    public string Shape { get; }

    /// <summary>Conversation that is open in it; null until one is.</summary>
    public string? Conversation { get; set; }

    /// <summary>Prompts that it was given.</summary>
    public int Turns { get; set; }
}
