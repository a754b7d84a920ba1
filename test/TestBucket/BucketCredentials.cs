namespace Marionette.TestBucket;

/// <summary>What both servers let in: s3rver knows no others.</summary>
public static class BucketCredentials
{
    public const string AccessKey = "S3RVER", SecretKey = "S3RVER";

    /// <summary>As an operator gives them to a server.</summary>
    public static IReadOnlyDictionary<string, string> Variables { get; } = new Dictionary<string, string>
    {
        ["AWS_ACCESS_KEY_ID"] = AccessKey, ["AWS_SECRET_ACCESS_KEY"] = SecretKey,
    };

    /// <summary>For stores in this process; all tests set the same.</summary>
    public static void Use()
    {
        foreach (var (name, value) in Variables) Environment.SetEnvironmentVariable(name, value);
    }
}
