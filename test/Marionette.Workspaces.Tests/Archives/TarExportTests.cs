using System.Text;
using Marionette.Workspaces.Tests.Support;

namespace Marionette.Workspaces.Tests.Archives;

public sealed class TarExportTests
{
    [Fact]
    public async Task Export_OfEverything_IsUnpackedTheSameByTar()
    {
        using var world = new World();
        Everything(world);
        await ExportAsync(world, "", world.Temp["all.tar"]);
        world.Temp.Folder("out");
        await Packed.RunAsync("tar", "--warning=no-unknown-keyword", "--warning=no-timestamp", "--xattrs", "--xattrs-include=user.*", "-xpf", world.Temp["all.tar"], "-C", world.Temp["out"]);
        Assert.Equal(TreeState.Of(world.Tree.Path), TreeState.Of(world.Temp["out"]));
    }

    [Fact]
    public async Task Export_OfEverything_IsReadByPython()
    {
        using var world = new World();
        Everything(world);
        await ExportAsync(world, "", world.Temp["all.tar"]);
        const string Program = """
            import sys, tarfile, hashlib
            for m in tarfile.open(sys.argv[1], errors='surrogateescape'):
                name = m.name.encode('utf-8', 'surrogateescape').decode('latin-1')
                kind = 'd' if m.isdir() else 'l' if m.issym() else 'h' if m.islnk() else 'f'
                print(ascii(name), kind, '%o' % m.mode, m.size, ascii(m.linkname))
            """;
        var lines = (await Packed.RunAsync("python3", "-c", Program, world.Temp["all.tar"])).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(TreeState.Of(world.Tree.Path).Count, lines.Length);
        Assert.Contains(@"'odd\xff\xfe\n' f 600 3 ''", lines);
        Assert.Contains(lines, line => line.StartsWith($@"'long/{new string('d', 200)}/\xff{new string('n', 199)}' f ", StringComparison.Ordinal));
        Assert.Contains("'z-hard' h 644 0 'hollow/inside/hard'", lines);
        Assert.Contains($"'far' l 777 0 '{new string('t', 300)}'", lines);
    }

    [Fact]
    public async Task Export_Twice_IsTheSameBytes()
    {
        using var world = new World();
        Everything(world);
        var id = (await world.SnapshotAsync()).Id;
        var both = new List<byte[]>();
        for (var i = 0; i < 2; i++)
        {
            using var reader = await world.Store.OpenAsync(id, world.Token);
            using var target = new MemoryStream();
            await new TarExport(reader).WriteAsync("", target, world.Token);
            both.Add(target.ToArray());
        }

        Assert.Equal(both[0], both[1]);
        Assert.Equal(0, both[0].Length % TarFormat.BlockSize);
    }

    [Theory]
    [InlineData("sub/inner", "./\nfile\n")]
    [InlineData("sub/inner/file", "file\n")]
    [InlineData("/sub/link", "link\n")]
    public async Task Export_OfAPart_HasNamesBelowIt(string path, string expected)
    {
        using var world = new World();
        world.Tree.Write("sub/inner/file", "1").Write("other", "2");
        File.CreateSymbolicLink(world.Tree["sub/link"], "inner");
        await ExportAsync(world, path, world.Temp["part.tar"]);
        Assert.Equal(expected, await Packed.RunAsync("tar", "-tf", world.Temp["part.tar"]));
    }

    [Fact]
    public async Task Export_OfWhatIsNotThere_IsSaid()
    {
        using var world = new World();
        world.Tree.Write("a", "1");
        var fault = await Assert.ThrowsAsync<WorkspaceException>(() => ExportAsync(world, "none", world.Temp["none.tar"]));
        Assert.Equal(WorkspaceFault.Missing, fault.Fault);
    }

