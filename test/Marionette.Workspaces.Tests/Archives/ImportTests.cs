using Marionette.Workspaces.Tests.Support;

namespace Marionette.Workspaces.Tests.Archives;

/// <summary>What is taken.</summary>
public sealed class ImportTests
{
    [Theory]
    [InlineData(ArchiveKind.Tar)]
    [InlineData(ArchiveKind.TarGzip)]
    [InlineData(ArchiveKind.TarZstd)]
    public async Task Import_OfAnExport_IsTheSameTree(ArchiveKind kind)
    {
        using var world = new World();
        TarExportTests.Everything(world);
        await TarExportTests.ExportAsync(world, "", world.Temp["all.tar"]);
        var tar = await File.ReadAllBytesAsync(world.Temp["all.tar"], world.Token);
        using var archive = new Trickle(kind switch { ArchiveKind.TarGzip => Packed.Gzip(tar), ArchiveKind.TarZstd => Packed.Zstd(tar), _ => tar });
        var report = await ArchiveImport.UnpackAsync(archive, world.Temp["out"], new ImportOptions(), world.Token);
        Assert.Equal(kind, report.Kind);
        Assert.Empty(report.Differences);
        Assert.Equal(TreeState.Of(world.Tree.Path), TreeState.Of(world.Temp["out"]));
        Assert.Equal(TreeState.Of(world.Tree.Path).Count - 1, report.Files + report.Directories + report.Links);
    }

