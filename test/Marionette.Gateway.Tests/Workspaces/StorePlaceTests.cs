using Marionette.Gateway.Workspaces;
using Marionette.TestBucket;

namespace Marionette.Gateway.Tests.Workspaces;

/// <summary>The options of the chunk store, and the look at it before the start.</summary>
public sealed class StorePlaceTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(null, null)]
    [InlineData("", null)]
    [InlineData("none", null)]
    [InlineData("/srv/chunks", "/srv/chunks")]
    public void Folder_IsOneWithoutAScheme(string? store, string? folder) => Assert.Equal(folder, StorePlace.Parse(store, null, null, null)?.Folder);

    [Theory]
    [InlineData(null, null, true)]
    [InlineData("http://minio:9000", null, true)]
    [InlineData("http://127.0.0.1:9000", null, false)]
    [InlineData("http://127.0.0.1:9000", "on", true)]
    [InlineData("http://minio:9000", "off", false)]
    public void Runners_GoStraightToTheBucket_UnlessItIsOnALoopbackAddress(string? endpoint, string? direct, bool isDirect) =>
        Assert.Equal(isDirect, StorePlace.Parse("s3://bucket", endpoint, null, direct)!.IsDirect);

    [Theory]
    [InlineData("s3://B", null, null, "--chunk-store: ")]
    [InlineData("s3://bucket", "minio", null, "--chunk-store: the endpoint")]
    [InlineData("s3://bucket", null, "maybe", "--chunk-store-direct: \"maybe\"")]
    [InlineData("/srv/chunks", "http://minio:9000", null, "--chunk-store-endpoint,")]
    [InlineData(null, null, "off", "--chunk-store-endpoint,")]
    public void Options_ThatDoNotFit_AreNamed(string? store, string? endpoint, string? direct, string begin) =>
        Assert.StartsWith(begin, Assert.Throws<FormatException>(() => StorePlace.Parse(store, endpoint, null, direct)).Message);

    [Fact]
    public async Task Bucket_ThatCanBeUsed_NeedsNoWord_AndOneWithoutConditionsGetsOne()
    {
        BucketCredentials.Use();
        await using var bucket = await StrictBucket.StartAsync();
        var place = StorePlace.Parse($"s3://{StrictBucket.Bucket}", bucket.Endpoint.ToString(), null, null)!;
        Assert.Null(await place.PrepareAsync(TimeProvider.System, Cancel));
        bucket.IgnoresConditions = true;
        Assert.StartsWith("this server ignores If-None-Match", await place.PrepareAsync(TimeProvider.System, Cancel));
        Assert.Empty(bucket.Keys);
    }

    [Fact]
    public async Task Bucket_ThatCannotBeUsed_IsSaidInOneLine()
    {
        BucketCredentials.Use();
        await using var bucket = await StrictBucket.StartAsync();
        var place = StorePlace.Parse("s3://another-bucket/x", bucket.Endpoint.ToString(), null, null)!;
        var refusal = await Assert.ThrowsAsync<IOException>(() => place.PrepareAsync(TimeProvider.System, Cancel));
        Assert.StartsWith("s3://another-bucket/x/ cannot be used: ", refusal.Message);
        Assert.Contains("there is no bucket another-bucket here", refusal.Message);
        Assert.DoesNotContain('\n', refusal.Message);
    }
}
