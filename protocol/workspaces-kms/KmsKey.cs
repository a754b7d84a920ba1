using System.Text.RegularExpressions;

namespace Marionette.Workspaces.Kms;

/// <summary>A key of AWS KMS, or of what speaks its protocol, and where it is asked.</summary>
public sealed partial record KmsKey
{
    private const string Scheme = "aws-kms:";

    private KmsKey(string name) => Name = name;

    /// <summary>Key id or ARN. Not an alias: pointed at another key it would open nothing that it has wrapped.</summary>
    public string Name { get; }

    /// <summary>What stands beside that which it wraps: two spellings of one key are two names.</summary>
    public string Id => Scheme + Name;

    /// <summary>Address of a server that is not AWS's; null = the region's.</summary>
    public Uri? Endpoint { get; private init; }

    /// <summary>Region that requests are signed for; null = the ARN's, else what the SDK finds, and us-east-1 with an <see cref="Endpoint"/>.</summary>
    public string? Region { get; private init; }

    /// <summary>Whether a text names such a key, rightly or not.</summary>
    public static bool Is(string text) => text.StartsWith(Scheme, StringComparison.Ordinal);

    /// <summary>Reads <c>aws-kms:KEY</c>.</summary>
    /// <param name="endpoint">http or https address without a path; null or empty = AWS.</param>
    /// <param name="region">Region; null or empty = the usual one.</param>
    /// <exception cref="FormatException">What is wrong, in one line without the option's name.</exception>
    public static KmsKey Parse(string text, string? endpoint = null, string? region = null)
    {
        var name = text[Scheme.Length..];
        if (!KeyName().IsMatch(name))
            throw new FormatException($"\"{name}\" is no key of KMS: its id or its ARN, at most 180 characters.");
        if (name.Contains("alias/", StringComparison.Ordinal))
            throw new FormatException($"\"{name}\" is an alias, which may come to stand for another key: give the key's id or its ARN.");
        if (!string.IsNullOrEmpty(region) && !RegionName().IsMatch(region)) throw new FormatException($"\"{region}\" is no region: as in eu-central-1.");
        return new KmsKey(name)
        {
            Endpoint = string.IsNullOrEmpty(endpoint) ? null : ParseEndpoint(endpoint),
            Region = !string.IsNullOrEmpty(region) ? region : name.Split(':') is ["arn", _, "kms", { Length: > 0 } own, ..] ? own : null,
        };
    }

    /// <inheritdoc/>
    public override string ToString() => Id;

    private static Uri ParseEndpoint(string text) =>
        // The text may hold a password, so it is not repeated.
        Uri.TryCreate(text, UriKind.Absolute, out var url) && url is { Scheme: "http" or "https", UserInfo: "", AbsolutePath: "/", Query: "", Fragment: "" }
            ? url
            : throw new FormatException("the endpoint is no http or https address of scheme, host and port alone; credentials come from the AWS variables or files.");

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9:/_-]{0,179}$")]
    private static partial Regex KeyName();

    [GeneratedRegex("^[a-z0-9-]{1,40}$")]
    private static partial Regex RegionName();
}
