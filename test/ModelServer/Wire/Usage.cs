namespace Marionette.ModelServer.Wire;

/// <summary>Token counts of one answer: made up, but plausible and the same for the same request.</summary>
/// <param name="Input">Tokens that no cache held.</param>
/// <param name="CacheCreation">Tokens written to the prompt cache.</param>
/// <param name="CacheRead">Tokens read from it.</param>
internal readonly record struct Usage(int Input, int CacheCreation, int CacheRead)
{
    private const int BytesPerToken = 4;

    /// <summary>Tokens of a text or body of that many bytes: at least one.</summary>
    public static int TokensOf(long bytes) => (int)Math.Max(1, bytes / BytesPerToken);

    /// <summary>A first prompt fills the cache; later ones mostly read it.</summary>
    public static Usage Of(ModelRequest request)
    {
        var total = TokensOf(request.Length);
        var cached = total / 10 * 9;
        if (!request.Conversation.HasHistory) return new Usage(total - cached, cached, 0);
        var written = total / 20;
        return new Usage(total - cached - written, written, cached);
    }
}
