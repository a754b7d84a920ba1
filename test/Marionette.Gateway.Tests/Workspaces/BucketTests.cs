using System.Net;
using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Core;
using Marionette.Gateway.Tests.Support;
using Marionette.Gateway.Workspaces;
using Marionette.Protocol.Workspaces.V1;
using Marionette.TestBucket;
using Marionette.TestSupport;
using static Marionette.Gateway.Tests.Support.WorkspaceClient;

namespace Marionette.Gateway.Tests.Workspaces;

/// <summary>A gateway whose chunk store is a bucket, and what it signs for runners.</summary>
public sealed class BucketTests(PostgresFixture postgres) : WorkspaceTest(postgres)
{
    private const string OtherRunner = "other/run_0VblLnwqr5JQkdmN";

    private readonly HttpClient http = new();
    private StrictBucket bucket = null!;

    [Fact]
    public async Task Snapshot_ThroughTheGateway_IsRestored()
    {
        var tree = Tree();
        var report = await SnapshotAsync(Client, tree);
        Assert.True(report.BytesStored > 3_000_000);
        AssertSame(tree, await RestoreAsync(Client, report.Id));
        Assert.Equal(["keys", "marks", "packs", "snapshots"], bucket.Keys.Select(key => key.Split('/')).Select(key => (key[0], key[1], key[2])).Distinct().Select(key => key.Item3));
        Assert.All(bucket.Keys, key => Assert.StartsWith("installation/acme/", key));
        Assert.DoesNotContain(bucket.Requests, request => request.IsPresigned);
    }

    [Fact]
    public async Task Pack_SentStraight_IsKnownOnceItIsAdded_AndReadStraight()
    {
        var (name, bytes) = await PackAsync();
        var other = AddRunner(OtherRunner, Session);
        var reply = await SignAsync(other, name, bytes);
        Assert.False(reply.Stored);
        Assert.Equal(600, reply.Call.Seconds);
        using (var put = await SendAsync(HttpMethod.Put, reply.Call, bytes)) Assert.Equal(HttpStatusCode.OK, put.StatusCode);
        Assert.Equal(bytes, bucket.Content($"installation/other/packs/{name[..2]}/{name}"));
        await FailsAsync(StatusCode.DataLoss, () => AddAsync(other, name, bytes.Length - 1));
        await AddAsync(other, name, bytes.Length);
        Assert.Equal(name, Assert.Single(await new PostgresChunkIndex(Gateway.Database, "other").ListPacksAsync(Cancel)).Name);

        var read = await other.CallAsync<SignReadReply>("SignRead", new SignReadRequest { Pack = name });
        using var answer = await SendAsync(HttpMethod.Get, read.Call, null);
        Assert.Equal(bytes, await answer.Content.ReadAsByteArrayAsync(Cancel));
        Assert.True((await SignAsync(other, name, bytes)).Stored);
    }

    [Fact]
    public async Task Pack_ThatIsThere_IsNotSignedForAnotherContent()
    {
        var (name, bytes) = await PackAsync();
        await FailsAsync(StatusCode.DataLoss, () => SignAsync(Client, name, bytes[..^1]));
    }

    [Fact]
    public async Task Pack_ThatWasSentStraight_AndIsNone_IsNotKnown()
    {
        var (name, bytes) = (new string('a', 64), RandomNumberGenerator.GetBytes(1000));
        var reply = await SignAsync(Client, name, bytes);
        using (var put = await SendAsync(HttpMethod.Put, reply.Call, bytes)) Assert.Equal(HttpStatusCode.OK, put.StatusCode);
        await FailsAsync(StatusCode.DataLoss, () => AddAsync(Client, name, bytes.Length));
        Assert.Empty(await new PostgresChunkIndex(Gateway.Database, "acme").ListPacksAsync(Cancel));
    }

