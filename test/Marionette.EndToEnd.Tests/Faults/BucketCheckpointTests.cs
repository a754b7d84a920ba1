using System.Net;
using System.Text.Json;
using Marionette.EndToEnd.Tests.Behaviour;
using Marionette.EndToEnd.Tests.Support;
using Marionette.TestBucket;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>Checkpoints in a bucket: by the straight way, and by the gateway where that one is closed.</summary>
public sealed class BucketCheckpointTests(ITestOutputHelper output) : CheckpointTest, IAsyncDisposable
{
    /// <summary>Random, so it is stored as it is: a pack of this size and some more.</summary>
    private const int FileBytes = 6_000_000;

    private readonly TaskCompletionSource<int> grpcPort = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TcpProxy? line;
    private Stack? stack;

    private protected override Stack Stack => stack!;

    public async ValueTask DisposeAsync()
    {
        if (stack is not null) await stack.DisposeAsync();
        if (line is not null) await line.DisposeAsync();
    }

    [Fact]
    public async Task Packs_GoStraightToTheBucketAndBack_PastTheGateway()
    {
        Assert.SkipWhen(S3rver.Obstacle is not null, S3rver.Obstacle ?? "");
        await using var server = await S3rver.StartAsync();
        await StartAsync(S3rver.Bucket, server.Endpoint);
        await SuspendAndComeBackAsync();
        output.WriteLine($"{line!.Carried} bytes between the runners and the gateway");
        // Twice the file went to and from the bucket. What the runners said beside it is far less than one of them.
        Assert.InRange(line.Carried, 1, FileBytes / 4);
    }

    [Fact]
    public async Task Packs_GoThroughTheGateway_WhereTheBucketRefusesTheRunners()
    {
        await using var bucket = await StrictBucket.StartAsync();
        bucket.Before = request => request.IsPresigned ? Trouble.Denied : Trouble.None;
        await StartAsync(StrictBucket.Bucket, bucket.Endpoint);
        await SuspendAndComeBackAsync();
        Assert.InRange(line!.Carried, 2 * FileBytes, 4 * FileBytes);
        // Each of the two runners has tried once; a few packs may have been on their way at that moment.
        Assert.InRange(bucket.Requests.Count(request => request.IsPresigned), 2, 16);
        Assert.Contains(bucket.Requests, request => request is { Method: "PUT", IsPresigned: false, Length: > 1_000_000 });
    }

    private async Task StartAsync(string bucket, Uri endpoint)
    {
        line = new TcpProxy(IPAddress.Loopback, () => grpcPort.Task.IsCompletedSuccessfully ? grpcPort.Task.Result : 1);
        stack = await Stack.StartAsync(
            arguments:
            [
                "--chunk-store", $"s3://{bucket}/test", "--chunk-store-endpoint", endpoint.ToString(), "--chunk-store-direct", "on", "--runner-url", $"http://127.0.0.1:{line.Port}",
            ],
            environment: BucketCredentials.Variables);
        using var endpoints = JsonDocument.Parse(await File.ReadAllBytesAsync(Path.Combine(stack.DataDirectory, "endpoints.json")));
        grpcPort.SetResult(new Uri(endpoints.RootElement.GetProperty("grpc_url").GetString()!).Port);
    }

    private async Task SuspendAndComeBackAsync()
    {
        var session = await CreateAsync();
        await RunAsync(session, $"mkdir -p a/b && printf text > a/b/c.txt && head -c {FileBytes} /dev/urandom > big.bin && printf seen > $HOME/note");
        var before = await DigestAsync(session);
        await SuspendAsync(session);
        // As on another machine: nothing of it is there.
        Directory.Delete(await FolderAsync(session), recursive: true);
        Assert.Equal(before, await DigestAsync(session));
        var ready = (await Api.EventsAsync(session)).Where(e => e.Text("type") == "workspace.ready").Select(e => e.GetProperty("data")).ToList();
        Assert.Equal(["new", "restored"], ready.Select(e => e.Text("source")));
    }
}