    [Theory]
    [InlineData("--format=gnu")]
    [InlineData("--format=ustar")]
    [InlineData("--format=pax")]
    [InlineData("--format=v7")]
    [InlineData("--format=gnu", "-z")]
    [InlineData("--format=pax", "--zstd")]
    public async Task Import_OfWhatTarPacked_IsTheSameTree(params string[] format)
    {
        using var world = new World();
        // Names that the poorest of the formats can hold, times in whole seconds.
        world.Tree.Write("a/b/file", Bytes.Text(1, 70_000)).Write("a/small", "x").Folder("hollow");
        if (format is not ["--format=v7"])
            world.Tree.Write($"{new string('d', 90)}/{new string('n', 90)}", "long").Write($"{new string('n', format[0] == "--format=ustar" ? 99 : 180)}", "longer");
        File.CreateSymbolicLink(world.Tree["a/link"], "../hollow");
        TreeState.HardLink(world.Tree["a/small"], world.Tree["hard"]);
        Settle(world.Tree.Path);
        await Packed.RunAsync("tar", ["-C", world.Tree.Path, .. format, "-cf", world.Temp["packed"], "."]);
        await using var archive = File.OpenRead(world.Temp["packed"]);
        await ArchiveImport.UnpackAsync(archive, world.Temp["out"], new ImportOptions(), world.Token);
        Assert.Equal(TreeState.Of(world.Tree.Path), TreeState.Of(world.Temp["out"]));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Import_OfWhatZipPacked_IsTheSameTree(bool seeks)
    {
        using var world = new World();
        world.Tree.Write("a/b/file", Bytes.Text(1, 300_000)).Write("a/raw", Bytes.Random(1, 100_000)).Write("empty", []).Write("ä€", "utf-8").Folder("hollow");
        File.CreateSymbolicLink(world.Tree["a/link"], "b/file");
        File.SetUnixFileMode(world.Tree["a/raw"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Settle(world.Tree.Path);
        await Packed.RunAsync("sh", "-c", $"cd '{world.Tree.Path}' && zip -q -r -y '{world.Temp["packed.zip"]}' .");
        using var archive = seeks ? new MemoryStream(await File.ReadAllBytesAsync(world.Temp["packed.zip"], world.Token)) : new Trickle(await File.ReadAllBytesAsync(world.Temp["packed.zip"], world.Token));
        var spool = world.Temp.Folder("spool");
        var report = await ArchiveImport.UnpackAsync(archive, world.Temp["out"], new ImportOptions { SpoolFolder = spool }, world.Token);
        Assert.Equal(ArchiveKind.Zip, report.Kind);
        Assert.Empty(Directory.GetFileSystemEntries(spool));
        // A zip has no entry for the folder itself, and no time for links.
        Assert.Equal(Lines(world.Tree.Path), Lines(world.Temp["out"]));

        static IEnumerable<string> Lines(string folder) => TreeState.Of(folder).Skip(1).Select(line => line.Contains("->", StringComparison.Ordinal) ? line[..line.LastIndexOf(' ')] : line);
    }

    [Fact]
    public async Task Import_OfWhatPythonZipped_IsTheSameContent()
    {
        using var world = new World();
        const string Program = """
            import sys, zipfile
            class Out:
                def __init__(self): self.b = open(sys.argv[1], 'wb')
                def write(self, x): return self.b.write(x)
                def flush(self): self.b.flush()
            with zipfile.ZipFile(Out(), 'w', zipfile.ZIP_DEFLATED) as z:
                with z.open('later', 'w', force_zip64=True) as f: f.write(b'l' * 100000)
                z.writestr('dir/stored', 'content', zipfile.ZIP_STORED)
            """;
        await Packed.RunAsync("python3", "-c", Program, world.Temp["packed.zip"]);
        await using var archive = File.OpenRead(world.Temp["packed.zip"]);
        await ArchiveImport.UnpackAsync(archive, world.Temp["out"], new ImportOptions(), world.Token);
        Assert.Equal(new string('l', 100_000), await File.ReadAllTextAsync(world.Temp["out/later"], world.Token));
        Assert.Equal("content", await File.ReadAllTextAsync(world.Temp["out/dir/stored"], world.Token));
    }

    [Fact]
    public async Task Import_WithComponentsTakenOff_LeavesOutWhatHasNoMore()
    {
        using var world = new World();
        var tar = new TarMaker().Folder("top/").File("readme").File("top/a", "1").File("top/sub/b", "2").Link("top/sub/l", "../a").HardLink("top/c", "top/a").End();
        var report = await ArchiveImport.UnpackAsync(new MemoryStream(tar), world.Temp["out"], new ImportOptions { StripComponents = 1 }, world.Token);
        Assert.Equal((2, 3, 1, 1), (report.LeftOut, report.Files, report.Directories, report.Links));
        Assert.Equal(["a", "c", "sub"], Directory.GetFileSystemEntries(world.Temp["out"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal("1", await File.ReadAllTextAsync(world.Temp["out/sub/l"], world.Token));
        await Assert.ThrowsAsync<WorkspaceException>(() => ArchiveImport.UnpackAsync(
            new MemoryStream(new TarMaker().File("top/a").Link("top/l", "../a").End()), world.Temp["out2"], new ImportOptions { StripComponents = 1 }, world.Token));
    }

    [Fact]
    public async Task Import_SetIdBits_AreDroppedAndSaid()
    {
        using var world = new World();
        var tar = new TarMaker().Folder("d/", 0x7fd).File("suid", mode: 0x9ed).End();
        var report = await ArchiveImport.UnpackAsync(new MemoryStream(tar), world.Temp["out"], new ImportOptions(), world.Token);
        Assert.Equal(["d/", "suid"], report.Differences.Select(one => one.Path).Order(StringComparer.Ordinal));
        Assert.Equal((UnixFileMode)0x1ed, File.GetUnixFileMode(world.Temp["out/suid"]));
        Assert.Equal((UnixFileMode)0x3fd, File.GetUnixFileMode(world.Temp["out/d"]));
    }

    [Fact]
    public async Task Import_AnOwner_IsWhoUnpacks()
    {
        using var world = new World();
        var tar = new TarMaker().Entry('0', "a", spoil: block => "0001750\0"u8.CopyTo(block.AsSpan(108))).End();
        await ArchiveImport.UnpackAsync(new MemoryStream(tar), world.Temp["out"], new ImportOptions(), world.Token);
        EntryStat.Read(Libc.AtCwd, Files.Terminated(world.Temp["out/a"]), 0, out var unpacked);
        EntryStat.Read(Libc.AtCwd, Files.Terminated(world.Temp["out"]), 0, out var own);
        Assert.Equal(own.User, unpacked.User);
    }

    [Fact]
    public async Task Import_TheSameNameTwiceInATar_KeepsTheLast()
    {
        using var world = new World();
        var tar = new TarMaker().File("a", "first").HardLink("b", "a").File("a", "second").Link("l", "a").Link("l", "b").Folder("d/").Folder("d/", 0x1c0).End();
        await ArchiveImport.UnpackAsync(new MemoryStream(tar), world.Temp["out"], new ImportOptions(), world.Token);
        Assert.Equal("second", await File.ReadAllTextAsync(world.Temp["out/a"], world.Token));
        Assert.Equal("first", await File.ReadAllTextAsync(world.Temp["out/b"], world.Token));
        Assert.Equal("b", new FileInfo(world.Temp["out/l"]).LinkTarget);
        Assert.Equal((UnixFileMode)0x1c0, File.GetUnixFileMode(world.Temp["out/d"]));
    }

    [Fact]
    public async Task Import_LinksOut_AreKeptWhenAskedForAndNeverFollowed()
    {
        using var world = new World();
        world.Temp.Write("outside/keep", "mine");
        var options = new ImportOptions { KeepOutwardLinks = true };
        await ArchiveImport.UnpackAsync(new MemoryStream(new TarMaker().Link("out", world.Temp["outside"]).Link("up", "../../x").End()), world.Temp["one"], options, world.Token);
        Assert.Equal(world.Temp["outside"], new FileInfo(world.Temp["one/out"]).LinkTarget);
        var fault = await Assert.ThrowsAsync<WorkspaceException>(() => ArchiveImport.UnpackAsync(
            new MemoryStream(new TarMaker().Link("out", world.Temp["outside"]).File("out/new").End()), world.Temp["two"], options, world.Token));
        Assert.Equal(WorkspaceFault.Invalid, fault.Fault);
        Assert.Equal(["keep"], Directory.GetFileSystemEntries(world.Temp["outside"]).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Import_AGlobalHeaderOfGit_IsTaken()
    {
        using var world = new World();
        var tar = new TarMaker().Pax('g', ("comment", new string('0', 40))).File("a", "1").Pax('x', ("path", "b"), ("mtime", "1700000000.000000009")).File("ignored", "2").End();
        await ArchiveImport.UnpackAsync(new MemoryStream(tar), world.Temp["out"], new ImportOptions(), world.Token);
        Assert.Equal("2", await File.ReadAllTextAsync(world.Temp["out/b"], world.Token));
        EntryStat.Read(Libc.AtCwd, Files.Terminated(world.Temp["out/b"]), 0, out var stat);
        Assert.Equal(1_700_000_000_000_000_009, stat.Modified);
    }

    [Fact]
    public async Task Import_IntoAFullFolder_IsRefusedAndTouchesNothing()
    {
        using var world = new World();
        world.Temp.Write("full/a", "mine");
        var fault = await Assert.ThrowsAsync<WorkspaceException>(() => ArchiveImport.UnpackAsync(new MemoryStream(new TarMaker().File("a").End()), world.Temp["full"], new ImportOptions(), world.Token));
        Assert.Equal(WorkspaceFault.Invalid, fault.Fault);
        Assert.Equal("mine", await File.ReadAllTextAsync(world.Temp["full/a"], world.Token));
    }

    [Fact]
    public async Task Import_Cancelled_LeavesNothing()
    {
        using var world = new World();
        using var stop = new CancellationTokenSource();
        using var archive = new Stopping(new TarMaker().File("a").File("b", new string('b', 500_000)).End(), stop);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ArchiveImport.UnpackAsync(archive, world.Temp["out"], new ImportOptions(), stop.Token));
        Assert.Empty(Directory.GetFileSystemEntries(world.Temp["out"]));
    }

    [Fact]
    public async Task Import_TheStreamFails_IsIoAndLeavesNothing()
    {
        using var world = new World();
        using var archive = new Failing(Packed.Gzip(new TarMaker().File("a").Entry('0', "b", content: Bytes.Random(1, 512 * 1000)).End()));
        var fault = await Assert.ThrowsAsync<WorkspaceException>(() => ArchiveImport.UnpackAsync(archive, world.Temp["out"], new ImportOptions(), world.Token));
        Assert.Equal(WorkspaceFault.Io, fault.Fault);
        Assert.Empty(Directory.GetFileSystemEntries(world.Temp["out"]));
    }

    /// <summary>Whole seconds that a zip can hold too.</summary>
    private static void Settle(string folder)
    {
        foreach (var path in Directory.EnumerateFileSystemEntries(folder, "*", SearchOption.AllDirectories).OrderByDescending(path => path, StringComparer.Ordinal))
            TreeState.MarkLink(path, 1_700_000_002_000_000_000);
        TreeState.MarkLink(folder, 1_700_000_002_000_000_000);
    }

    private sealed class Stopping(byte[] content, CancellationTokenSource stop) : MemoryStream(content)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (Position > 100_000)
                stop.Cancel();
            return base.ReadAsync(buffer, cancellationToken);
        }
    }

    private sealed class Failing(byte[] content) : MemoryStream(content)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            Position > 50_000 ? throw new IOException("the network is gone") : base.ReadAsync(buffer[..Math.Min(buffer.Length, 4096)], cancellationToken);
    }
}
