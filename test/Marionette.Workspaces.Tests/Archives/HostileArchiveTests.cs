using Marionette.Workspaces.Tests.Support;

namespace Marionette.Workspaces.Tests.Archives;

/// <summary>What is refused: the entry is named, the folder is empty afterwards, and nothing outside was touched.</summary>
public sealed class HostileArchiveTests
{
    private static readonly ImportOptions Tight = new() { MaxEntries = 50, MaxBytes = 200_000_000, MaxFileBytes = 100_000_000, MaxDepth = 10, MaxArchiveBytes = 1_000_000 };

    private static readonly Dictionary<string, (WorkspaceFault Fault, string Says, Func<byte[]> Make)> Tars = new()
    {
        ["absolute"] = (WorkspaceFault.Invalid, "'/etc/x' is refused: its name is absolute", () => new TarMaker().File("/etc/x").End()),
        ["dots"] = (WorkspaceFault.Invalid, "'a/../../x' is refused", () => new TarMaker().File("a/../../x").End()),
        ["dots inside"] = (WorkspaceFault.Invalid, "has '..'", () => new TarMaker().Folder("a/").File("a/../x").End()),
        ["dots by a record"] = (WorkspaceFault.Invalid, "'../x'", () => new TarMaker().Pax('x', ("path", "../x")).File("fine").End()),
        ["dots by a record for all"] = (WorkspaceFault.Invalid, "'../x'", () => new TarMaker().Pax('g', ("path", "../x")).File("fine").End()),
        ["dots by a long name"] = (WorkspaceFault.Invalid, "'../x'", () => new TarMaker().Entry('L', "././@LongLink", content: "../x\0"u8.ToArray()).File("fine").End()),
        ["dots by a prefix"] = (WorkspaceFault.Invalid, "'../x'", () => new TarMaker().Entry('0', "x", spoil: block => "..\0"u8.CopyTo(block.AsSpan(345))).End()),
        ["only dots"] = (WorkspaceFault.Invalid, "has '..'", () => new TarMaker().Folder("../").End()),
        ["no name"] = (WorkspaceFault.Invalid, "no name", () => new TarMaker().File("").End()),
        ["zero in a record's name"] = (WorkspaceFault.Invalid, "zero byte", () => new TarMaker().Pax('x', ("path", "a\0b")).File("fine").End()),
        ["zero in a long name"] = (WorkspaceFault.Invalid, "zero byte", () => new TarMaker().Entry('L', "L", content: "a\0b\0"u8.ToArray()).File("fine").End()),
        ["long part"] = (WorkspaceFault.Limit, "256 bytes", () => new TarMaker().Pax('x', ("path", new string('n', 256))).File("fine").End()),
        ["long path"] = (WorkspaceFault.Limit, "4097 bytes", () => new TarMaker().Pax('x', ("path", string.Concat(Enumerable.Repeat("a/", 2048)) + "b")).File("fine").End()),
        ["file as the folder itself"] = (WorkspaceFault.Invalid, "the folder itself", () => new TarMaker().File("./.").End()),
        ["link out"] = (WorkspaceFault.Invalid, "'l' is refused: the link leads out", () => new TarMaker().Link("l", "../x").End()),
        ["link absolute"] = (WorkspaceFault.Invalid, "leads out", () => new TarMaker().Link("l", "/etc/passwd").End()),
        ["link out from below"] = (WorkspaceFault.Invalid, "leads out", () => new TarMaker().Link("a/b/l", "../../../x").End()),
        ["link down and up"] = (WorkspaceFault.Invalid, "'..' after a name", () => new TarMaker().Link("a/b/c", "../..").Link("l", "a/b/c/../x").End()),
        ["link without a target"] = (WorkspaceFault.Invalid, "proper target", () => new TarMaker().Link("l", "").End()),
        ["link with a zero"] = (WorkspaceFault.Invalid, "proper target", () => new TarMaker().Pax('x', ("linkpath", "a\0b")).Link("l", "a").End()),
        ["link with a long target"] = (WorkspaceFault.Limit, "target", () => new TarMaker().Pax('x', ("linkpath", new string('t', 4096))).Link("l", "a").End()),
        ["link with content"] = (WorkspaceFault.Invalid, "link with content", () => new TarMaker().Entry('2', "l", "a", new byte[10]).End()),
        ["through a link"] = (WorkspaceFault.Invalid, "behind the link 'l'", () => new TarMaker().Folder("d/").Link("l", "d").File("l/x").End()),
        ["through a chain of links"] = (WorkspaceFault.Invalid, "behind the link", () => new TarMaker().Folder("a/b/c/").Link("l", "a/b/c").Link("m", "l").File("m/x").End()),
        ["folder over a link"] = (WorkspaceFault.Invalid, "there already, as a link", () => new TarMaker().Folder("d/").Link("l", "d").Folder("l/").End()),
        ["file over a link"] = (WorkspaceFault.Invalid, "there already, as a link", () => new TarMaker().Link("l", "x").File("l").End()),
        ["link over a folder"] = (WorkspaceFault.Invalid, "there already, as a folder", () => new TarMaker().File("d/x").Link("d", ".").End()),
        ["link over a file"] = (WorkspaceFault.Invalid, "there already, as a file", () => new TarMaker().File("f").Link("f", ".").End()),
        ["file over a folder"] = (WorkspaceFault.Invalid, "there already, as a folder", () => new TarMaker().Folder("d/").File("d").End()),
        ["folder over a file"] = (WorkspaceFault.Invalid, "there already, as a file", () => new TarMaker().File("f").Folder("f/").End()),
        ["file below a file"] = (WorkspaceFault.Invalid, "'f' on its way is a file", () => new TarMaker().File("f").File("f/x").End()),
        ["hard link out"] = (WorkspaceFault.Invalid, "'../outside/keep'", () => new TarMaker().HardLink("h", "../outside/keep").End()),
        ["hard link absolute"] = (WorkspaceFault.Invalid, "'/etc/passwd'", () => new TarMaker().HardLink("h", "/etc/passwd").End()),
        ["hard link to what comes later"] = (WorkspaceFault.Invalid, "'h' is refused", () => new TarMaker().HardLink("h", "later").File("later").End()),
        ["hard link to a link"] = (WorkspaceFault.Invalid, "itself a link", () => new TarMaker().Link("a/b/l", "../../x").HardLink("h", "a/b/l").End()),
        ["hard link through a link"] = (WorkspaceFault.Invalid, "behind a link", () => new TarMaker().File("d/f").Link("l", "d").HardLink("h", "l/f").End()),
        ["hard link to a folder"] = (WorkspaceFault.Invalid, "'h' is refused", () => new TarMaker().Folder("d/").HardLink("h", "d").End()),
        ["hard link to itself"] = (WorkspaceFault.Invalid, "itself", () => new TarMaker().File("f").HardLink("f", "./f").End()),
        ["character device"] = (WorkspaceFault.Invalid, "'dev' is refused: it is a device", () => new TarMaker().Entry('3', "dev").End()),
        ["block device"] = (WorkspaceFault.Invalid, "device", () => new TarMaker().Entry('4', "dev").End()),
        ["pipe"] = (WorkspaceFault.Invalid, "pipe", () => new TarMaker().Entry('6', "p").End()),
        ["unknown kind"] = (WorkspaceFault.Invalid, "'Q'", () => new TarMaker().Entry('Q', "q").End()),
        ["sparse of GNU"] = (WorkspaceFault.Invalid, "sparse", () => new TarMaker().Entry('S', "s", spoil: block => "ustar  \0"u8.CopyTo(block.AsSpan(257))).End()),
        ["sparse by records"] = (WorkspaceFault.Invalid, "sparse", () => new TarMaker().Pax('x', ("GNU.sparse.major", "1")).File("s").End()),
        ["many entries"] = (WorkspaceFault.Limit, "more than 50 entries", () => Many(51, (tar, i) => tar.File($"{i}"))),
        ["many long headers"] = (WorkspaceFault.Limit, "more than 50 entries", () => Many(51, (tar, i) => tar.Pax('g', ("comment", "x")))),
        ["many folders by one name"] = (WorkspaceFault.Limit, "more than 50 entries", () => Many(6, (tar, i) => tar.File($"{i}/a/b/c/d/e/f/g/h/x"))),
        ["deep"] = (WorkspaceFault.Limit, "deeper than 10", () => new TarMaker().File("1/2/3/4/5/6/7/8/9/10/11/x").End()),
        ["deep folder"] = (WorkspaceFault.Limit, "deeper than 10", () => new TarMaker().Folder("1/2/3/4/5/6/7/8/9/10/11/").End()),
        ["large file"] = (WorkspaceFault.Limit, "100000001 bytes", () => new TarMaker().Entry('0', "f", size: 100_000_001).End()),
        ["impossible size"] = (WorkspaceFault.Limit, "9223372036854775807 bytes", () => new TarMaker().Pax('x', ("size", "9223372036854775807")).File("f").End()),
        ["size below zero"] = (WorkspaceFault.Invalid, "below zero", () => new TarMaker().Entry('0', "f", spoil: block => Array.Fill(block, (byte)0xff, 124, 12)).End()),
        ["size that is none"] = (WorkspaceFault.Invalid, "no size", () => new TarMaker().Entry('0', "f", spoil: block => "99999999999\0"u8.CopyTo(block.AsSpan(124))).End()),
        ["long long header"] = (WorkspaceFault.Limit, "at most 1048576", () => new TarMaker().Entry('x', "x", size: 1 << 30).End()),
        ["record that is none"] = (WorkspaceFault.Invalid, "damaged", () => new TarMaker().Entry('x', "x", content: "99 path=a\n"u8.ToArray()).File("f").End()),
        ["record without a key"] = (WorkspaceFault.Invalid, "damaged", () => new TarMaker().Entry('x', "x", content: "5 =a\n"u8.ToArray()).File("f").End()),
        ["record with a false time"] = (WorkspaceFault.Invalid, "damaged", () => new TarMaker().Pax('x', ("mtime", "now")).File("f").End()),
        ["long header and no entry"] = (WorkspaceFault.Invalid, "nothing else", () => new TarMaker().File("f").Pax('x', ("path", "b")).End()),
        ["no end"] = (WorkspaceFault.Invalid, "cut off at or behind 'f'", () => new TarMaker().File("f").Unended()),
        ["cut off in content"] = (WorkspaceFault.Invalid, "cut off at or behind 'f'", () => new TarMaker().Entry('0', "f", content: new byte[600], size: 5000).Unended()),
        ["cut off in a header"] = (WorkspaceFault.Invalid, "cut off", () => [.. new TarMaker().File("f").Unended(), .. new byte[100]]),
        ["rubbish behind an entry"] = (WorkspaceFault.Invalid, "behind 'f' is no header", () => new TarMaker().File("f").Raw(Bytes.Random(1, 512)).End()),
        ["another checksum"] = (WorkspaceFault.Invalid, "no tar", () => Flipped(new TarMaker().File("f").End(), 3)),
        ["text"] = (WorkspaceFault.Invalid, "no tar", () => Bytes.Text(1, 2000)),
        ["nothing"] = (WorkspaceFault.Invalid, "no tar", () => []),
        ["gzip cut off"] = (WorkspaceFault.Invalid, "cut off", () => Packed.Gzip(Noise())[..^2000]),
        ["gzip without its last byte"] = (WorkspaceFault.Invalid, "damaged", () => Packed.Gzip(Noise())[..^1]),
        ["gzip with another sum"] = (WorkspaceFault.Invalid, "damaged", () => Flipped(Packed.Gzip(Noise()), -8)),
        ["gzip with rubbish behind"] = (WorkspaceFault.Invalid, "cut off, or something", () => [.. Packed.Gzip(Noise()), .. Bytes.Text(1, 20)]),
        ["gzip of text"] = (WorkspaceFault.Invalid, "no header", () => Packed.Gzip(Bytes.Text(1, 2000))),
        ["gzip bomb in a file"] = (WorkspaceFault.Limit, "200 times", () => Packed.Gzip(new TarMaker().Entry('0', "z", content: new byte[90_000_000]).End())),
        ["gzip bomb behind the end"] = (WorkspaceFault.Limit, "200 times", () => Packed.Gzip([.. new TarMaker().File("f").End(), .. new byte[90_000_000]])),
        ["zstd bomb"] = (WorkspaceFault.Limit, "200 times", () => Packed.Zstd(new TarMaker().Entry('0', "z", content: new byte[90_000_000]).End())),
        ["zstd cut off"] = (WorkspaceFault.Invalid, "damaged, or was cut off", () => Packed.Zstd(Noise())[..^1]),
        ["zstd with a bit of it changed"] = (WorkspaceFault.Invalid, "damaged", () => Flipped(Packed.Zstd(Noise()), 6)),
        ["large archive"] = (WorkspaceFault.Limit, "archive itself", () => new TarMaker().Entry('0', "f", content: Bytes.Random(1, 1_000_000)).End()),
        ["zeros without end"] = (WorkspaceFault.Limit, "200 times", () => Packed.Zstd(new byte[100_000_000])),
    };

