using System.Collections.Immutable;
using System.Text;
using System.Text.Json.Nodes;
using Marionette.ModelServer.Scenarios;

namespace Marionette.ModelServer.Wire;

/// <summary>
/// Scenarios call Bash and Write, as Claude Code names them. Another agent offers the same under its own name with its own
/// members: this finds it and dresses the call accordingly.
/// </summary>
internal static class ToolDialect
{
    private static readonly string[] Shells = ["exec_command", "shell_command", "shell", "bash"];
    private static readonly string[] Writers = ["write", "apply_patch", "exec_command", "shell_command"];

    /// <summary>What a scenario may call when these tools are offered.</summary>
    public static ImmutableHashSet<string> Callable(ImmutableHashSet<string> offered)
    {
        if (Shells.Any(offered.Contains)) offered = offered.Add("Bash");
        if (Writers.Any(offered.Contains)) offered = offered.Add("Write");
        return offered;
    }

    /// <summary>The answer with every call as the agent wants it.</summary>
    public static Answer Translate(Answer answer, ImmutableHashSet<string> offered) =>
        answer with { Beats = [.. answer.Beats.Select(beat => beat is ToolBeat tool ? Translate(tool, offered) : beat)] };

    private static ToolBeat Translate(ToolBeat call, ImmutableHashSet<string> offered)
    {
        return call.Tool switch
        {
            "Bash" when Shells.Any(offered.Contains) => Shell(Text(call, "command"), Text(call, "description"), offered),
            "Write" when offered.Contains("write") =>
                new ToolBeat("write", new JsonObject { ["filePath"] = Text(call, "file_path"), ["content"] = Text(call, "content") }),
            "Write" when offered.Contains("apply_patch") =>
                new ToolBeat("apply_patch", new JsonObject { ["input"] = Patch(call) }),
            "Write" when Shells.Any(offered.Contains) => Shell($"apply_patch <<'EOF'\n{Patch(call)}\nEOF", "", offered),
            _ => call,
        };
    }

    private static ToolBeat Shell(string command, string description, ImmutableHashSet<string> offered)
    {
        var name = Shells.First(offered.Contains);
        return new ToolBeat(name, name switch
        {
            "exec_command" => new JsonObject { ["cmd"] = command },
            "shell_command" => new JsonObject { ["command"] = command },
            "shell" => new JsonObject { ["command"] = new JsonArray("bash", "-lc", command) },
            _ => new JsonObject { ["command"] = command, ["description"] = description },
        });
    }

    private static string Patch(ToolBeat call)
    {
        var patch = new StringBuilder("*** Begin Patch\n*** Add File: ").Append(Text(call, "file_path")).Append('\n');
        foreach (var line in Text(call, "content").Split('\n')) patch.Append('+').Append(line).Append('\n');
        return patch.Append("*** End Patch").ToString();
    }

    private static string Text(ToolBeat call, string name) => (string?)call.Input[name] ?? "";
}
