using Marionette.Agent.Agents.Permissions;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Rpc;

/// <summary>A question of an agent that was asked as a request and waits for its answer.</summary>
/// <param name="Run">Run that it belongs to.</param>
/// <param name="Peer">Whose it is.</param>
/// <param name="Id">The request's id as JSON.</param>
/// <param name="TakesInput">Whether the answer may carry another input.</param>
/// <param name="Detail">What the adapter needs to answer it.</param>
internal sealed record OpenAsk(byte[] Run, RpcPeer Peer, string Id, bool TakesInput, object? Detail);

/// <summary>Keeps the requests behind the questions. Safe for any thread.</summary>
internal sealed class OpenAsks(EventSink sink)
{
    private readonly Lock gate = new();
    private readonly OpenRequests questions = new(sink);
    private readonly Dictionary<string, OpenAsk> open = new(StringComparer.Ordinal);

    public int Count => questions.Count;

    public void Ask(OpenAsk ask, string requestId, PermissionAsk question)
    {
        lock (gate)
            open[requestId] = ask;
        questions.Ask(ask.Run, requestId, question);
    }

    /// <summary>Takes a question that is being answered; null when nobody waits for this answer any more.</summary>
    public OpenAsk? Take(string requestId)
    {
        lock (gate)
            return questions.Take(requestId) is not null && open.Remove(requestId, out var found) ? found : null;
    }

    public void Received(OpenAsk ask, string requestId) => questions.Received(new OpenRequests.Pending(ask.Run, []), requestId);

    public void Lost(OpenAsk ask, string requestId) => questions.Lost(new OpenRequests.Pending(ask.Run, []), requestId);

    public void Withdraw(RpcPeer peer, string id, string reason)
    {
        string? requestId = null;
        lock (gate)
        {
            foreach (var (name, ask) in open)
            {
                if (ReferenceEquals(ask.Peer, peer) && ask.Id == id)
                    requestId = name;
            }

            if (requestId is not null)
                open.Remove(requestId);
        }

        if (requestId is not null)
            questions.Withdraw(requestId, reason);
    }

    /// <returns>What was open.</returns>
    public IReadOnlyList<OpenAsk> WithdrawAll(string reason)
    {
        OpenAsk[] all;
        lock (gate)
        {
            all = [.. open.Values];
            open.Clear();
        }

        questions.WithdrawAll(reason);
        return all;
    }
}