    private static readonly Dictionary<string, (WorkspaceFault Fault, string Says, Func<byte[]> Make)> Zips = new()
    {
        ["absolute"] = (WorkspaceFault.Invalid, "absolute", () => new ZipMaker().File("/x").End()),
        ["dots"] = (WorkspaceFault.Invalid, "'../x'", () => new ZipMaker().File("../x").End()),
        ["zero"] = (WorkspaceFault.Invalid, "zero byte", () => new ZipMaker().File("a\0b").End()),
        ["no name"] = (WorkspaceFault.Invalid, "no name", () => new ZipMaker().File("").End()),
        ["link out"] = (WorkspaceFault.Invalid, "leads out", () => new ZipMaker().Link("l", "../x").End()),
        ["through a link"] = (WorkspaceFault.Invalid, "behind the link", () => new ZipMaker().Link("l", ".").File("l/x").End()),
        ["twice"] = (WorkspaceFault.Invalid, "there already", () => new ZipMaker().File("f").File("f").End()),
        ["device"] = (WorkspaceFault.Invalid, "no file, folder or link", () => new ZipMaker().Entry("d", [], new() { Mode = 0x21a4 }).End()),
        ["pipe"] = (WorkspaceFault.Invalid, "no file, folder or link", () => new ZipMaker().Entry("p", [], new() { Mode = 0x11a4 }).End()),
        ["folder by mode alone"] = (WorkspaceFault.Invalid, "differ in whether", () => new ZipMaker().Entry("d", [], new() { Mode = 0x41ed }).End()),
        ["file that ends in a slash"] = (WorkspaceFault.Invalid, "differ in whether", () => new ZipMaker().Entry("d/", [], new()).End()),
        ["folder with content"] = (WorkspaceFault.Invalid, "folder with content", () => new ZipMaker().Entry("d/", [1], new() { Mode = 0x41ed }).End()),
        ["encrypted"] = (WorkspaceFault.Invalid, "'f' is refused: it is encrypted", () => new ZipMaker().Entry("f", [1], new() { Flags = 1 }).End()),
        ["strongly encrypted"] = (WorkspaceFault.Invalid, "encrypted", () => new ZipMaker().Entry("f", [1], new() { Flags = 0x40 }).End()),
        ["masked headers"] = (WorkspaceFault.Invalid, "encrypted", () => new ZipMaker().Entry("f", [1], new() { Flags = 0x2000 }).End()),
        ["other method"] = (WorkspaceFault.Invalid, "method 12", () => new ZipMaker().Entry("f", [1], new() { Method = 12 }).End()),
        ["other name before the content"] = (WorkspaceFault.Invalid, "two headers differ", () => new ZipMaker().Entry("f", [1], new() { LocalName = "../f" }).End()),
        ["other method before the content"] = (WorkspaceFault.Invalid, "two headers differ", () => new ZipMaker().Entry("f", [1], new() { LocalMethod = 8 }).End()),
        ["other sum"] = (WorkspaceFault.Invalid, "not what its header says", () => new ZipMaker().Entry("f", [1], new() { Sum = 5 }).End()),
        ["less than it says"] = (WorkspaceFault.Invalid, "not what its header says", () => new ZipMaker().Entry("f", [1], new() { Method = 8, Size = 2 }).End()),
        ["more than it says"] = (WorkspaceFault.Invalid, "not what its header says", () => new ZipMaker().Entry("f", new byte[1000], new() { Method = 8, Size = 2 }).End()),
        ["two sizes and not packed"] = (WorkspaceFault.Invalid, "two sizes", () => new ZipMaker().Entry("f", [1], new() { Size = 2 }).End()),
        ["other descriptor"] = (WorkspaceFault.Invalid, "stands behind its content", () => Flipped(new ZipMaker().Entry("f", [1], new() { HasDescriptor = true }).End(), 30 + 1 + 1 + 5)),
        ["overlap"] = (WorkspaceFault.Invalid, "refused", () => new ZipMaker().Entry("f", [1, 2, 3]).Entry("f", [1, 2, 3], new() { At = 0 }).End()),
        ["outside of the archive"] = (WorkspaceFault.Invalid, "damaged", () => new ZipMaker().Entry("f", [1], new() { At = 0x7fffffff }).End()),
        ["inside another's content"] = (WorkspaceFault.Invalid, "overlaps", () => new ZipMaker().Entry("outer", new ZipMaker().Entry("f", [1]).End()).Entry("f", [1], new() { At = 35 }).End()),
        ["more entries than it says"] = (WorkspaceFault.Invalid, "damaged", () => new ZipMaker().File("a").File("b").End(count: 1)),
        ["fewer entries than it says"] = (WorkspaceFault.Invalid, "damaged", () => new ZipMaker().File("a").End(count: 2)),
        ["central directory elsewhere"] = (WorkspaceFault.Invalid, "damaged", () => new ZipMaker().File("a").End(at: 0)),
        ["many entries"] = (WorkspaceFault.Limit, "more than 50 entries", () => Enumerable.Range(0, 51).Aggregate(new ZipMaker(), (zip, i) => zip.File($"{i}")).End()),
        ["deep"] = (WorkspaceFault.Limit, "deeper than 10", () => new ZipMaker().File("1/2/3/4/5/6/7/8/9/10/11/x").End()),
        ["large file"] = (WorkspaceFault.Limit, "100000001 bytes", () => new ZipMaker().Entry("f", [1], new() { Method = 8, Size = 100_000_001 }).End()),
        ["bomb"] = (WorkspaceFault.Limit, "200 times", () => new ZipMaker().Entry("z", new byte[90_000_000], new() { Method = 8 }).End()),
        ["cut off"] = (WorkspaceFault.Invalid, "cut off", () => new ZipMaker().File("a").End()[..^1]),
        ["only its beginning"] = (WorkspaceFault.Invalid, "cut off", () => new ZipMaker().File("a").End()[..20]),
        ["packed content that does not unpack"] = (WorkspaceFault.Invalid, "'f' is refused", () => Spoiled(new ZipMaker().Entry("f", Bytes.Text(1, 5000), new() { Method = 8 }).End())),
        ["several parts"] = (WorkspaceFault.Invalid, "several parts", () => Flipped(new ZipMaker().File("a").End(), -18)),
    };

