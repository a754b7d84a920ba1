using Marionette.TestBucket;
using Marionette.Workspaces.S3;
using Marionette.Workspaces.Tests.Support;

namespace Marionette.Workspaces.Tests;

public sealed class FolderConformanceTests : BlobStoreConformance
{
    private readonly TempFolder _temp = new();

    private protected override Task StartAsync() => Task.CompletedTask;

    private protected override ValueTask EndAsync()
    {
        _temp.Dispose();
        return ValueTask.CompletedTask;
    }

    private protected override IBlobStore Open() => new FolderBlobStore(_temp["store"]);
}

/// <summary>Against s3rver, which keeps no conditions: what the store does then.</summary>
public sealed class S3rverConformanceTests : BlobStoreConformance
{
    private S3rver? _server;

    /// <summary>s3rver announces one byte and sends none. We store no empty objects.</summary>
    protected override bool ReadsNothing => false;

    private protected override async Task StartAsync()
    {
        Assert.SkipWhen(S3rver.Obstacle is not null, S3rver.Obstacle ?? "");
        BucketCredentials.Use();
        _server = await S3rver.StartAsync();
    }

    private protected override ValueTask EndAsync() => _server?.DisposeAsync() ?? ValueTask.CompletedTask;

    private protected override IBlobStore Open() => new S3BlobStore(S3Place.Parse($"s3://{S3rver.Bucket}/part/of-it", _server!.Endpoint.ToString()), TimeProvider.System);
}

/// <summary>Against the strict server, once as the service is and once without conditions.</summary>
public class StrictConformanceTests : BlobStoreConformance
{
    private StrictBucket _server = null!;

    protected virtual bool KeepsConditions => true;

    private protected override async Task StartAsync()
    {
        BucketCredentials.Use();
        _server = await StrictBucket.StartAsync();
        _server.IgnoresConditions = !KeepsConditions;
    }

    private protected override ValueTask EndAsync() => _server.DisposeAsync();

    private protected override IBlobStore Open() => new S3BlobStore(S3Place.Parse($"s3://{StrictBucket.Bucket}", _server.Endpoint.ToString()), TimeProvider.System);
}

public sealed class UnconditionalConformanceTests : StrictConformanceTests
{
    protected override bool KeepsConditions => false;
}
