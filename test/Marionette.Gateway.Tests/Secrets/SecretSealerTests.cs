using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using FsCheck.Xunit;
using Marionette.Gateway.Secrets;
using Marionette.Sessions;
using Marionette.TestSupport;
using SessionSecrets = Marionette.Gateway.Secrets.SessionSecrets;

namespace Marionette.Gateway.Tests.Secrets;

public sealed class SecretSealerTests
{
    private const string Canary = "sk-ant-canary-4711";
    private static readonly MasterKey Key = new(RandomNumberGenerator.GetBytes(32));
    private static readonly SecretSealer Sealer = new(Key);
    private static readonly SessionSecrets Secrets = new(Canary, ImmutableDictionary<string, string>.Empty.Add("A", "b"));

    [Property]
    public void AnySecrets_ThereAndBack_AreTheSame(FsCheck.NonNull<string> apiKey, FsCheck.NonNull<string> value)
    {
        var opened = Sealer.Open("acme", "sess_1", Sealer.Seal("acme", "sess_1", new(Pure(apiKey.Item), Secrets.Env!.Add("B", Pure(value.Item)))));
        Assert.Equal(Pure(apiKey.Item), opened.ApiKey);
        Assert.Equal(Pure(value.Item), opened.Env!["B"]);
        // Lone surrogates are no text and do not get this far: the request is refused.
        static string Pure(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
    }

    [Theory]
    [InlineData("other", "sess_1", SecretSealer.SessionPurpose)]
    [InlineData("acme", "sess_2", SecretSealer.SessionPurpose)]
    [InlineData("acme", "sess_1", "other")]
    public void Box_OfAnotherPlace_DoesNotOpen(string tenant, string session, string purpose)
    {
        var box = Sealer.Seal("acme", "sess_1", Secrets);
        Assert.ThrowsAny<CryptographicException>(() => Sealer.Open(tenant, session, box, purpose));
    }

    [Fact]
    public void Box_AnyByteChanged_DoesNotOpen()
    {
        var box = Sealer.Seal("acme", "sess_1", Secrets);
        for (var i = 0; i < box.Box.Length; i++)
        {
            var damaged = box.Box.ToArray();
            damaged[i] ^= 1;
            Assert.ThrowsAny<CryptographicException>(() => Sealer.Open("acme", "sess_1", new SealedSecrets(box.KeyId, damaged)));
        }
        Assert.ThrowsAny<CryptographicException>(() => Sealer.Open("acme", "sess_1", new SealedSecrets(box.KeyId, box.Box[..20])));
    }

    [Fact]
    public void Box_UnderAnotherKey_IsNamed()
    {
        var other = new SecretSealer(new MasterKey(RandomNumberGenerator.GetBytes(32)));
        var error = Assert.ThrowsAny<CryptographicException>(() => other.Open("acme", "sess_1", Sealer.Seal("acme", "sess_1", Secrets)));
        Assert.Contains(Key.Id, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Secrets_NoText_ShowsThem()
    {
        var box = Sealer.Seal("acme", "sess_1", Secrets);
        Assert.DoesNotContain(Canary, $"{Secrets} {box} {Key} {Encoding.UTF8.GetString(box.Box)}", StringComparison.Ordinal);
        Assert.NotEqual(box.Box, Sealer.Seal("acme", "sess_1", Secrets).Box);
    }

    [Fact]
    public void MasterKey_File_IsMadeOnceAndForItsOwnerAlone()
    {
        for (var round = 0; round < 50; round++)
        {
            var folder = TestFolder.Create();
            var keys = new MasterKey[8];
            using (var together = new Barrier(keys.Length))
            {
                var starts = keys.Select((_, i) => new Thread(() =>
                {
                    together.SignalAndWait();
                    keys[i] = MasterKey.LoadOrCreate(folder);
                })).ToList();
                starts.ForEach(start => start.Start());
                starts.ForEach(start => start.Join());
            }
            Assert.Single(keys.Select(key => key.Id).Distinct());
            var file = Path.Combine(folder, "secrets", "master.key");
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
            Assert.Equal([file], Directory.GetFiles(Path.Combine(folder, "secrets")));
        }
    }

    [Fact]
    public void MasterKey_Given_GoesBeforeTheFile()
    {
        var bytes = RandomNumberGenerator.GetBytes(32);
        var folder = TestFolder.Create();
        Assert.Equal(new MasterKey(bytes).Id, MasterKey.LoadOrCreate(folder, Convert.ToBase64String(bytes)).Id);
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }

    [Theory]
    [InlineData("not base64!")]
    [InlineData("AAAA")]
    public void MasterKey_Malformed_IsRefusedWithoutBeingShown(string text)
    {
        var error = Assert.Throws<InvalidOperationException>(() => MasterKey.LoadOrCreate(TestFolder.Create(), text));
        Assert.DoesNotContain(text, error.Message, StringComparison.Ordinal);
    }
}