    public static TheoryData<string> TarNames => [.. Tars.Keys];

    public static TheoryData<string> ZipNames => [.. Zips.Keys];

    [Theory]
    [MemberData(nameof(TarNames))]
    public Task Tar_Hostile_IsRefusedAndLeavesNothing(string name) => RefusedAsync(Tars[name]);

    [Theory]
    [MemberData(nameof(ZipNames))]
    public Task Zip_Hostile_IsRefusedAndLeavesNothing(string name) => RefusedAsync(Zips[name]);

    [Fact]
    public async Task Zip_ThatCannotSeekAndHasNoSpool_SaysWhatToDo()
    {
        using var world = new World();
        using var archive = new Trickle(new ZipMaker().File("a").End());
        var fault = await Assert.ThrowsAsync<WorkspaceException>(() => ArchiveImport.UnpackAsync(archive, world.Temp["out"], new ImportOptions(), world.Token));
        Assert.Contains("spool", fault.Message, StringComparison.Ordinal);
        using var large = new Trickle(new ZipMaker().Entry("a", Bytes.Random(1, 20_000)).End());
        fault = await Assert.ThrowsAsync<WorkspaceException>(() => ArchiveImport.UnpackAsync(
            large, world.Temp["out"], new ImportOptions { SpoolFolder = world.Temp.Folder("spool"), MaxArchiveBytes = 10_000 }, world.Token));
        Assert.Equal(WorkspaceFault.Limit, fault.Fault);
        Assert.Empty(Directory.GetFileSystemEntries(world.Temp["spool"]));
    }

