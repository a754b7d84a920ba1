using Google.Protobuf;
using Marionette.Agent.Agents;
using Marionette.Agent.Agents.Input;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.Input;

public sealed class AttachmentStoreTests : IDisposable
{
    private readonly string workspace = Directory.CreateTempSubdirectory("marionette-attachments-").FullName;

    [Theory]
    [InlineData("notes.txt", "notes.txt")]
    [InlineData("../../etc/passwd", "_.._etc_passwd")]
    [InlineData("/etc/passwd", "_etc_passwd")]
    [InlineData("..", "file")]
    [InlineData("", "file")]
    [InlineData(".bashrc", "bashrc")]
    [InlineData("a\0b\nc", "a_b_c")]
    [InlineData("Bericht für Müller.pdf", "Bericht für Müller.pdf")]
    public void Names_StayInTheFolder(string name, string expected) => Assert.Equal(expected, AttachmentStore.SafeName(name));

    [Fact]
    public void LongName_KeepsItsExtension()
    {
        var safe = AttachmentStore.SafeName(new string('ä', 500) + ".png");
        Assert.EndsWith("ä.png", safe, StringComparison.Ordinal);
        Assert.InRange(System.Text.Encoding.UTF8.GetByteCount(safe), 100, 128);
    }

    [Fact]
    public void SameName_OverwritesNothing_AndTheSameContentIsTheSameFile()
    {
        var stored = AttachmentStore.Store(workspace, "trun_1", [File("a.txt", "one"), File("a.txt", "two"), File("a.txt", "one")]);
        Assert.Equal(["a.txt", "a-2.txt", "a.txt"], stored.Select(file => Path.GetFileName(file.Path)));
        Assert.Equal("one", System.IO.File.ReadAllText(stored[0].Path));
        Assert.Equal("*\n", System.IO.File.ReadAllText(Path.Combine(workspace, ".marionette", ".gitignore")));
        Assert.Contains(stored[1].Path, AttachmentStore.Note(stored), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(".marionette")]
    [InlineData(".marionette/attachments")]
    [InlineData(".marionette/attachments/trun_1")]
    public void Link_OnTheWay_IsNotFollowed(string link)
    {
        using var elsewhere = new TemporaryFolder();
        var path = Path.Combine(workspace, link);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        Directory.CreateSymbolicLink(path, elsewhere.Path);
        var refused = Assert.Throws<AgentStartException>(() => AttachmentStore.Store(workspace, "trun_1", [File("a.txt", "one")]));
        Assert.Equal(ErrorCodes.WorkspaceUnavailable, refused.Code);
        Assert.Empty(Directory.GetFileSystemEntries(elsewhere.Path));
    }

    [Fact]
    public void Link_InThePlaceOfTheFile_IsNotWrittenThrough()
    {
        using var elsewhere = new TemporaryFolder();
        var victim = Path.Combine(elsewhere.Path, "victim");
        System.IO.File.WriteAllText(victim, "mine");
        var folder = Directory.CreateDirectory(Path.Combine(workspace, ".marionette/attachments/trun_1")).FullName;
        System.IO.File.CreateSymbolicLink(Path.Combine(folder, "a.txt"), victim);
        var stored = AttachmentStore.Store(workspace, "trun_1", [File("a.txt", "one")]);
        Assert.Equal("a-2.txt", Path.GetFileName(stored.Single().Path));
        Assert.Equal("mine", System.IO.File.ReadAllText(victim));
    }

    public void Dispose() => Directory.Delete(workspace, recursive: true);

    private static Attachment File(string name, string text) => new() { Name = name, Content = ByteString.CopyFromUtf8(text) };

    private sealed class TemporaryFolder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("marionette-elsewhere-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
