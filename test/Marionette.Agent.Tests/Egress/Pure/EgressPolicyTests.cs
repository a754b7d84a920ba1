using System.Net;
using FsCheck.Xunit;
using Marionette.Agent.Egress.Policy;

namespace Marionette.Agent.Tests.Egress.Pure;

public sealed class EgressPolicyTests
{
    private static readonly string[] Labels = ["api", "good", "test", "a", "xn--mnchen-3ya", "_srv", "9lives", "evil"];

    [Theory]
    [InlineData("API.Good.Test", "api.good.test")]
    [InlineData("api.good.test.", "api.good.test")]
    [InlineData("_srv._tcp.good.test", "_srv._tcp.good.test")]
    [InlineData("München.test", "xn--mnchen-3ya.test")]
    [InlineData("MÜNCHEN.test", "xn--mnchen-3ya.test")]
    [InlineData("4chan.org", "4chan.org")]
    [InlineData("", null)]
    [InlineData(".", null)]
    [InlineData("good..test", null)]
    [InlineData(".good.test", null)]
    [InlineData("good.test..", null)]
    [InlineData("evil\0.good.test", null)]
    [InlineData("evil .good.test", null)]
    [InlineData("evil%2e.good.test", null)]
    [InlineData("evil/.good.test", null)]
    [InlineData("evil:80.good.test", null)]
    [InlineData("127.0.0.1", null)]
    [InlineData("127.1", null)]
    [InlineData("2130706433", null)]
    [InlineData("0x7f000001", null)]
    [InlineData("host.0x1", null)]
    [InlineData("::1", null)]
    public void Names_HaveOneForm(string text, string? canonical) => Assert.Equal(canonical, HostName.FromText(text));

    [Fact]
    public void Names_AreNotLongerThanNamesCanBe()
    {
        var label = new string('a', 63);
        Assert.NotNull(HostName.FromText($"{label}.{label}.{label}.{label[..61]}"));
        Assert.Null(HostName.FromText($"{label}.{label}.{label}.{label[..62]}"));
        Assert.Null(HostName.FromText(label + "a.test"));
    }

    [Theory]
    [InlineData("good.test", "good.test", 443, true)]
    [InlineData("good.test", "api.good.test", 443, false)]
    [InlineData("*.good.test", "api.good.test", 443, true)]
    [InlineData("*.good.test", "a.b.good.test", 443, true)]
    [InlineData("*.good.test", "good.test", 443, false)]
    [InlineData("*.good.test", "evilgood.test", 443, false)]
    [InlineData("*.good.test", "good.test.evil.test", 443, false)]
    [InlineData("good.test:443", "good.test", 443, true)]
    [InlineData("good.test:443", "good.test", 80, false)]
    [InlineData("GOOD.test.:443", "good.test", 443, true)]
    [InlineData("*.good.test:8443", "api.good.test", 8443, true)]
    [InlineData("*.good.test:8443", "api.good.test", 443, false)]
    public void Entries_MatchNames(string entry, string name, int port, bool allowed) =>
        Assert.Equal(allowed, Parse("allow_list", entry).AllowsName(name, port));

    [Theory]
    [InlineData("93.184.215.14", "93.184.215.14", 443, nameof(Verdict.Allowed))]
    [InlineData("93.184.215.14:443", "93.184.215.14", 80, nameof(Verdict.NotListed))]
    [InlineData("93.184.0.0/16", "93.184.215.14", 80, nameof(Verdict.Allowed))]
    [InlineData("93.184.215.14/16", "93.184.1.1", 80, nameof(Verdict.Allowed))]
    [InlineData("93.185.0.0/16", "93.184.215.14", 80, nameof(Verdict.NotListed))]
    [InlineData("10.1.0.0/16:5432", "10.1.2.3", 5432, nameof(Verdict.Allowed))]
    [InlineData("10.1.0.0/16:5432", "10.1.2.3", 22, nameof(Verdict.Private))]
    [InlineData("0.0.0.0/0", "10.1.2.3", 22, nameof(Verdict.Private))]
    [InlineData("0.0.0.0/0", "8.8.8.8", 22, nameof(Verdict.Allowed))]
    [InlineData("::/0", "fd00::1", 22, nameof(Verdict.Private))]
    [InlineData("169.254.0.0/16", "169.254.169.254", 80, nameof(Verdict.Metadata))]
    [InlineData("169.254.0.0/16", "169.254.1.1", 80, nameof(Verdict.Allowed))]
    [InlineData("169.254.169.254", "169.254.169.254", 80, nameof(Verdict.Allowed))]
    [InlineData("::ffff:10.1.2.3", "10.1.2.3", 80, nameof(Verdict.Allowed))]
    [InlineData("10.1.2.3", "::ffff:10.1.2.3", 80, nameof(Verdict.Allowed))]
    [InlineData("[2606:2800::/32]:443", "2606:2800::1", 443, nameof(Verdict.Allowed))]
    [InlineData("[2606:2800::1]:443", "2606:2800::1", 80, nameof(Verdict.NotListed))]
    [InlineData("2606:2800::1", "2606:2800::1", 80, nameof(Verdict.Allowed))]
    [InlineData("fd00::/8", "fd12::1", 80, nameof(Verdict.Allowed))]
    public void Entries_MatchAddresses(string entry, string address, int port, string verdict) =>
        Assert.Equal(verdict, Parse("allow_list", entry).Judge(IPAddress.Parse(address), port, isOwn: false).ToString());