    private static async Task RefusedAsync((WorkspaceFault Fault, string Says, Func<byte[]> Make) hostile)
    {
        using var world = new World();
        world.Temp.Write("outside/keep", "mine");
        var before = TreeState.Of(world.Temp["outside"]);
        // Something valid goes first, to be taken away again; and it comes in place as well as through a stream.
        foreach (var archive in new[] { new MemoryStream(hostile.Make()), new Trickle(hostile.Make(), 4096) })
        {
            var options = Tight with { SpoolFolder = world.Temp.Folder("spool") };
            var fault = await Assert.ThrowsAsync<WorkspaceException>(() => ArchiveImport.UnpackAsync(archive, world.Temp["out"], options, world.Token));
            Assert.Contains(hostile.Says, fault.Message, StringComparison.Ordinal);
            Assert.Equal(hostile.Fault, fault.Fault);
            Assert.Empty(Directory.GetFileSystemEntries(world.Temp["out"]));
            Assert.Empty(Directory.GetFileSystemEntries(world.Temp["spool"]));
        }

        Assert.Equal(before, TreeState.Of(world.Temp["outside"]));
        Assert.Equal(["out", "outside", "spool"], Directory.GetFileSystemEntries(world.Temp.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    private static byte[] Noise() => new TarMaker().Entry('0', "f", content: Bytes.Random(1, 50_000)).End();

    private static byte[] Many(int count, Action<TarMaker, int> add)
    {
        var tar = new TarMaker();
        for (var i = 0; i < count; i++)
            add(tar, i);
        return tar.End();
    }

    /// <param name="at">Below zero: from the end.</param>
    private static byte[] Flipped(byte[] bytes, int at)
    {
        bytes[at < 0 ? bytes.Length + at : at] ^= 1;
        return bytes;
    }

    private static byte[] Spoiled(byte[] bytes)
    {
        Array.Fill(bytes, (byte)0xff, 31, 200);
        return bytes;
    }
}
