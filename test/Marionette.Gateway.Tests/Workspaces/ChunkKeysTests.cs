using Marionette.Gateway.Secrets;
using Marionette.Gateway.Workspaces;
using Marionette.TestBucket;

namespace Marionette.Gateway.Tests.Workspaces;

public sealed class ChunkKeysTests
{
    [Theory]
    [InlineData(null, "local-")]
    [InlineData("", "local-")]
    [InlineData("local", "local-")]
    [InlineData("aws-kms:a", "aws-kms:a,local-")]
    [InlineData("aws-kms:b, aws-kms:a", "aws-kms:b,aws-kms:a,local-")]
    [InlineData("local,aws-kms:a", "local-,aws-kms:a")]
    public void Keys_InOrder_AndTheMasterKeyOpensAlways(string? text, string expected)
    {
        BucketCredentials.Use();
        var masters = ChunkKeys.Parse(text, null, text?.Contains("kms", StringComparison.Ordinal) == true ? "eu-central-1" : null).Open(new MasterKey(new byte[32]));
        Assert.Equal(expected, string.Join(',', masters.Select(key => key.Id.StartsWith("local-", StringComparison.Ordinal) ? "local-" : key.Id)));
        foreach (var master in masters.OfType<IDisposable>()) master.Dispose();
    }

    [Theory]
    [InlineData("vault:x", null, "--chunk-key: \"vault:x\" is neither local nor aws-kms:KEY.")]
    [InlineData("aws-kms:", null, "--chunk-key: \"\" is no key of KMS")]
    [InlineData("local,local", null, "--chunk-key names a key twice.")]
    [InlineData("local", "https://kms.example", "--chunk-key-endpoint and --chunk-key-region belong to --chunk-key aws-kms:KEY.")]
    [InlineData("aws-kms:a", "https://u:hidden@h", "--chunk-key: the endpoint is no http or https address")]
    public void Keys_ThatAreNone_AreSaidInOneLine(string text, string? endpoint, string expected)
    {
        var message = Assert.Throws<FormatException>(() => ChunkKeys.Parse(text, endpoint, null)).Message;
        Assert.StartsWith(expected, message, StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", message, StringComparison.Ordinal);
    }
}
