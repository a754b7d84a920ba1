using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Marionette.Agent.Events;
using Marionette.Agent.Hosting;
using Marionette.Agent.Processes;

namespace Marionette.Agent.Agents;

/// <summary>An agent program of this host.</summary>
/// <param name="Kind">Agent kind that drives it.</param>
/// <param name="Version">As it says itself; null when it did not in time.</param>
internal sealed record FoundAgent(string Kind, string Program, string Path, string? Version);

/// <summary>Which agent programs are on this host. It asks each for its version, and nobody else anything.</summary>
internal static partial class AgentInventory
{
    private const int LongestAnswer = 4096;

    // Kind, and the programs that it drives, by the names they are installed under.
    private static readonly (string Kind, string Program)[] Known =
    [
        ("claude", "claude"), ("codex", "codex"), ("acp", "opencode"), ("acp", "gemini"), ("acp", "qwen"), ("acp", "copilot"),
        ("acp", "claude-agent-acp"), ("acp", "codex-acp"),
    ];

    /// <param name="environment">PATH is where it looks; the programs get it whole.</param>
    /// <param name="patience">For each program's answer; they are asked at the same time.</param>
    public static async Task<IReadOnlyList<FoundAgent>> LookAsync(
        IReadOnlyDictionary<string, string> environment, TimeSpan patience, TimeProvider clock)
    {
        var home = Directory.CreateTempSubdirectory("marionette-agents-");
        try
        {
            var path = environment.GetValueOrDefault("PATH", "/usr/local/bin:/usr/bin:/bin");
            var asked = new Dictionary<string, string> { ["PATH"] = path, ["HOME"] = home.FullName, ["LANG"] = "C.UTF-8", ["TERM"] = "dumb" };
            return await Task.WhenAll(
                from known in Known
                let file = ChildEnvironment.Find(known.Program, path)
                where file is not null
                select AskAsync(known.Kind, known.Program, file!, asked, patience, clock)).ConfigureAwait(false);
        }
        finally
        {
            home.Delete(recursive: true);
        }
    }

    /// <summary>The list as one line of JSON.</summary>
    public static string ToJson(IReadOnlyList<FoundAgent> agents)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("agent_version"u8, AgentVersion.Text);
            json.WriteStartArray("agents"u8);
            foreach (var agent in agents)
            {
                json.WriteStartObject();
                json.WriteString("kind"u8, agent.Kind);
                json.WriteString("program"u8, agent.Program);
                json.WriteString("path"u8, agent.Path);
                json.Optional("version"u8, agent.Version);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static async Task<FoundAgent> AskAsync(
        string kind, string program, string file, Dictionary<string, string> environment, TimeSpan patience, TimeProvider clock)
    {
        var found = new FoundAgent(kind, program, file, null);
        ChildProcess child;
        try
        {
            child = await ChildProcess.StartAsync(new ChildSpec
            {
                File = file, Arguments = ["--version"], Environment = environment, WorkingDirectory = "/",
            }).ConfigureAwait(false);
        }
        catch (IOException)
        {
            return found;
        }

        var answer = new OutputTail(LongestAnswer);
        var pump = new OutputPump(child, clock) { Drained = static _ => ValueTask.CompletedTask };
        await child.Input.DisposeAsync().ConfigureAwait(false);
        var ending = pump.RunAsync((LongestAnswer, (line, _) => answer.Add(line.Span)), (LongestAnswer, static (_, _) => { }));
        try
        {
            await ending.WaitAsync(patience, clock).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            child.KillTree();
            pump.Abandon();
            await ending.ConfigureAwait(false);
        }

        return VersionNumber().Match(answer.ToString()) is { Success: true } version ? found with { Version = version.Value } : found;
    }

    [GeneratedRegex(@"\d+\.\d+(\.\d+)?[0-9A-Za-z.+-]*", RegexOptions.CultureInvariant)]
    private static partial Regex VersionNumber();
}
