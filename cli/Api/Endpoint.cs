namespace Marionette.Cli.Api;

/// <summary>Where the API is and who asks.</summary>
/// <param name="Server">Base address, without a path.</param>
/// <param name="ApiKey">The <c>mk_…</c> key, or null when none was found: the server will say so.</param>
/// <param name="Origin">Where the address came from, for messages: "--server", "context prod", a file.</param>
internal sealed record Endpoint(Uri Server, string? ApiKey, string Origin)
{
    /// <summary>The key is not shown where the record is printed.</summary>
    public override string ToString() => $"{Server} (from {Origin})";
}
