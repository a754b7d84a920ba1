using Marionette.Agent.Hosts;
using Marionette.Hosts.Tests.Daemon.Support;

namespace Marionette.Hosts.Tests.Daemon;

public sealed class HostIdentityTests
{
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeMilliseconds(1_800_000_000_000);

    private static HostOptions Options(params string[] arguments) =>
        HostOptions.Parse(arguments, new Dictionary<string, string>(), out var problem) ?? throw new ArgumentException(problem);

    [Fact]
    public void Saved_IsLoadedAgain_AndReadableByItsOwnerAlone()
    {
        using var folder = new TempFolder();
        var made = HostIdentity.From(null, Options("--server", "http://a:1", "--pool", "p", "--token", "t", "--label", "k=v", "--tools", "/opt"), Now);
        made.Save(folder.Path);
        var loaded = HostIdentity.Load(folder.Path)!;
        Assert.Equal((made.Host, made.Server, made.Pool, "v", false), (loaded.Host, loaded.Server, loaded.Pool, loaded.Labels["k"], loaded.Joined));
        Assert.Equal(made.Secret, loaded.Secret);
        Assert.Equal(["/opt"], loaded.Tools);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(folder.At(HostIdentity.FileName)));
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void LeftoverOfACrashedWrite_DoesNotMatter()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder.At(HostIdentity.FileName + ".new"), "{ half");
        Assert.Null(HostIdentity.Load(folder.Path));
        HostHarness.NewIdentity("http://a:1").Save(folder.Path);
        Assert.Equal("builders", HostIdentity.Load(folder.Path)!.Pool);
    }

    [Theory]
    [InlineData("{ half")]
    [InlineData("{}")]
    [InlineData("""{"server":"http://a","pool":"p","host":"host_1","secret":"AAAA"}""")]
    public void BrokenFile_IsAnErrorThatTellsNoContent(string text)
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder.At(HostIdentity.FileName), text);
        var error = Assert.Throws<HostSetupException>(() => HostIdentity.Load(folder.Path));
        Assert.Contains(HostIdentity.FileName, error.Message);
        Assert.DoesNotContain("AAAA", error.Message);
    }

    [Fact]
    public void From_KeepsWhatIsNotSaid_AndTakesWhatIs()
    {
        var kept = HostHarness.NewIdentity("http://a:1");
        kept.Joined = true;
        var (host, secret) = (kept.Host, kept.Secret);
        var next = HostIdentity.From(kept, Options("--server", "http://b:2", "--label", "zone=c", "--cpus", "1"), Now);
        Assert.Equal((host, "http://b:2/", "builders", "a host", "c", 1.0, 4096L),
            (next.Host, next.Server, next.Pool, next.Name, next.Labels["zone"], next.Cpus!.Value, next.MemoryMib!.Value));
        Assert.Same(secret, next.Secret);
    }

    [Fact]
    public void From_Unjoined_TellsAllThatIsMissing()
    {
        var error = Assert.Throws<HostSetupException>(() => HostIdentity.From(null, Options(), Now));
        foreach (var part in new[] { "--server", "--pool", "token" })
            Assert.Contains(part, error.Message);
    }

    [Fact]
    public void From_AnotherPool_IsRefusedOnceJoined()
    {
        var kept = HostHarness.NewIdentity("http://a:1");
        kept.Joined = true;
        Assert.Contains("--leave", Assert.Throws<HostSetupException>(() => HostIdentity.From(kept, Options("--pool", "other"), Now)).Message);
    }

    [Fact]
    public void NewId_HasTheShapeOfIds_AndSortsByTime()
    {
        var ids = Enumerable.Range(0, 100).Select(i => HostIdentity.NewId(Now.AddMilliseconds(i))).ToList();
        Assert.All(ids, id => Assert.Matches("^host_[0-9A-Za-z]{16}$", id));
        Assert.Equal(ids.Order(StringComparer.Ordinal), ids);
        // Read back by arithmetic of its own: the time is in front.
        var millis = ids[0].AsSpan(5, 8).ToArray().Aggregate(
            0L, (sum, c) => sum * 62 + (char.IsAsciiDigit(c) ? c - '0' : char.IsAsciiLetterUpper(c) ? c - 'A' + 10 : c - 'a' + 36));
        Assert.Equal(Now.ToUnixTimeMilliseconds(), millis);
    }

    [Fact]
    public void Lock_IsHeldByOne()
    {
        using var folder = new TempFolder();
        using (HostLock.Take(folder.Path))
            Assert.Contains("another", Assert.Throws<HostSetupException>(() => HostLock.Take(folder.Path)).Message);
        HostLock.Take(folder.Path).Dispose();
    }
}
