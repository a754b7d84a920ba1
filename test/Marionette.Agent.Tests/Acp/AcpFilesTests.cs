using Marionette.Agent.Agents.Acp;

namespace Marionette.Agent.Tests.Acp;

public sealed class AcpFilesTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("marionette-acp-files-").FullName;
    private readonly AcpFiles files;

    public AcpFilesTests()
    {
        Directory.CreateDirectory(Path.Combine(root, "workspace"));
        Directory.CreateDirectory(Path.Combine(root, "home"));
        File.WriteAllText(Path.Combine(root, "secret"), "secret");
        files = new AcpFiles(Path.Combine(root, "workspace"), Path.Combine(root, "home"));
    }

    public void Dispose() => Directory.Delete(root, recursive: true);

    [Theory]
    [InlineData(0, 0, "1\n2\n3\n")]
    [InlineData(2, 0, "2\n3\n")]
    [InlineData(2, 1, "2\n")]
    [InlineData(1, 2, "1\n2\n")]
    [InlineData(3, 9, "3\n")]
    [InlineData(9, 1, "")]
    public void Read_TakesTheLinesThatAreAskedFor(long line, long limit, string expected)
    {
        files.Write(At("workspace/a/b.txt"), "1\n2\n3\n");
        Assert.Equal(expected, files.Read(At("workspace/a/b.txt"), line, limit));
    }

    [Theory]
    [InlineData("secret")]
    [InlineData("workspace/../secret")]
    [InlineData("workspace-of-another/a")]
    [InlineData("workspace/link-to-file")]
    [InlineData("workspace/link-to-folder/secret")]
    public void Path_OutsideOfWorkspaceAndHome_IsRefused(string path)
    {
        File.CreateSymbolicLink(At("workspace/link-to-file"), At("secret"));
        Directory.CreateSymbolicLink(At("workspace/link-to-folder"), root);
        Assert.Throws<IOException>(() => files.Read(At(path), 0, 0));
        Assert.Throws<IOException>(() => files.Write(At(path), "changed"));
        Assert.Equal("secret", File.ReadAllText(At("secret")));
    }

    [Fact]
    public void Path_ThatIsRelative_IsRefused() => Assert.Throws<IOException>(() => files.Read("a.txt", 0, 0));

    [Fact]
    public void Path_WithALinkThatStaysInside_IsTaken()
    {
        files.Write(At("workspace/real.txt"), "inside");
        File.CreateSymbolicLink(At("workspace/link"), At("workspace/real.txt"));
        Assert.Equal("inside", files.Read(At("workspace/link"), 0, 0));
        files.Write(At("home/.config/x"), "mine");
        Assert.Equal("mine", files.Read(At("home/.config/x"), 0, 0));
    }

    private string At(string path) => Path.Combine(root, path);
}
