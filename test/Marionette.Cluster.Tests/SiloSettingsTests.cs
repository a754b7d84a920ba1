using Marionette.Silo;

namespace Marionette.Cluster.Tests;

/// <summary>Where checkpoints go by the command line.</summary>
public sealed class SiloSettingsTests
{
    [Theory]
    [InlineData("up", null, "/data/chunks")]
    [InlineData("up", "/elsewhere", "/elsewhere")]
    [InlineData("up", "none", null)]
    [InlineData("silo", null, null)]
    [InlineData("silo", "/elsewhere", null)]
    public void ChunkStore_LiesInTheDataFolder_UnlessToldOtherwise(string command, string? option, string? folder)
    {
        string[] more = option is null ? [] : ["--chunk-store", option];
        Assert.Equal(folder, SiloSettings.Parse([command, "--data-dir", "/data", .. more]).Chunks?.Folder);
    }

    [Fact]
    public void ChunkStore_InABucket_HasItsOwnOptions()
    {
        var chunks = SiloSettings.Parse(
            ["up", "--data-dir", "/data", "--chunk-store", "s3://bucket/part", "--chunk-store-endpoint", "http://minio:9000", "--chunk-store-region", "eu-x", "--chunk-store-direct", "off"]).Chunks!;
        Assert.Equal(("bucket", "part/", "eu-x", new Uri("http://minio:9000")), (chunks.Bucket!.Bucket, chunks.Bucket.Prefix, chunks.Bucket.Region, chunks.Bucket.Endpoint));
        Assert.Equal((null, false), (chunks.Folder, chunks.IsDirect));
    }

    [Theory]
    [InlineData("--chunk-store-direct", "off")]
    [InlineData("--chunk-store-endpoint", "http://minio:9000")]
    [InlineData("--chunk-store-region", "eu-x")]
    public void BucketOption_WithoutABucket_IsRefused(string option, string value)
    {
        var refusal = Assert.Throws<ArgumentException>(() => SiloSettings.Parse(["up", "--data-dir", "/data", option, value]));
        Assert.Contains("belong to --chunk-store s3://", refusal.Message);
    }
}
