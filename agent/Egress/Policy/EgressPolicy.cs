using System.Net;
using System.Net.Sockets;

namespace Marionette.Agent.Egress.Policy;

/// <summary>What holds for a target that no entry names.</summary>
internal enum EgressMode
{
    /// <summary>Public addresses are reached, others not.</summary>
    Open,

    /// <summary>Nothing is reached.</summary>
    AllowList,

    /// <summary>As <see cref="AllowList"/>; the list is the caller's own.</summary>
    Deny,
}

/// <summary>An answer of the policy.</summary>
internal enum Verdict
{
    Allowed,
    NotListed,
    Private,
    Metadata,

    /// <summary>It may be reached, but not by this protocol.</summary>
    Protocol,
}

/// <summary>A way that the operator gave: a name of ours to an address of theirs.</summary>
/// <param name="Host">Name or address, resolved as any program beside netd would.</param>
internal sealed record AliasTarget(string Host, int Port);

/// <summary>What one runner may reach. Immutable; a change is another policy.</summary>
internal sealed class EgressPolicy
{
    // The largest private networks, 10.0.0.0/8 and fc00::/7: whoever lists "0.0.0.0/0" means the internet and not the machine room.
    private const int WidestPrivate = 8;
    private const int WidestPrivateV6 = 7;

    private const int HttpsPort = 443;

    private readonly Dictionary<string, List<int>> names = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<int>> below = new(StringComparer.Ordinal);
    private readonly List<EgressEntry> networks = [];
    private readonly Dictionary<string, AliasTarget> aliases = new(StringComparer.Ordinal);

    private EgressPolicy(EgressMode mode) => Mode = mode;

    public EgressMode Mode { get; }

    /// <summary>Reads a policy.</summary>
    /// <returns>Null, and every complaint in one line.</returns>
    public static EgressPolicy? Parse(
        string? mode, IReadOnlyList<string?>? allowed, IReadOnlyDictionary<string, string?>? aliases, out string problem)
    {
        var problems = new List<string>();
        EgressMode? known = mode switch
        {
            "open" => EgressMode.Open,
            "allow_list" => EgressMode.AllowList,
            "deny" => EgressMode.Deny,
            _ => null,
        };
        if (known is null)
            problems.Add("mode must be open, allow_list or deny");
        var policy = new EgressPolicy(known ?? EgressMode.Deny);
        foreach (var text in allowed ?? [])
        {
            if (EgressEntry.TryParse(text ?? "", out var entry, out var complaint))
                policy.Add(entry);
            else
                problems.Add($"allowed: \"{Quoted(text)}\" {complaint}");
        }

        foreach (var (text, target) in aliases ?? new Dictionary<string, string?>())
        {
            if (HostName.FromText(text) is { } name && EgressEntry.TryEndpoint(target ?? "", out var host, out var port)
                && (IPAddress.TryParse(host, out _) || HostName.FromText(host) is not null))
                policy.aliases[name] = new AliasTarget(host, port);
            else
                problems.Add($"aliases: \"{Quoted(text)}\" must be a name that leads to \"host:port\"");
        }

        problem = string.Join("; ", problems.Take(8));
        return problems.Count == 0 ? policy : null;
    }

    /// <summary>Where the operator lets a name lead; null when it is no alias.</summary>
    public AliasTarget? Alias(string name) => aliases.GetValueOrDefault(name);

    /// <summary>Whether a name may be reached on a port; what its addresses are is another question.</summary>
    /// <param name="name">Canonical.</param>
    /// <param name="port">Null: on any.</param>
    public bool AllowsName(string name, int? port) => Mode == EgressMode.Open || IsNamed(name, port, exactly: false);

    /// <summary>
    /// Whether a name that may be reached may be so by UDP. Where names are what counts, an entry has to name the port, and never that of HTTPS: such
    /// an entry was made for TLS over TCP, whose greeting tells which of a machine's names is meant. QUIC's does not.
    /// </summary>
    /// <param name="name">Canonical.</param>
    public bool AllowsDatagrams(string name, int port) => Mode == EgressMode.Open || (port != HttpsPort && IsNamed(name, port, exactly: true));

    /// <summary>Judges an address that a runner names itself.</summary>
    public Verdict Judge(IPAddress address, int port, bool isOwn)
    {
        var verdict = JudgeResolved(address, port, isOwn);
        return verdict != Verdict.Allowed || Mode == EgressMode.Open || IsListed(AddressClass.Canonical(address), port, AddressKind.Public)
            ? verdict
            : Verdict.NotListed;
    }

    /// <summary>Judges an address that an allowed name has.</summary>
    /// <param name="isOwn">It is an address of this machine.</param>
    public Verdict JudgeResolved(IPAddress address, int port, bool isOwn)
    {
        address = AddressClass.Canonical(address);
        var kind = AddressClass.Of(address);
        if (isOwn && kind == AddressKind.Public)
            kind = AddressKind.Private;
        if (kind == AddressKind.Public || IsListed(address, port, kind))
            return Verdict.Allowed;
        return kind == AddressKind.Metadata ? Verdict.Metadata : Verdict.Private;
    }

    private static bool Lists(Dictionary<string, List<int>> entries, string name, int? port, bool exactly) =>
        entries.TryGetValue(name, out var ports) && (port is not { } some || (!exactly && ports.Contains(0)) || ports.Contains(some));

    private static string Quoted(string? text)
    {
        var printable = new string([.. (text ?? "").Take(80).Select(c => char.IsControl(c) ? '?' : c)]);
        return printable.Replace('"', '\'');
    }

    private bool IsNamed(string name, int? port, bool exactly)
    {
        if (Lists(names, name, port, exactly))
            return true;
        for (var dot = name.IndexOf('.', StringComparison.Ordinal); dot >= 0; dot = name.IndexOf('.', dot + 1))
        {
            if (Lists(below, name[(dot + 1)..], port, exactly))
                return true;
        }

        return false;
    }

    private bool IsListed(IPAddress address, int port, AddressKind kind)
    {
        foreach (var entry in networks)
        {
            if (entry.AllowsPort(port) && IsNarrowEnough(entry.Network, kind) && entry.Network.Contains(address))
                return true;
        }

        return false;
    }

    private static bool IsNarrowEnough(IPNetwork network, AddressKind kind)
    {
        var isV4 = network.BaseAddress.AddressFamily == AddressFamily.InterNetwork;
        return kind switch
        {
            AddressKind.Public => true,
            AddressKind.Private => network.PrefixLength >= (isV4 ? WidestPrivate : WidestPrivateV6),
            // The machine's credentials are opened by naming their address, never by a network around it.
            _ => network.PrefixLength == (isV4 ? 32 : 128),
        };
    }

    private void Add(EgressEntry entry)
    {
        if (entry.Kind == EntryKind.Network)
        {
            networks.Add(entry);
            return;
        }

        var entries = entry.Kind == EntryKind.Name ? names : below;
        if (!entries.TryGetValue(entry.Name, out var ports))
            entries[entry.Name] = ports = [];
        ports.Add(entry.Port);
    }
}
