namespace Marionette.Agent.Agents.Rpc;

/// <summary>The other side answered a request with an error.</summary>
internal sealed class RpcException(string method, long code, string message) : Exception(message)
{
    /// <summary>JSON-RPC: the method is not known.</summary>
    public const int MethodNotFound = -32601;

    public const int InvalidParams = -32602;

    public const int InternalError = -32603;

    /// <summary>What was asked.</summary>
    public string Method { get; } = method;

    public long Code { get; } = code;
}
