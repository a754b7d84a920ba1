using System.CommandLine;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Marionette.Cli.Api;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary>Where a host is found. Its path has its pool in it, which people need not say: ids are unique.</summary>
internal static class HostPlace
{
    public static Option<string?> Pool() => new("--pool") { Description = "Only in this pool", HelpName = "NAME" };

    /// <summary>The pool that was named, or all of them.</summary>
    public static async Task<IReadOnlyList<string>> PoolsAsync(ApiClient api, string? named, CancellationToken cancellationToken) => named is not null
        ? [named]
        : [.. (await api.GetAsync(PoolsCommand.Path, cancellationToken).ConfigureAwait(false)).Items("items").Select(pool => pool.Text("name"))
            .OfType<string>()];

    /// <summary>Adds the hosts of a pool, page by page.</summary>
    public static async Task AddAllAsync(JsonArray hosts, string pool, ApiClient api, CancellationToken cancellationToken)
    {
        for (string? cursor = ""; cursor is not null;)
        {
            var query = new Query($"{PoolsCommand.PathOf(pool)}/hosts").Add("limit", 200).Add("cursor", cursor);
            var page = await api.GetAsync(query.ToString(), cancellationToken).ConfigureAwait(false);
            foreach (var host in page.Items("items"))
                hosts.Add(JsonNode.Parse(host.GetRawText()));
            cursor = page.Text("next_cursor");
        }
    }

    /// <summary>The host's path, and the host.</summary>
    /// <exception cref="ApiException">It is in none of the pools.</exception>
    public static async Task<(string Path, JsonElement Host)> FindAsync(ApiClient api, string id, string? pool, CancellationToken cancellationToken)
    {
        var pools = await PoolsAsync(api, pool, cancellationToken).ConfigureAwait(false);
        foreach (var name in pools)
        {
            var path = $"{PoolsCommand.PathOf(name)}/hosts/{Uri.EscapeDataString(id)}";
            try
            {
                return (path, await api.GetAsync(path, cancellationToken).ConfigureAwait(false));
            }
            catch (ApiException error) when (error.Status == HttpStatusCode.NotFound && name != pools[^1])
            {
                // Perhaps in the next one.
            }
        }

        throw new CliException("this server has no pools", "Pools are named when the server starts: 'marionette up --pools NAME'.");
    }
}
