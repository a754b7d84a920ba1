using System.Security.Cryptography;
using System.Text;
using Marionette.ModelServer.Wire;

namespace Marionette.ModelServer.Http;

/// <summary>
/// How often one step was already made to fail. The only state that outlives a request: "fail twice, then succeed"
/// cannot be read off the request, because Claude Code 2.1 sends <c>x-stainless-retry-count: 0</c> on every retry.
/// </summary>
internal sealed class AttemptCounter
{
    private const int Capacity = 10_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _failures = [];
    private readonly Queue<string> _oldestFirst = [];

    /// <summary>Names a step of one session: same prompt at the same place of the same conversation.</summary>
    public static string KeyOf(string? session, Conversation conversation)
    {
        var place = $"{session}\n{conversation.PromptIndex}\n{conversation.Step}\n{conversation.Prompt}";
        return Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(place)));
    }

    /// <summary>Failures counted so far under <paramref name="key"/>, or the caller's own count if that is higher.</summary>
    public int Read(string key, IHeaderDictionary headers)
    {
        _ = int.TryParse(headers["x-stainless-retry-count"].ToString(), out var told);
        lock (_gate) return Math.Max(told, _failures.GetValueOrDefault(key));
    }

    /// <summary>Counts one failure; the longest-known step is forgotten beyond 10,000.</summary>
    public void CountFailure(string key)
    {
        lock (_gate)
        {
            if (!_failures.TryGetValue(key, out var known))
            {
                _oldestFirst.Enqueue(key);
                if (_oldestFirst.Count > Capacity) _failures.Remove(_oldestFirst.Dequeue());
            }

            _failures[key] = known + 1;
        }
    }
}
