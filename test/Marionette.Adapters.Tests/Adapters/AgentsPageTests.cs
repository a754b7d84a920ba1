using System.Runtime.CompilerServices;
using Marionette.Adapters.Tests.Kit;
using Marionette.Gateway.Rest;

namespace Marionette.Adapters.Tests.Adapters;

/// <summary>The table of docs/reference/agents.md says what the kit has proved, no more and no less.</summary>
public sealed class AgentsPageTests
{
    private static readonly (string Column, Promises Promise)[] Columns =
    [
        ("permissions", Promises.Permissions), ("denial reason", Promises.DenialReason), ("changed input", Promises.ChangedInput),
        ("deny + interrupt", Promises.DenyInterrupts), ("messages", Promises.Messages), ("modes", Promises.Modes), ("resume", Promises.Resume),
        ("usage", Promises.Usage), ("retries", Promises.Retries),
    ];

    [Fact]
    public void Table_IsWhatTheAdaptersPromise()
    {
        var lines = File.ReadAllLines(Page());
        var head = Array.FindIndex(lines, line => line.StartsWith("| Adapter |", StringComparison.Ordinal));
        Assert.Equal(["Adapter", .. Columns.Select(column => column.Column)], Cells(lines[head]));
        var rows = lines.Skip(head + 2).TakeWhile(line => line.StartsWith('|')).Select(Cells).ToDictionary(cells => cells[0]);
        Adapter[] adapters = [new ClaudeAdapter(), new CodexAdapter(), new OpenCodeAdapter(), new ClaudeAcpAdapter(), new CommandAdapter(), new ReplayAdapter()];
        Assert.Equal(adapters.Select(adapter => adapter.Name).Order(), rows.Keys.Order());
        foreach (var adapter in adapters)
            Assert.Equal([adapter.Name, .. Columns.Select(column => adapter.Has(column.Promise) ? "yes" : "no")], rows[adapter.Name]);
    }

    [Fact]
    public void EveryPromise_IsAFeatureOfTheCatalogue()
    {
        Assert.Equal(Enum.GetValues<Promises>().Where(promise => promise != Promises.None).Order(), Catalogue.Features.Values.Order());
        Assert.All(Catalogue.Features.Keys, feature => Assert.Contains(AgentCatalog.All, agent => agent.Features.Contains(feature)));
    }

    private static string[] Cells(string line) => [.. line.Trim('|').Split('|', StringSplitOptions.TrimEntries)];

    private static string Page([CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "..", "docs", "reference", "agents.md"));
}
