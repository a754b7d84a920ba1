using Marionette.TestBucket;
using Marionette.Workspaces.S3;
using Marionette.Workspaces.Tests.Support;

namespace Marionette.Workspaces.Tests;

/// <summary>The store in a bucket when the service is busy, breaks off or refuses, and what only it does.</summary>
public sealed class S3StoreTests : IAsyncLifetime
{
    private StrictBucket _server = null!;
    private S3BlobStore _store = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        BucketCredentials.Use();
        _server = await StrictBucket.StartAsync();
        _store = Open();
    }

    public async ValueTask DisposeAsync()
    {
        _store.Dispose();
        await _server.DisposeAsync();
    }

    [Theory]
    [InlineData(Trouble.SlowDown)]
    [InlineData(Trouble.Cut)]
    [InlineData(Trouble.CutAfter)]
    public async Task Calls_ThatBreakOff_AreMadeAgain(Trouble trouble)
    {
        await _store.PrepareAsync(Token);
        var bytes = Bytes.Random(1, 300_000);
        await TwiceAsync(trouble, async () => Assert.True(await _store.PutAsync("a/b", bytes, BlobPut.IfAbsent, Token)));
        await TwiceAsync(trouble, async () => Assert.False(await _store.PutAsync("a/b", new byte[1], BlobPut.IfAbsent, Token)));
        await TwiceAsync(trouble, async () => Assert.Equal(300_000, (await _store.FindAsync("a/b", Token))!.Length));
        await TwiceAsync(trouble, async () => Assert.Equal(bytes, await _store.ReadWholeAsync("a/b", 1_000_000, Token)));
        await TwiceAsync(trouble, async () => Assert.Equal(["a/b"], await NamesAsync("a/")));
        await TwiceAsync(trouble, async () => await _store.DeleteAsync("a/b", Token));
        Assert.Empty(_server.Keys);
    }

    [Fact]
    public async Task Read_OfABodyThatEndsEarly_IsMadeAgain()
    {
        var bytes = Bytes.Random(1, 300_000);
        await _store.PutAsync("a/b", bytes, BlobPut.IfAbsent, Token);
        await TwiceAsync(Trouble.CutBody, async () => Assert.Equal(bytes, await _store.ReadAllAsync("a/b", 0, 300_000, Token)));
    }

    [Fact]
    public async Task Busy_ForTooLong_IsAFaultThatNamesTheObject()
    {
        _server.Before = _ => Trouble.SlowDown;
        using var hasty = Open(attempts: 2);
        var fault = await Assert.ThrowsAsync<WorkspaceException>(async () => await hasty.ReadAsync("a/b", 0, new byte[1], Token));
        Assert.Equal(WorkspaceFault.Io, fault.Fault);
        Assert.Equal($"s3://{StrictBucket.Bucket}/a/b: refused with 503 SlowDown.", fault.Message);
        Assert.Equal(2, _server.Requests.Count);
    }

    [Fact]
    public async Task Refused_IsNotTriedAgain_AndTellsNothingThatTheServiceRepeats()
    {
        _server.Before = _ => Trouble.Denied;
        var fault = await Assert.ThrowsAsync<WorkspaceException>(async () => await _store.PutAsync("a/b", new byte[1], BlobPut.Replace, Token));
        Assert.Equal((WorkspaceFault.Io, 1), (fault.Fault, _server.Requests.Count));
        Assert.Contains("403 AccessDenied", fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("SECRET", fault.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bucket_ThatIsNotThere_IsNoMissingObject()
    {
        using var elsewhere = new S3BlobStore(S3Place.Parse("s3://no-such-bucket", _server.Endpoint.ToString()), TimeProvider.System);
        var fault = await Assert.ThrowsAsync<WorkspaceException>(async () => await elsewhere.ReadAsync("a/b", 0, new byte[1], Token));
        Assert.Equal(WorkspaceFault.Io, fault.Fault);
        Assert.Contains("there is no bucket no-such-bucket", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_ThatIsNotThere_IsSaidInOneLine()
    {
        await _server.DisposeAsync();
        using var hasty = Open(attempts: 1);
        var fault = await Assert.ThrowsAsync<WorkspaceException>(() => hasty.PrepareAsync(Token));
        Assert.Equal(WorkspaceFault.Io, fault.Fault);
        Assert.Contains("no answer (Connection refused", fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', fault.Message);
    }

    [Fact]
    public async Task Probe_SaysWhetherConditionsAreKept_AndLeavesNothing()
    {
        Assert.True(await _store.PrepareAsync(Token));
        _server.IgnoresConditions = true;
        Assert.False(await _store.PrepareAsync(Token));
        Assert.Empty(_server.Keys);
    }

    [Theory]
    [InlineData("PUT")]
    [InlineData("GET")]
    [InlineData("DELETE")]
    public async Task Probe_FindsARightThatLacks(string method)
    {
        _server.Before = request => request.Method == method ? Trouble.Denied : Trouble.None;
        var fault = await Assert.ThrowsAsync<WorkspaceException>(() => _store.PrepareAsync(Token));
        Assert.Contains("AccessDenied", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Object_LargerThanOneRequestTakes_GoesInParts()
    {
        var bytes = Bytes.Random(4, S3BlobStore.SinglePutBytes + 1_000_000);
        var cut = 0;
        _server.Before = request => request is { Method: "PUT", Kind: "uploadId" } && cut++ == 1 ? Trouble.Cut : Trouble.None;
        Assert.True(await _store.PutAsync("a/huge", bytes, BlobPut.IfAbsent, Token));
        Assert.True(bytes.AsSpan().SequenceEqual(_server.Content("a/huge")));
        Assert.False(await _store.PutAsync("a/huge", bytes, BlobPut.IfAbsent, Token));
        Assert.Equal(0, _server.OpenUploads);
    }

    [Fact]
    public async Task Object_InParts_ThatFails_LeavesNoParts()
    {
        _server.Before = request => request is { Method: "PUT", Kind: "uploadId" } ? Trouble.Denied : Trouble.None;
        await using var upload = await _store.BeginAsync(Token);
        var bytes = Bytes.Random(4, 1 << 20);
        for (var size = 0; size <= S3BlobStore.SinglePutBytes; size += bytes.Length) await upload.AppendAsync(bytes, Token);
        await Assert.ThrowsAsync<WorkspaceException>(async () => await upload.CommitAsync("a/huge", Token));
        Assert.Equal((0, 0), (_server.OpenUploads, _server.Keys.Count));
    }

    [Fact]
    public async Task Bucket_CopiedToAFolder_IsAStore()
    {
        var names = new[] { "acme/packs/" + new string('a', 62) + "01", "acme/leases/up-1", "acme/packs/" + new string('b', 64) };
        foreach (var name in names) await _store.PutAsync(name, Bytes.Random(1, 100), BlobPut.IfAbsent, Token);
        using var folder = new TempFolder();
        foreach (var key in _server.Keys) folder.Write("copy/" + key, _server.Content(key));
        using var copy = new FolderBlobStore(folder["copy"]);
        foreach (var name in names) Assert.Equal(Bytes.Random(1, 100), await copy.ReadWholeAsync(name, 100, Token));
        Assert.Equal(await NamesAsync("acme/"), await BlobStoreConformance.ListAsync(copy, "acme/"));
    }

    [Fact]
    public async Task Canceled_WhileItWaitsForABusyService_Ends()
    {
        using var stop = new CancellationTokenSource();
        _server.Before = _ =>
        {
            stop.Cancel();
            return Trouble.SlowDown;
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await _store.ReadAsync("a/b", 0, new byte[1], stop.Token));
    }

    private S3BlobStore Open(int attempts = 5) => new(S3Place.Parse($"s3://{StrictBucket.Bucket}", _server.Endpoint.ToString()), TimeProvider.System, attempts);

    /// <summary>Makes the first two requests end so, and sees to it that they did.</summary>
    private async Task TwiceAsync(Trouble trouble, Func<Task> call)
    {
        var troubles = 0;
        _server.Before = _ => Interlocked.Increment(ref troubles) <= 2 ? trouble : Trouble.None;
        await call();
        _server.Before = _ => Trouble.None;
        Assert.True(troubles > 2, $"{troubles} requests");
    }

    private Task<List<string>> NamesAsync(string prefix) => BlobStoreConformance.ListAsync(_store, prefix);
}
