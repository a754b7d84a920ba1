using Marionette.Agent.Egress;
using Marionette.Agent.Egress.Names;
using Marionette.Agent.Egress.Relay;
using Marionette.TestEngine;
using Microsoft.Extensions.Logging.Abstractions;

namespace Marionette.Agent.Tests.Egress;

/// <summary>The check of a machine, which needs no network beyond it to be right.</summary>
public sealed class NetdCheckTests
{
    [Fact]
    public async Task Policy_ThatHolds_IsFoundToHold()
    {
        Assert.SkipWhen(MachineTrial.OfNetworks is not null, MachineTrial.OfNetworks ?? "");
        var report = await CheckAsync();
        Assert.True(report.Ok, report.Error);
    }

    [Fact]
    public async Task Policy_ThatLetsThroughWhatItMustNot_IsFoundOut()
    {
        Assert.SkipWhen(MachineTrial.OfNetworks is not null, MachineTrial.OfNetworks ?? "");
        var own = OwnAddresses.Outside();
        Assert.SkipWhen(own is null, "this machine has its loopback alone");
        var report = await CheckAsync(own!.ToString());
        Assert.Equal((false, "a connection that is not allowed was made"), (report.Ok, report.Error));
    }

    private static async Task<NetdReport> CheckAsync(params string[] allowed)
    {
        using var peers = new PeerStock();
        var resolver = new DnsResolver(new ResolvConf(ResolvConf.DefaultPath, TimeProvider.System).Servers);
        return await NetdCheck.RunAsync(new EgressServices(resolver, peers, 64, new FlowBudget(64, 64), TimeProvider.System, NullLogger.Instance), allowed);
    }
}
