using Marionette.Pools;
using Marionette.Silo.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Marionette.Cluster.Tests;

/// <summary>What a start says of settings that are wrong: one line, with all of them.</summary>
public sealed class StartOptionsTests
{
    [Fact]
    public void Options_OutOfRange_AreOneLineWithAllOfThem()
    {
        var said = Said(("a:CpuOvercommit", "0"), ("a:Sandbox", "docker"), ("b:HostLease", "00:00:01"));

        Assert.DoesNotContain('\n', said);
        Assert.All(["a:CpuOvercommit is 0", "a:Sandbox is \"docker\"", "b:HostLease is 00:00:01"], part => Assert.Contains(part, said, StringComparison.Ordinal));
    }

    [Fact]
    public void Option_OfAnotherKind_IsOneLineThatNamesIt()
    {
        var said = Said(("a:CpuOvercommit", "many"));

        Assert.DoesNotContain('\n', said);
        Assert.Contains("Marionette:Pools:a:CpuOvercommit", said, StringComparison.Ordinal);
        Assert.Contains("many", said, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_AsTheyShouldBe_AreTaken() => SiloHost.CheckOptions(Services(("a:CpuOvercommit", "1.5")));

    private static string Said(params (string Name, string Value)[] settings) =>
        Assert.Throws<StartException>(() => SiloHost.CheckOptions(Services(settings))).Message;

    private static ServiceProvider Services(params (string Name, string Value)[] settings)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(settings.ToDictionary(one => $"{PoolOptions.SectionName}:{one.Name}", one => (string?)one.Value)).Build();
        return new ServiceCollection().AddMarionettePools(configuration, ["a", "b"]).BuildServiceProvider();
    }
}
