using System.Text;
using Marionette.EndToEnd.Tests.Support;
using Marionette.TestBucket;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>Tenants' keys under a key service's key, with the shipped server: against a strict stand-in of AWS KMS.</summary>
public sealed class KeyServiceTests : CheckpointTest, IAsyncDisposable
{
    private Stack? stack;

    private protected override Stack Stack => stack!;

    public async ValueTask DisposeAsync()
    {
        if (stack is not null) await stack.DisposeAsync();
    }

    [Fact]
    public async Task FilesComeBack_WithKeysThatTheServiceWraps_AndNotWhileItRefuses()
    {
        await using var service = await StrictKeyService.StartAsync();
        stack = await Stack.StartAsync(environment: BucketCredentials.Variables);
        var session = await CreateAsync();
        await RunAsync(session, "printf kept > a.txt && printf seen > $HOME/note");
        await SuspendAsync(session);
        Assert.StartsWith("local-", await WrappedByAsync(), StringComparison.Ordinal);

        await stack.Server.KillAsync();
        stack.Arguments = ["--chunk-key", $"aws-kms:{StrictKeyService.Key}", "--chunk-key-endpoint", service.Endpoint.ToString()];
        await stack.StartServerAsync();
        foreach (var rewrapped in new[] { 1, 0 })
        {
            var report = await Api.PostAsync("/api/v1/storage/rewrap", new { });
            Assert.Equal(
                ($"aws-kms:{StrictKeyService.Key}", rewrapped, 0),
                (report.Text("key"), report.GetProperty("rewrapped").GetInt32(), report.GetProperty("failed").GetArrayLength()));
            Assert.Equal($"aws-kms:{StrictKeyService.Key}", await WrappedByAsync());
        }

        // Another process knows nothing: it asks the service.
        await stack.Server.KillAsync();
        await stack.StartServerAsync();
        Directory.Delete(await FolderAsync(session), recursive: true);
        Assert.Equal("kept", await RunAsync(session, "cat a.txt"));

        await stack.Server.KillAsync();
        service.IsDisabled = true;
        var refused = await Assert.ThrowsAsync<InvalidOperationException>(stack.StartServerAsync);
        Assert.Contains($"--chunk-key: aws-kms:{StrictKeyService.Key}: refused with 400 DisabledException", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("SECRET", refused.Message, StringComparison.Ordinal);
    }

    /// <summary>Name of the key in the tenant's one envelope: length and text behind a header of 8 bytes.</summary>
    private async Task<string> WrappedByAsync()
    {
        var files = Directory.GetFiles(Path.Combine(stack!.DataDirectory, "chunks"), "*", SearchOption.AllDirectories);
        var envelope = await File.ReadAllBytesAsync(Assert.Single(files, path => path.Contains("/keys/", StringComparison.Ordinal)));
        return Encoding.UTF8.GetString(envelope, 12, BitConverter.ToInt32(envelope, 8));
    }
}
