using System.Security.Cryptography;
using Marionette.Agent.Workspaces;
using Marionette.TestBucket;
using Marionette.Workspaces.S3;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Wire = Marionette.Protocol.Workspaces.V1;

namespace Marionette.Agent.Tests.Runs;

/// <summary>The way past the gateway: what it carries, and what closes it.</summary>
public sealed class DirectTransfersTests : IAsyncLifetime
{
    private const string Pack = "acme/packs/p";

    private readonly string folder = Directory.CreateTempSubdirectory("marionette-direct-").FullName;
    private readonly DirectTransfers direct = new(TimeProvider.System, NullLogger.Instance);
    private readonly byte[] bytes = new byte[300_000];
    private StrictBucket bucket = null!;
    private S3BlobStore store = null!;
    private PackSpool spool = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        BucketCredentials.Use();
        bucket = await StrictBucket.StartAsync();
        store = new S3BlobStore(S3Place.Parse($"s3://{StrictBucket.Bucket}", bucket.Endpoint.ToString()), TimeProvider.System);
        new Random(1).NextBytes(bytes);
        spool = new PackSpool(folder);
        await spool.AddAsync(bytes.AsMemory(0, 100_000), Cancel);
        await spool.AddAsync(bytes.AsMemory(100_000), Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        spool.Dispose();
        direct.Dispose();
        store.Dispose();
        await bucket.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Spool_HoldsWhatWasAdded_AndLeavesNoFile()
    {
        Assert.Equal((300_000L, Convert.ToHexString(SHA256.HashData(bytes))), (spool.Length, Convert.ToHexString(spool.Hash())));
        var read = new List<byte>();
        await foreach (var part in spool.ReadAsync(Cancel))
            read.AddRange(part.Span);
        Assert.Equal(bytes, read);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
    }

    [Fact]
    public async Task Pack_IsSent_AndOneThatIsThereCountsAsSent()
    {
        var call = await SignPutAsync();
        Assert.True(await direct.PutAsync(call, spool.Content, Cancel));
        Assert.Equal(bytes, bucket.Content(Pack));
        Assert.True(await direct.PutAsync(call, spool.Content, Cancel));
        Assert.True(direct.IsOpen);
    }

    [Fact]
    public async Task Pack_IsRead_InParts()
    {
        bucket.Put(Pack, bytes);
        var call = await SignGetAsync();
        Assert.Equal(bytes[1000..2000], await direct.ReadAsync(call, 1000, 1000, Cancel));
        Assert.Equal(bytes[299_000..], await direct.ReadAsync(call, 299_000, 100_000, Cancel));
        // Whether there is more, or anything, is for the gateway to say.
        Assert.Null(await direct.ReadAsync(call, 300_000, 10, Cancel));
        Assert.Null(await direct.ReadAsync(ToWire(await store.SignGetAsync("acme/packs/gone", TimeSpan.FromMinutes(5), Cancel)), 0, 10, Cancel));
        Assert.True(direct.IsOpen);
    }

    [Theory]
    [InlineData(Trouble.SlowDown)]
    [InlineData(Trouble.Cut)]
    [InlineData(Trouble.CutAfter)]
    public async Task Trouble_ThatPasses_IsWaitedFor(Trouble trouble)
    {
        var call = await SignPutAsync();
        var requests = 0;
        bucket.Before = _ => Interlocked.Increment(ref requests) == 1 ? trouble : Trouble.None;
        Assert.True(await direct.PutAsync(call, spool.Content, Cancel));
        Assert.Equal((2, true), (requests, direct.IsOpen));
        requests = 0;
        Assert.Equal(bytes[..10], await direct.ReadAsync(await SignGetAsync(), 0, 10, Cancel));
        Assert.Equal((2, true), (requests, direct.IsOpen));
    }

    [Fact]
    public async Task Store_ThatStaysBusy_IsReachedOtherwise_ThisOnce()
    {
        var call = await SignPutAsync();
        bucket.Before = _ => Trouble.SlowDown;
        Assert.False(await direct.PutAsync(call, spool.Content, Cancel));
        Assert.True(direct.IsOpen);
    }

    [Fact]
    public async Task Store_ThatRefuses_ClosesTheWay()
    {
        var call = await SignPutAsync();
        bucket.Before = _ => Trouble.Denied;
        Assert.False(await direct.PutAsync(call, spool.Content, Cancel));
        Assert.False(direct.IsOpen);
    }

    [Fact]
    public async Task Store_ThatIsOutOfReach_ClosesTheWay()
    {
        var call = await SignGetAsync();
        await bucket.DisposeAsync();
        Assert.Null(await direct.ReadAsync(call, 0, 10, Cancel));
        Assert.False(direct.IsOpen);
    }

    [Fact]
    public void Way_ThatWasClosed_OpensAgain()
    {
        var clock = new FakeTimeProvider();
        using var other = new DirectTransfers(clock, NullLogger.Instance);
        Assert.True(other.IsOpen);
        other.Close("a reason");
        clock.Advance(DirectTransfers.ClosedFor - TimeSpan.FromSeconds(1));
        Assert.False(other.IsOpen);
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.True(other.IsOpen);
    }

    private async Task<Wire.SignedCall> SignPutAsync() => ToWire(await store.SignPutAsync(Pack, spool.Length, spool.Hash(), TimeSpan.FromMinutes(5), Cancel));

    private async Task<Wire.SignedCall> SignGetAsync() => ToWire(await store.SignGetAsync(Pack, TimeSpan.FromMinutes(5), Cancel));

    private static Wire.SignedCall ToWire(SignedRequest request)
    {
        var call = new Wire.SignedCall { Url = request.Url.AbsoluteUri };
        call.Headers.AddRange(request.Headers.Select(header => new Wire.SignedHeader { Name = header.Key, Value = header.Value }));
        return call;
    }
}
