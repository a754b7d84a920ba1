using Marionette.Workspaces;

namespace Marionette.Agent.Workspaces;

/// <summary>Words and options of the command line, each option known.</summary>
internal sealed class WorkspaceArguments
{
    private static readonly string[] WithValue = ["--store", "--master-key", "--old-master-key", "--tenant", "--cache", "--label", "--parent", "--to", "--path", "--existing", "--grace"];
    private static readonly string[] Flags = ["--read-data", "--keep-owner", "--keep-set-id", "--yes", "--no-gateway"];

    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);

    public string[] Words { get; private init; } = [];

    public static WorkspaceArguments Parse(string[] args)
    {
        var words = new List<string>();
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < args.Length; i++)
        {
            if (WithValue.Contains(args[i]))
                values[args[i]] = ++i < args.Length ? args[i] : throw new WorkspaceException(WorkspaceFault.Invalid, $"{args[i - 1]} needs a value");
            else if (Flags.Contains(args[i]))
                values[args[i]] = "";
            else if (args[i].StartsWith("--", StringComparison.Ordinal))
                throw new WorkspaceException(WorkspaceFault.Invalid, $"{args[i]} is no option; see marionette-agent workspace --help");
            else
                words.Add(args[i]);
        }

        var parsed = new WorkspaceArguments { Words = [.. words] };
        foreach (var (name, value) in values)
            parsed._values[name] = value;
        return parsed;
    }

    public bool Has(string name) => _values.ContainsKey(name);

    public string? Get(string name) => _values.GetValueOrDefault(name);

    public string Get(string name, string otherwise) => _values.GetValueOrDefault(name, otherwise);

    public string Require(string name) => Get(name) ?? throw new WorkspaceException(WorkspaceFault.Invalid, $"{name} is missing; see marionette-agent workspace --help");
}