    [Fact]
    public async Task Read_IsOfTheRunnersOwnTenant()
    {
        var (name, _) = await PackAsync();
        var read = await AddRunner(OtherRunner, Session).CallAsync<SignReadReply>("SignRead", new SignReadRequest { Pack = name });
        using var answer = await SendAsync(HttpMethod.Get, read.Call, null);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    [Theory]
    [InlineData("keys/00000001", 1000, 32)]
    [InlineData("../acme/packs/x", 1000, 32)]
    [InlineData("", 1000, 32)]
    [InlineData(null, 0, 32)]
    [InlineData(null, WorkspaceGrpc.MaxPackBytes + 1L, 32)]
    [InlineData(null, 1000, 31)]
    public async Task Sign_OfWhatIsNoPack_IsInvalid(string? pack, long length, int hash)
    {
        var request = new SignPackRequest { Pack = pack ?? new string('a', 64), Length = length, Sha256 = ByteString.CopyFrom(new byte[hash]) };
        await FailsAsync(StatusCode.InvalidArgument, () => Client.CallAsync<SignPackReply>("SignPack", request));
        if (pack is not null) await FailsAsync(StatusCode.InvalidArgument, () => Client.CallAsync<SignReadReply>("SignRead", new SignReadRequest { Pack = pack }));
    }

    [Fact]
    public async Task Sign_WithoutAProof_IsRefused()
    {
        var stranger = Dial(Runner, 3, new byte[32]);
        await FailsAsync(StatusCode.Unauthenticated, () => stranger.CallAsync<SignReadReply>("SignRead", new SignReadRequest { Pack = new string('a', 64) }));
    }

    [Fact]
    public async Task Bucket_ThatRefuses_IsOurTrouble_AndTellsTheRunnerNothing()
    {
        bucket.Before = _ => Trouble.Denied;
        var refusal = await FailsAsync(StatusCode.Unavailable, () => Client.CallAsync<OpenReply>("Open", new OpenRequest()));
        Assert.Equal("The chunk store refuses; again later.", refusal.Status.Detail);
    }

    [Fact]
    public async Task Way_ThatIsSwitchedOff_IsNotOffered()
    {
        await using var second = await GatewayHost.StartAsync(Postgres, Place("off"));
        second.Cluster.Runners[Runner] = (3, Secret, Session);
        using var client = new WorkspaceClient(second, Runner, 3, Secret);
        Assert.Equal(new SignPackReply(), await SignAsync(client, new string('a', 64), new byte[10]));
        Assert.Equal(new SignReadReply(), await client.CallAsync<SignReadReply>("SignRead", new SignReadRequest { Pack = new string('a', 64) }));
    }

    private protected override async Task<GatewayHost> StartAsync()
    {
        BucketCredentials.Use();
        bucket = await StrictBucket.StartAsync();
        return await GatewayHost.StartAsync(Postgres, Place("on"));
    }

    private protected override async ValueTask EndAsync()
    {
        http.Dispose();
        await bucket.DisposeAsync();
    }

    private static Task<SignPackReply> SignAsync(WorkspaceClient client, string name, byte[] bytes) => client.CallAsync<SignPackReply>(
        "SignPack", new SignPackRequest { Pack = name, Length = bytes.Length, Sha256 = ByteString.CopyFrom(SHA256.HashData(bytes)) });

    private static Task<AddPacksReply> AddAsync(WorkspaceClient client, string name, long length) =>
        client.CallAsync<AddPacksReply>("AddPacks", new AddPacksRequest { Packs = { name }, Lengths = { length } });

    private StorePlace Place(string direct) => StorePlace.Parse($"s3://{StrictBucket.Bucket}/installation", bucket.Endpoint.ToString(), null, direct)!;

    /// <summary>A pack of tenant "acme" as a snapshot made it.</summary>
    private async Task<(string Name, byte[] Bytes)> PackAsync()
    {
        await SnapshotAsync(Client, Tree());
        var key = bucket.Keys.First(key => key.Contains("/packs/", StringComparison.Ordinal));
        return (key.Split('/')[^1], bucket.Content(key));
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, SignedCall call, byte[]? bytes)
    {
        using var request = new HttpRequestMessage(method, call.Url);
        if (bytes is not null) request.Content = new ByteArrayContent(bytes);
        foreach (var header in call.Headers)
            if (!request.Headers.TryAddWithoutValidation(header.Name, header.Value)) request.Content?.Headers.TryAddWithoutValidation(header.Name, header.Value);
        return await http.SendAsync(request, Cancel);
    }
}
