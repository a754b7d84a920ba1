using Marionette.Workspaces.S3;

namespace Marionette.Workspaces.Tests;

/// <summary>What names a bucket, and what does not.</summary>
public sealed class S3PlaceTests
{
    [Theory]
    [InlineData("s3://bucket", null, "bucket", "", false)]
    [InlineData("s3://bucket/", null, "bucket", "", false)]
    [InlineData("s3://bucket/a/B_c", null, "bucket", "a/B_c/", false)]
    [InlineData("s3://bucket/a/", null, "bucket", "a/", false)]
    [InlineData("s3://my.bucket", null, "my.bucket", "", true)]
    [InlineData("s3://bucket", "http://127.0.0.1:9000", "bucket", "", true)]
    [InlineData("s3://bucket", "https://s3.eu-central-1.amazonaws.com", "bucket", "", false)]
    public void Place_IsRead(string location, string? endpoint, string bucket, string prefix, bool isPathStyle)
    {
        var place = S3Place.Parse(location, endpoint, "eu-central-1");
        Assert.Equal((bucket, prefix, isPathStyle, "eu-central-1"), (place.Bucket, place.Prefix, place.IsPathStyle, place.Region));
    }

    [Theory]
    [InlineData("s3://", null, null)]
    [InlineData("s3://Bucket", null, null)]
    [InlineData("s3://b", null, null)]
    [InlineData("s3://bucket/../x", null, null)]
    [InlineData("s3://bucket/a//b", null, null)]
    [InlineData("s3://bucket/a b", null, null)]
    [InlineData("s3://bucket", "127.0.0.1:9000", null)]
    [InlineData("s3://bucket", "ftp://host", null)]
    [InlineData("s3://bucket", "https://host/path", null)]
    [InlineData("s3://bucket", "https://user:secret@host", null)]
    [InlineData("s3://bucket", null, "eu central")]
    public void Place_ThatIsNone_IsRefusedInOneLine(string location, string? endpoint, string? region)
    {
        var refusal = Assert.Throws<FormatException>(() => S3Place.Parse(location, endpoint, region));
        Assert.DoesNotContain('\n', refusal.Message);
        Assert.DoesNotContain("secret", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://127.0.0.1:9000", true)]
    [InlineData("http://localhost:9000", true)]
    [InlineData("http://[::1]:9000", true)]
    [InlineData("http://0.0.0.0:9000", true)]
    [InlineData("http://minio:9000", false)]
    [InlineData("http://10.0.0.1:9000", false)]
    public void Place_OnALoopbackAddress_IsKnown(string endpoint, bool isLoopback) => Assert.Equal(isLoopback, S3Place.Parse("s3://bucket", endpoint).IsLoopback);
}
