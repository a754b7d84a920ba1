using System.CommandLine;
using System.Text.Json.Nodes;

namespace Marionette.Cli.Commands;

/// <summary>The options that say on what a session runs, and what that may reach; shared by the commands that make sessions.</summary>
internal sealed class PlacementOptions
{
    public Option<string?> Provider { get; } = new("--provider") { Description = "Backend that makes its runners ('providers list'); default: the profile's, or the installation's", HelpName = "NAME" };

    public Option<string?> Profile { get; } = new("--profile") { Description = "Size and make of its runners, prof_…", HelpName = "ID" };

    public Option<string?> NetworkPolicy { get; } = Policy("What the runner may reach, where its provider controls it");

    public Option<string[]> Hosts { get; } = AllowedHosts("A host that it may reach: NAME, *.NAME, an address or a network, with or without :PORT");

    public Option[] All => [Provider, Profile, NetworkPolicy, Hosts];

    public static Option<string?> Policy(string description) => new Option<string?>("--network-policy") { Description = description }.AcceptOnlyFromAmong("open", "allow_list", "deny");

    public static Option<string[]> AllowedHosts(string description)
    {
        var option = Arguments.Many("--allow-host", description);
        option.Aliases.Add("--allowed-hosts");
        option.HelpName = "HOST";
        return option;
    }

    public void AddTo(Command command)
    {
        foreach (var option in All)
            command.Options.Add(option);
    }

    public JsonObject Put(ParseResult result, JsonObject body) => body
        .Put("provider", result.GetValue(Provider))
        .Put("profile_id", result.GetValue(Profile))
        .Put("network_policy", result.GetValue(NetworkPolicy))
        .Put("allowed_hosts", Arguments.Array(result.GetValue(Hosts)));
}
