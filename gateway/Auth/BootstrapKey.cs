using Npgsql;

namespace Marionette.Gateway.Auth;

/// <summary>The first key of an installation that has nobody yet who could make one.</summary>
public static class BootstrapKey
{
    /// <summary>Tenant of the first key.</summary>
    public const string Tenant = "default";

    /// <summary>
    /// The operator's raw token: the one in <c>secrets/operator.token</c> of the data folder while the database takes it, otherwise a new
    /// one (scopes <c>*</c> and <c>operator</c>), which is stored there readable by its owner alone. The tables must exist.
    /// </summary>
    public static async Task<string> EnsureBootstrapAsync(this ApiKeyStore store, string dataDirectory, TimeProvider clock, CancellationToken cancellationToken = default)
    {
        var folder = Path.Combine(dataDirectory, "secrets");
        var path = Path.Combine(folder, "operator.token");
        if (File.Exists(path))
        {
            var kept = (await File.ReadAllTextAsync(path, cancellationToken)).Trim();
            if (await store.FindAsync(kept, cancellationToken) is not null) return kept;
        }

        var token = ApiToken.New();
        var now = clock.GetUtcNow();
        var record = new ApiKeyRecord(
            EntityId.New(EntityId.ApiKey, now), Tenant, "operator", ApiToken.Shown(token), [ScopeRules.All, ScopeRules.Operator], [], now,
            CreatedBy: "bootstrap", null, null, null, null);
        if (!await store.AddAsync(record, token, cancellationToken)) throw new NpgsqlException("A new key id exists already.");

        // The file comes after the row: a token in it that the database does not know would only be replaced at the next start.
        Directory.CreateDirectory(folder);
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        if (File.Exists(path)) File.Delete(path); // an existing file would keep its mode
        await using var file = new StreamWriter(path, options);
        await file.WriteLineAsync(token.AsMemory(), cancellationToken);
        return token;
    }
}
