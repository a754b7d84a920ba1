using System.Security.Cryptography;
using System.Text.Json;
using Marionette.Agent.Tests.Workspaces;
using Marionette.EndToEnd.Tests.Behaviour;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>Sessions that clone the same repository: the later ones begin with what the earlier ones have fetched, and with no more than their own credential gets.</summary>
public sealed class GitMirrorTests(HealthyStack healthy) : IClassFixture<HealthyStack>
{
    private Api Api => healthy.Stack.Api;

    [Fact]
    public async Task Clones_OfTheSame_BeginWithAMirror_AndAWrongCredentialDoesNot()
    {
        await using var host = await GitHost.StartAsync();
        await host.RepositoryAsync("r.git", work => File.WriteAllBytes(Path.Combine(work, "large"), RandomNumberGenerator.GetBytes(3_000_000)));
        var before = await MirrorsAsync();
        for (var i = 0; i < 2; i++)
            Assert.Equal("none", (await CloneAsync(host, GitHost.Secret)).GetProperty("mirror").Text("state"));
        // The second clone is worth keeping; it is stored beside the session's work.
        await Wait.ForAsync(async () => await MirrorsAsync() == before + 1, "a mirror in the store");
        var third = (await CloneAsync(host, GitHost.Secret)).GetProperty("mirror");
        Assert.Equal(("used", 0L), (third.Text("state"), third.GetProperty("fetched_bytes").GetInt64()));
        Assert.InRange(third.GetProperty("bytes").GetInt64(), 3_000_000, 4_000_000);
        Assert.Empty((await Api.GetAsync("/api/v1/snapshots?part=upload")).GetProperty("items").EnumerateArray());

        var refused = await Api.CreateSessionAsync(SessionOf(host, "wrong"));
        var ended = await Api.TaskEndedAsync(await Api.SubmitAsync(refused, "cat src/file"));
        Assert.Equal(("failed", "workspace_unavailable"), (ended.Text("status"), ended.GetProperty("error").Text("code")));
        Assert.Contains("refused the credential", ended.GetProperty("error").Text("message")!, StringComparison.Ordinal);
    }

    private static object SessionOf(GitHost host, string secret) => new
    {
        agent = "command", command = new[] { "/bin/sh" }, from = new { git = new { url = host.Http("r.git"), @ref = "main", user = GitHost.User, secret } },
    };

    /// <summary>What a new session's clone says of itself. Its files are looked at by a run.</summary>
    private async Task<JsonElement> CloneAsync(GitHost host, string secret)
    {
        var session = await Api.CreateSessionAsync(SessionOf(host, secret));
        var ended = await Api.TaskEndedAsync(await Api.SubmitAsync(session, "cat src/file && git status --porcelain && git for-each-ref refs/marionette && wc -c < large"));
        Assert.Equal("version 3\n3000000", (ended.MaybeText("result") ?? ended.ToString()).TrimEnd('\n'));
        return (await Api.EventsAsync(session)).Single(e => e.Text("type") == "workspace.cloned").GetProperty("data");
    }

    private async Task<long> MirrorsAsync() => (await Api.GetAsync("/api/v1/storage")).GetProperty("mirrors").GetInt64();
}