    [Fact]
    public async Task Export_AFileOfNineGiB_HasItsSize()
    {
        using var world = new World();
        using (var file = File.Create(world.Tree["huge"]))
        {
            file.SetLength(9L << 30);
            file.Position = (9L << 30) - 3;
            file.Write("end"u8);
        }

        world.Tree.Write("z", "behind");
        using var reader = await world.Store.OpenAsync((await world.SnapshotAsync()).Id, world.Token);
        using (var target = new SparseFile(world.Temp["huge.tar"]))
            await new TarExport(reader).WriteAsync("", target, world.Token);
        var lines = (await Packed.RunAsync("tar", "-tvf", world.Temp["huge.tar"])).Split('\n');
        Assert.Contains(lines, line => line.Contains($" {9L << 30} ", StringComparison.Ordinal) && line.EndsWith(" huge", StringComparison.Ordinal));
        Assert.Equal("behind", await Packed.RunAsync("tar", "-xOf", world.Temp["huge.tar"], "z"));
    }

    [Fact]
    public async Task Export_OfManySmallFiles_AsksAFarIndexAndStoreRarely()
    {
        using var world = new World();
        for (var i = 0; i < 4000; i++)
            world.Tree.Write($"{i % 20}/{i % 400}/{i}", Bytes.Text(i, 300));
        var report = await world.SnapshotAsync();
        var index = new FarIndex(world.Store.Index);
        using var reader = new SnapshotReader(world.Blobs, index, report.Root);
        var reads = 0;
        world.Blobs.Before = (op, _) =>
        {
            reads += op == "read" ? 1 : 0;
            return ValueTask.CompletedTask;
        };
        using var target = new MemoryStream();
        await new TarExport(reader).WriteAsync("", target, world.Token);
        Assert.InRange(index.Calls, 2, 40);
        Assert.InRange(reads, 2, 80);
        world.Temp.Write("many.tar", target.ToArray());
        world.Temp.Folder("out");
        await Packed.RunAsync("tar", "-xpf", world.Temp["many.tar"], "-C", world.Temp["out"]);
        Assert.Equal(TreeState.Of(world.Tree.Path), TreeState.Of(world.Temp["out"]));
    }

    [Fact]
    public async Task Export_ACollectionMovesItsChunksMeanwhile_IsWhole()
    {
        using var world = new World();
        for (var i = 0; i < 300; i++)
            world.Tree.Write($"{i}", Bytes.Random(i, 500));
        var report = await world.SnapshotAsync();
        using var reader = await world.Store.OpenAsync(report.Id, world.Token);
        using var target = new MemoryStream();
        // The index tells once of packs that are not there any more.
        var index = new FarIndex(world.Store.Index) { IsStale = true };
        using var stale = new SnapshotReader(world.Blobs, index, report.Root);
        await new TarExport(stale).WriteAsync("", target, world.Token);
        using var plain = new MemoryStream();
        await new TarExport(reader).WriteAsync("", plain, world.Token);
        Assert.Equal(plain.ToArray(), target.ToArray());
        Assert.False(index.IsStale);
    }

    [Fact]
    public async Task Export_ADamagedPack_NamesTheFile()
    {
        using var world = new World();
        world.Tree.Write("sub/bad", Bytes.Random(1, 3_000_000));
        var report = await world.SnapshotAsync();
        var pack = world.Blobs.Objects.Where(one => one.Key.StartsWith("packs/", StringComparison.Ordinal)).MaxBy(one => one.Value.Content.Length);
        pack.Value.Content[1_000_000] ^= 1;
        using var reader = await world.Store.OpenAsync(report.Id, world.Token);
        var fault = await Assert.ThrowsAsync<WorkspaceException>(() => new TarExport(reader).WriteAsync("", Stream.Null, world.Token));
        Assert.Equal(WorkspaceFault.Corrupt, fault.Fault);
        Assert.Contains("'sub/bad'", fault.Message, StringComparison.Ordinal);
    }

    internal static async Task ExportAsync(World world, string path, string file)
    {
        using var reader = await world.Store.OpenAsync((await world.SnapshotAsync()).Id, world.Token);
        await using var target = File.Create(file);
        await new TarExport(reader).WriteAsync(path, target, world.Token);
    }

