using Marionette.TestBucket;
using Marionette.Workspaces.Kms;
using Marionette.Workspaces.Tests.Support;

namespace Marionette.Workspaces.Tests;

/// <summary>Tenants' keys under a key service's key: against a strict stand-in of AWS KMS, not against the real service.</summary>
public sealed class KmsTests : IAsyncLifetime
{
    private readonly MemoryBlobStore blobs = new(TimeProvider.System);
    private readonly LocalMasterKey local = new(Bytes.Random(1, 32));
    private StrictKeyService service = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        BucketCredentials.Use();
        service = await StrictKeyService.StartAsync();
    }

    public ValueTask DisposeAsync() => service.DisposeAsync();

    [Fact]
    public async Task TenantsKeys_AreWrappedByTheService_AndBoundToTheTenant()
    {
        using var key = Open(StrictKeyService.Key);
        await key.ProbeAsync(Token);
        var made = await Ring(key).OpenOrCreateAsync(Token);
        Assert.Equal(made.Current.ConvergenceBytes.ToArray(), (await Ring(key).OpenAsync(Token)).Current.ConvergenceBytes.ToArray());
        Assert.Contains(("TrentService.Decrypt", "marionette=marionette.workspace.v1 tenant keys 1 acme"), service.Calls);
        var other = await Assert.ThrowsAsync<WorkspaceException>(() => new KeyRing(blobs, "other", [key]).OpenAsync(Token));
        Assert.Equal(WorkspaceFault.WrongKey, other.Fault);
    }

    [Fact]
    public async Task Rewrap_FromTheMasterKeyToTheService_AndOnToAnotherKey()
    {
        using var first = Open(StrictKeyService.Key);
        using var second = Open(StrictKeyService.OtherKey);
        var made = await Ring(local).OpenOrCreateAsync(Token);
        foreach (var masters in new IMasterKey[][] { [first, local], [second, first, local] })
        {
            Assert.True(await Ring(masters).RewrapWhereNeededAsync(Token));
            Assert.False(await Ring(masters).RewrapWhereNeededAsync(Token));
            Assert.Equal(made.Current.ConvergenceBytes.ToArray(), (await Ring(masters[0]).OpenAsync(Token)).Current.ConvergenceBytes.ToArray());
        }

        Assert.Equal(WorkspaceFault.WrongKey, (await Assert.ThrowsAsync<WorkspaceException>(() => Ring(first, local).OpenAsync(Token))).Fault);
    }

    [Fact]
    public async Task ABitFlippedAnywhere_IsFound()
    {
        using var key = Open(StrictKeyService.Key);
        await Ring(key).OpenOrCreateAsync(Token);
        var (name, value) = Assert.Single(blobs.Objects);
        for (var i = 0; i < value.Content.Length; i++)
        {
            var changed = value.Content.ToArray();
            changed[i] ^= 4;
            blobs.Objects[name] = (changed, value.Written);
            await Assert.ThrowsAsync<WorkspaceException>(() => Ring(key).OpenAsync(Token));
        }
    }

    [Fact]
    public async Task Rewrap_ThatBrokeOff_IsFinishedByTheNext()
    {
        using var key = Open(StrictKeyService.Key);
        await Ring(local).OpenOrCreateAsync(Token);
        var (name, old) = Assert.Single(blobs.Objects);
        Assert.True(await Ring(key, local).RewrapWhereNeededAsync(Token));
        // As if it had ended between the put of the new and the deletion of the old.
        blobs.Objects[name] = old;
        Assert.False(await Ring(key, local).RewrapWhereNeededAsync(Token));
        Assert.DoesNotContain(name, blobs.Objects.Keys);
        await Ring(key).OpenAsync(Token);
    }

    [Fact]
    public async Task LineThatBreaks_IsTriedAgain()
    {
        using var key = Open(StrictKeyService.Key);
        service.Cuts = 2;
        await key.ProbeAsync(Token);
    }

    [Fact]
    public async Task Refusals_NameTheKeyAndTheReason_AndNoSecret()
    {
        using var key = Open(StrictKeyService.Key);
        using var unknown = Open("none");
        var missing = await Assert.ThrowsAsync<WorkspaceException>(() => unknown.ProbeAsync(Token));
        service.IsDisabled = true;
        var refused = await Assert.ThrowsAsync<WorkspaceException>(() => key.ProbeAsync(Token));
        await service.DisposeAsync();
        var away = await Assert.ThrowsAsync<WorkspaceException>(() => key.ProbeAsync(Token));
        Assert.Equal("aws-kms:none: refused with 400 NotFoundException; docs/guides/keys.md says which rights it needs.", missing.Message);
        Assert.Equal($"aws-kms:{StrictKeyService.Key}: refused with 400 DisabledException; docs/guides/keys.md says which rights it needs.", refused.Message);
        Assert.Contains("does not answer", away.Message, StringComparison.Ordinal);
        Assert.All([missing, refused, away], fault => Assert.Equal(WorkspaceFault.Io, fault.Fault));
        Assert.DoesNotContain("SECRET", missing.ToString() + refused + away, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TooManyGenerations_AreRefused_BeforeTheServiceIsAsked()
    {
        using var key = Open(StrictKeyService.Key);
        Assert.Equal(WorkspaceFault.Invalid, (await Assert.ThrowsAsync<WorkspaceException>(async () => await key.WrapAsync(new byte[4097], default, Token))).Fault);
        Assert.Empty(service.Calls);
    }

    [Theory]
    [InlineData("aws-kms:", null, null, "\"\" is no key of KMS")]
    [InlineData("aws-kms:a b", null, null, "\"a b\" is no key of KMS")]
    [InlineData("aws-kms:alias/x", null, null, "\"alias/x\" is an alias")]
    [InlineData("aws-kms:arn:aws:kms:eu-x:111122223333:alias/x", null, null, "\"arn:aws:kms:eu-x:111122223333:alias/x\" is an alias")]
    [InlineData("aws-kms:x", "ftp://h", null, "the endpoint is no http or https address")]
    [InlineData("aws-kms:x", "https://u:p@h", null, "the endpoint is no http or https address")]
    [InlineData("aws-kms:x", "https://h/path", null, "the endpoint is no http or https address")]
    [InlineData("aws-kms:x", null, "Europe", "\"Europe\" is no region")]
    public void Key_ThatIsNone_IsSaidInOneLine(string text, string? endpoint, string? region, string expected)
    {
        var message = Assert.Throws<FormatException>(() => KmsKey.Parse(text, endpoint, region)).Message;
        Assert.StartsWith(expected, message, StringComparison.Ordinal);
        Assert.DoesNotContain("u:p", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Key_TakesItsRegionFromItsArn()
    {
        Assert.Equal("eu-central-1", KmsKey.Parse($"aws-kms:{StrictKeyService.Key}").Region);
        Assert.Equal("us-west-2", KmsKey.Parse($"aws-kms:{StrictKeyService.Key}", null, "us-west-2").Region);
        Assert.Null(KmsKey.Parse("aws-kms:x").Region);
    }

    private KmsMasterKey Open(string key) => new(KmsKey.Parse($"aws-kms:{key}", service.Endpoint.ToString()));

    private KeyRing Ring(params IMasterKey[] masters) => new(blobs, "acme", masters);
}
