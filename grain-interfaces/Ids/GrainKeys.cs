namespace Marionette;

/// <summary>Grain keys: <c>tenant/id</c>. The tenant comes from the credential alone, so another tenant's id is another key.</summary>
public static class GrainKeys
{
    /// <summary>The key of an object of a tenant.</summary>
    public static string Of(string tenant, string id) => $"{tenant}/{id}";

    /// <summary>The two parts of a key.</summary>
    /// <exception cref="ArgumentException">No slash: not one of our keys.</exception>
    public static (string Tenant, string Id) Split(string key)
    {
        var slash = key.IndexOf('/');
        return slash > 0 ? (key[..slash], key[(slash + 1)..]) : throw new ArgumentException("A grain key is tenant/id.", nameof(key));
    }

    /// <summary>Tenant names: 1 to 40 characters of [a-z0-9-], starting with a letter or a digit.</summary>
    public static bool IsTenant(string? name) =>
        name is { Length: >= 1 and <= 40 } && name[0] != '-' && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');
}