    internal static void Everything(World world)
    {
        var tree = world.Tree;
        tree.Write("empty", []).Write("tiny", "hello").Write("block", Bytes.Text(1, 512)).Write("large", Bytes.Random(2, 3_000_000)).Write("-rf ..", "x").Write("ä €", "utf-8");
        tree.Write($"long/{new string('d', 200)}/file", "1").Write("deep/" + string.Join('/', Enumerable.Repeat("folder", 40)) + "/file", "2");
        tree.Write(new string('n', 100), "100").Write(new string('n', 101), "101").Folder("hollow/inside");
        TreeState.Create(tree.Path, [.. "odd"u8, 0xff, 0xfe, (byte)'\n'], "odd"u8.ToArray());
        TreeState.Create(tree[$"long/{new string('d', 200)}"], [0xff, .. Encoding.ASCII.GetBytes(new string('n', 199))], "odd"u8.ToArray());
        File.CreateSymbolicLink(tree["link"], "tiny");
        File.CreateSymbolicLink(tree["deep/up"], "../tiny");
        File.CreateSymbolicLink(tree["far"], new string('t', 300));
        TreeState.HardLink(tree["large"], tree["z-hard"]);
        TreeState.HardLink(tree["large"], tree["hollow/inside/hard"]);
        using (var sparse = File.Create(tree["sparse"]))
        {
            sparse.Position = 1_000_000;
            sparse.Write("data"u8);
            sparse.SetLength(3_000_000);
        }

        // Attributes where tar itself may set them when it is not root: on what may be written.
        TreeState.Mark(tree["tiny"], -14_182_980_123_456_789);
        File.SetUnixFileMode(tree["tiny"], UnixFileMode.UserRead);
        TreeState.Mark(tree["block"], 1_700_000_000_000_000_001, ("user.colour", "red\n=\0"u8.ToArray()), ("user.a=b%c", []));
        TreeState.Mark(tree["empty"], 1_700_000_000_000_000_000);
        TreeState.MarkLink(tree["link"], 1_600_000_000_987_654_321);
        TreeState.Mark(tree["hollow/inside"], 1_500_000_000_000_000_007);
        File.SetUnixFileMode(tree["hollow/inside"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        TreeState.Mark(tree["hollow"], 1_400_000_000_000_000_000, ("user.folder", "yes"u8.ToArray()));
    }

    /// <summary>Counts look-ups.</summary>
    private sealed class FarIndex(IChunkIndex inner) : IChunkIndex
    {
        public int Calls { get; private set; }

        public bool IsStale { get; set; }

        public async ValueTask FindAsync(ReadOnlyMemory<ChunkId> ids, Memory<ChunkLocation?> found, CancellationToken cancellationToken)
        {
            Calls++;
            await inner.FindAsync(ids, found, cancellationToken);
            for (var i = 0; IsStale && i < found.Length; i++)
                if (found.Span[i] is { Type: ChunkType.Data } place)
                    found.Span[i] = new ChunkLocation { Pack = new string('0', 64), Offset = place.Offset, StoredLength = place.StoredLength, PlainLength = place.PlainLength, Type = place.Type };
        }

        public Task AddAsync(IReadOnlyList<PackContents> packs, CancellationToken cancellationToken) => inner.AddAsync(packs, cancellationToken);

        public Task RemoveAsync(IReadOnlyCollection<string> packs, CancellationToken cancellationToken) => inner.RemoveAsync(packs, cancellationToken);

        public Task RefreshAsync(CancellationToken cancellationToken)
        {
            IsStale = false;
            return inner.RefreshAsync(cancellationToken);
        }

        public ValueTask<IReadOnlyCollection<PackContents>> ListPacksAsync(CancellationToken cancellationToken) => inner.ListPacksAsync(cancellationToken);
    }

    /// <summary>Writes only what is not zero.</summary>
    private sealed class SparseFile(string path) : FileStream(path, FileMode.CreateNew)
    {
        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (buffer.Span.ContainsAnyExcept((byte)0))
                await base.WriteAsync(buffer, cancellationToken);
            else
                Seek(buffer.Length, SeekOrigin.Current);
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing && CanWrite)
                SetLength(Position);
            base.Dispose(disposing);
        }
    }
}