    [Theory]
    [InlineData("allow_list", "good.test:123", "good.test", 123, true)]
    [InlineData("deny", "good.test:123", "good.test", 123, true)]
    [InlineData("allow_list", "*.good.test:123", "a.b.good.test", 123, true)]
    [InlineData("allow_list", "good.test:123", "good.test", 124, false)]
    [InlineData("allow_list", "good.test", "good.test", 123, false)]
    [InlineData("allow_list", "good.test:443", "good.test", 443, false)]
    [InlineData("allow_list", "*.good.test:123", "good.test", 123, false)]
    [InlineData("open", "other.test", "good.test", 443, true)]
    public void Datagrams_GoToNamesWhosePortIsListed_ExceptThatOfHttps(string mode, string entry, string name, int port, bool allowed) =>
        Assert.Equal(allowed, Parse(mode, entry).AllowsDatagrams(name, port));

    [Theory]
    [InlineData("")]
    [InlineData("*")]
    [InlineData("*.")]
    [InlineData("**.good.test")]
    [InlineData("a.*.test")]
    [InlineData("good.test:")]
    [InlineData("good.test:0")]
    [InlineData("good.test:65536")]
    [InlineData("good.test:+80")]
    [InlineData("good.test:80:80")]
    [InlineData("https://good.test")]
    [InlineData("good.test/path")]
    [InlineData("10.0.0.0/33")]
    [InlineData("10.0.0.0/-1")]
    [InlineData("10.0.0/8")]
    [InlineData("010.0.0.1")]
    [InlineData("127.1")]
    [InlineData("2130706433")]
    [InlineData("fe80::1%eth0")]
    [InlineData("[::1")]
    [InlineData("[::1]443")]
    [InlineData("[good.test]:443")]
    [InlineData("[10.0.0.1]:443")]
    [InlineData("evil\0.good.test")]
    public void Entries_ThatAreNone_AreRefused(string entry)
    {
        Assert.Null(EgressPolicy.Parse("allow_list", [entry], null, out var problem));
        Assert.NotEmpty(problem);
    }

    [Fact]
    public void Open_LetsPublicAddressesPass_ButNotTheMachinesOwn()
    {
        var policy = Parse("open");
        Assert.Equal(Verdict.Allowed, policy.Judge(IPAddress.Parse("8.8.8.8"), 53, isOwn: false));
        Assert.Equal(Verdict.Private, policy.Judge(IPAddress.Parse("8.8.8.8"), 53, isOwn: true));
        Assert.Equal(Verdict.Allowed, Parse("open", "8.8.8.8").Judge(IPAddress.Parse("8.8.8.8"), 53, isOwn: true));
    }

    [Property(MaxTest = 500)]
    public void Entry_NeverMatchesANameThatIsNotAtOrBelowIt(int[] entryLabels, int[] nameLabels, bool below)
    {
        var (entry, name) = (Join(entryLabels), Join(nameLabels));
        var policy = Parse("allow_list", below ? "*." + entry : entry);
        var expected = below ? name.EndsWith("." + entry, StringComparison.Ordinal) : name == entry;
        Assert.Equal(expected, policy.AllowsName(name, 443));
        Assert.Equal(expected, policy.AllowsName(name, null));
    }

    [Property(MaxTest = 500)]
    public void Canonical_IsStable_AndHoldsOnlyItsLetters(string? text)
    {
        if (HostName.FromText(text ?? "") is not { } name)
            return;
        Assert.Equal(name, HostName.Canonical(name));
        Assert.All(name, letter => Assert.True(char.IsAsciiLetterLower(letter) || char.IsAsciiDigit(letter) || letter is '.' or '-' or '_'));
    }

    [Property(MaxTest = 500)]
    public void AnyText_IsAnEntryOrAComplaint(string? text)
    {
        if (!EgressEntry.TryParse(text ?? "", out _, out var problem))
            Assert.NotEmpty(problem);
    }

    private static string Join(int[]? labels) => labels is { Length: > 0 }
        ? string.Join('.', labels.Take(4).Select(label => Labels[(int)((uint)label % Labels.Length)]))
        : "good.test";

    private static EgressPolicy Parse(string mode, params string[] allowed) =>
        EgressPolicy.Parse(mode, allowed, null, out var problem) ?? throw new InvalidOperationException(problem);
}
