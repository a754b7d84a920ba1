using System.Net;
using System.Text.RegularExpressions;

namespace Marionette.Workspaces.S3;

/// <summary>A bucket, the part of it that is ours, and where it is reached.</summary>
public sealed partial record S3Place
{
    private const string Scheme = "s3://";

    private S3Place(string bucket, string prefix) => (Bucket, Prefix) = (bucket, prefix);

    /// <summary>The bucket's name.</summary>
    public string Bucket { get; }

    /// <summary>What all keys begin with: empty, or it ends with a slash.</summary>
    public string Prefix { get; }

    /// <summary>Address of a server that is not AWS's, or of one of AWS's own that is no region's usual one; null = the region's.</summary>
    public Uri? Endpoint { get; private init; }

    /// <summary>Region that requests are signed for; null = what the SDK finds, and us-east-1 with an <see cref="Endpoint"/>.</summary>
    public string? Region { get; private init; }

    /// <summary>Whether the endpoint is this machine to whoever asks for it: a runner elsewhere would reach itself.</summary>
    public bool IsLoopback => Endpoint is { } endpoint
        && (endpoint.IsLoopback || (IPAddress.TryParse(endpoint.DnsSafeHost, out var address) && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any))));

    /// <summary>Bucket in the path instead of the host's name: names with dots fit no certificate, and few servers but AWS's have a name for each bucket.</summary>
    internal bool IsPathStyle => Bucket.Contains('.') || (Endpoint is { } endpoint && !endpoint.Host.EndsWith(".amazonaws.com", StringComparison.OrdinalIgnoreCase));

    /// <summary>Whether a text names a bucket, rightly or not.</summary>
    public static bool Is(string? location) => location?.StartsWith(Scheme, StringComparison.Ordinal) == true;

    /// <summary>Reads <c>s3://BUCKET[/PREFIX]</c>.</summary>
    /// <param name="location">Bucket and prefix.</param>
    /// <param name="endpoint">http or https address without a path; null or empty = AWS.</param>
    /// <param name="region">Region; null or empty = the usual one.</param>
    /// <exception cref="FormatException">What is wrong, in one line without the option's name.</exception>
    public static S3Place Parse(string location, string? endpoint = null, string? region = null)
    {
        var parts = location[Scheme.Length..].Split('/', 2);
        if (!BucketName().IsMatch(parts[0]))
            throw new FormatException($"\"{parts[0]}\" is no bucket's name: s3://BUCKET[/PREFIX], with a bucket of 3 to 63 of a-z, 0-9, '.' and '-'.");
        var prefix = parts.Length == 1 ? "" : parts[1].TrimEnd('/');
        if (prefix.Length > 0 && !PrefixName().IsMatch(prefix))
            throw new FormatException($"\"{prefix}\" is no prefix: segments of A-Z, a-z, 0-9, '.', '_' and '-' with single slashes between, at most 200 characters.");
        return new S3Place(parts[0], prefix.Length == 0 ? "" : prefix + "/")
        {
            Endpoint = string.IsNullOrEmpty(endpoint) ? null : ParseEndpoint(endpoint),
            Region = string.IsNullOrEmpty(region) ? null
                : RegionName().IsMatch(region) ? region
                : throw new FormatException($"\"{region}\" is no region: as in eu-central-1."),
        };
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Scheme}{Bucket}/{Prefix}";

    private static Uri ParseEndpoint(string text)
    {
        // The text may hold a password, so it is not repeated.
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https"))
            throw new FormatException("the endpoint is no http or https address.");
        return url is { UserInfo: "", AbsolutePath: "/", Query: "", Fragment: "" }
            ? url
            : throw new FormatException("the endpoint has more than scheme, host and port; credentials come from the AWS variables or files.");
    }

    [GeneratedRegex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    private static partial Regex BucketName();

    [GeneratedRegex(@"^(?=.{1,200}$)[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$")]
    private static partial Regex PrefixName();

    [GeneratedRegex("^[a-z0-9-]{1,40}$")]
    private static partial Regex RegionName();
}
