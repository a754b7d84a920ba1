using System.Text.Json;
using Marionette.Agent.Agents;
using Marionette.Agent.Events;
using Marionette.Agent.Hosting;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Workspaces;

/// <summary>Fills the workspace of a session that has no files yet from the repository that the session names, and tells how it goes.</summary>
/// <param name="own">The agent's own environment.</param>
/// <param name="mirrors">Where mirrors of repositories are kept, if this installation keeps a store.</param>
internal sealed class WorkspaceSeed(AgentConfig config, IReadOnlyDictionary<string, string> own, EventSink sink, TimeProvider clock, RemoteGitMirrors? mirrors = null)
{
    private static readonly TimeSpan SayEvery = TimeSpan.FromSeconds(2);

    /// <summary>Whether there is something to clone, and room for it.</summary>
    public bool IsWanted(Setup setup) => setup.Git is not null && Git(setup).IsFree;

    /// <summary>Clones.</summary>
    /// <returns>Null: it is there. Otherwise why not, and what to do.</returns>
    public async Task<string?> RunAsync(Setup setup, CancellationToken cancellationToken)
    {
        try
        {
            var report = await Git(setup).RunAsync(OptionsOf(setup.Git), new Progress(sink, clock), cancellationToken).ConfigureAwait(false);
            sink.Emit("workspace.cloned"u8, default, (setup.Git.Url, report), static (json, made) =>
            {
                json.WriteString("url"u8, made.Url);
                json.WriteString("commit"u8, made.report.Commit);
                json.Optional("ref"u8, made.report.Ref.Length > 0 ? made.report.Ref : null);
                json.WriteNumber("bytes"u8, made.report.Bytes);
                json.WriteNumber("took_ms"u8, (long)made.report.Took.TotalMilliseconds);
                if (made.report.Mirror is { } mirror)
                    Write(json, mirror);
            });
            sink.Commit();
            mirrors?.StoreOffered(cancellationToken);
            return null;
        }
        catch (GitSeedException failure)
        {
            sink.Emit("workspace.clone_failed"u8, default, (setup.Git.Url, failure), static (json, said) =>
            {
                json.WriteString("url"u8, said.Url);
                json.WriteString("cause"u8, JsonNamingPolicy.SnakeCaseLower.ConvertName(said.failure.Fault.ToString()));
                json.WriteString("message"u8, said.failure.Message);
            });
            sink.Commit();
            return $"The workspace could not be cloned: {failure.Message}";
        }
    }

    private GitSeed Git(Setup setup) => new(config.WorkspaceDir, ChildEnvironment.Create(config, own, setup.Env), clock, setup.Workspace is null ? null : mirrors);

    private static void Write(Utf8JsonWriter json, MirrorReport mirror)
    {
        json.WriteStartObject("mirror"u8);
        json.WriteString("state"u8, JsonNamingPolicy.SnakeCaseLower.ConvertName(mirror.State.ToString()));
        if (mirror.State == MirrorState.Used)
        {
            json.WriteNumber("bytes"u8, mirror.Bytes);
            json.WriteNumber("fetched_bytes"u8, mirror.Fetched);
        }

        json.Optional("message"u8, mirror.Why);
        json.WriteEndObject();
    }

    /// <summary>Redirects may lead to https, and to what the session names itself.</summary>
    private static GitSeedOptions OptionsOf(GitSetup git)
    {
        var options = new GitSeedOptions
        {
            Url = git.Url, Ref = git.Ref, Depth = git.Depth, Filter = git.HasFilter ? git.Filter : null, Submodules = git.Submodules,
            Credential = git.Secret.Length > 0 ? new GitCredential(git.User, git.Secret) : null,
        };
        return options.Protocol == "http" ? options with { Protocols = ["https", "ssh", "http"] } : options;
    }

    /// <summary>git prints much: a step is told when it begins, and now and then how far it is.</summary>
    private sealed class Progress(EventSink sink, TimeProvider clock) : IProgress<GitSeedProgress>
    {
        private readonly Lock gate = new();
        private string step = "";
        private long last;

        public void Report(GitSeedProgress value)
        {
            lock (gate)
            {
                if (value.Step == step && clock.GetElapsedTime(last) < SayEvery)
                    return;
                (step, last) = (value.Step, clock.GetTimestamp());
            }

            sink.Emit("workspace.progress"u8, default, value, static (json, said) =>
            {
                json.WriteString("step"u8, said.Step);
                if (said.Percent is { } percent)
                    json.WriteNumber("percent"u8, percent);
            });
            sink.Commit();
        }
    }
}
