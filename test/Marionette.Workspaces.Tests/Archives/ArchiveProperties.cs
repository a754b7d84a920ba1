using FsCheck.Xunit;
using Marionette.Workspaces.Tests.Support;

namespace Marionette.Workspaces.Tests.Archives;

public sealed class ArchiveProperties
{
    private static readonly string[] Names = ["a", "B", "ä", "x y", "-o", "\n", new('n', 99), new('n', 100), new('n', 101), new('€', 80), "...", "%41=", "\\"];

    [Property(MaxTest = 60)]
    public async Task AnyTree_ExportedAndImported_IsTheSame(byte[] script, byte packed)
    {
        using var world = new World();
        Grow(world.Tree.Path, script);
        await TarExportTests.ExportAsync(world, "", world.Temp["all.tar"]);
        var tar = await File.ReadAllBytesAsync(world.Temp["all.tar"], world.Token);
        using var archive = new Trickle((packed % 3) switch { 0 => Packed.Gzip(tar), 1 => Packed.Zstd(tar), _ => tar }, (packed * 7) + 1);
        await ArchiveImport.UnpackAsync(archive, world.Temp["out"], new ImportOptions(), world.Token);
        Assert.Equal(TreeState.Of(world.Tree.Path), TreeState.Of(world.Temp["out"]));
    }

    [Property(MaxTest = 400)]
    public Task AnyDamage_OfATar_IsSaidOrHarmless(uint[] flips) => DamagedAsync(Valid(), flips);

    [Property(MaxTest = 300)]
    public Task AnyDamage_OfAGzip_IsSaidOrHarmless(uint[] flips) => DamagedAsync(Packed.Gzip(Valid()), flips);

    [Property(MaxTest = 300)]
    public Task AnyDamage_OfAZstd_IsSaidOrHarmless(uint[] flips) => DamagedAsync(Packed.Zstd(Valid()), flips);

    [Property(MaxTest = 400)]
    public Task AnyDamage_OfAZip_IsSaidOrHarmless(uint[] flips) =>
        DamagedAsync(new ZipMaker().File("dir/f", "content").Link("l", "dir").Entry("s", Bytes.Text(1, 900), new() { HasDescriptor = true, Method = 8 }).Entry("e/", [], new() { Mode = 0x41ed }).End(), flips);

    [Property(MaxTest = 200)]
    public Task AnyHeaders_WithTheirSums_AreSaidOrHarmless(uint[] flips)
    {
        // A changed header would be found by its sum: with the sum made anew what it says is looked at.
        var tar = Flip(Valid(), flips);
        for (var at = 0; at + 512 <= tar.Length; at += 512)
        {
            if (!tar.AsSpan(at + 257, 5).SequenceEqual("ustar"u8))
                continue;
            var block = tar[at..(at + 512)];
            TarMaker.Resum(block);
            block.CopyTo(tar, at);
        }

        return DamagedAsync(tar, []);
    }

    [Property(MaxTest = 100)]
    public Task AnyCut_OfATar_IsSaidOrHarmless(ushort length) => DamagedAsync(Valid()[..(length % Valid().Length)], []);

    private static byte[] Valid() =>
        new TarMaker().Folder("dir/").File("dir/f", "content").Link("l", "dir/f").HardLink("h", "dir/f").Pax('x', ("path", "long/" + new string('n', 120)), ("mtime", "1700000000.5"), ("SCHILY.xattr.user.a", "b"))
            .File("ignored", "more").Entry('L', "././@LongLink", content: TarMaker.Latin(new string('k', 130) + "\0")).File("also ignored").End();

    private static byte[] Flip(byte[] bytes, uint[] flips)
    {
        foreach (var flip in flips)
            bytes[flip / 8 % (uint)bytes.Length] ^= (byte)(1 << (int)(flip % 8));
        return bytes;
    }

    private static async Task DamagedAsync(byte[] archive, uint[] flips)
    {
        using var world = new World();
        world.Temp.Write("outside/keep", "mine");
        var before = TreeState.Of(world.Temp["outside"]);
        try
        {
            using var damaged = new MemoryStream(Flip(archive, flips));
            await ArchiveImport.UnpackAsync(damaged, world.Temp["out"], new ImportOptions { MaxBytes = 10_000_000 }, world.Token);
        }
        catch (WorkspaceException)
        {
            Assert.Empty(Directory.GetFileSystemEntries(world.Temp["out"]));
        }

        Assert.Equal(before, TreeState.Of(world.Temp["outside"]));
        Assert.Equal(["out", "outside"], Directory.GetFileSystemEntries(world.Temp.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    /// <summary>Four bytes of the script make an entry.</summary>
    private static void Grow(string root, byte[] script)
    {
        var (folders, files) = (new List<string> { root }, new List<string>());
        for (var i = 0; i + 4 <= script.Length; i += 4)
        {
            var folder = folders[script[i] % folders.Count];
            var path = Path.Combine(folder, Names[script[i + 1] % Names.Length]);
            if (Path.Exists(path) || new FileInfo(path).LinkTarget is not null)
                continue;
            var (kind, much) = (script[i + 2] % 6, script[i + 3]);
            if (kind == 0)
            {
                folders.Add(Directory.CreateDirectory(path).FullName);
                continue;
            }

            if (kind == 1)
            {
                File.CreateSymbolicLink(path, string.Concat(Enumerable.Repeat("../", folder.AsSpan(root.Length).Count('/') - (much % 2 == 0 ? 0 : folder.AsSpan(root.Length).Count('/')))) + new string('t', 1 + (much % 120)));
                TreeState.MarkLink(path, 1_600_000_000_000_000_000 + much);
                continue;
            }

            if (kind == 2 && files.Count > 0)
            {
                TreeState.HardLink(files[much % files.Count], path);
                continue;
            }

            File.WriteAllBytes(path, Bytes.Random(i, much * (kind == 3 ? 3000 : 5)));
            TreeState.Mark(path, 1_000_000_000L * much * (kind == 4 ? -1 : 7_000_000) + i, [.. Enumerable.Range(0, much % 3).Select(n => ($"user.n{n}", Bytes.Random(n, much)))]);
            File.SetUnixFileMode(path, (UnixFileMode)(much * 7 % 512) | UnixFileMode.UserRead);
            files.Add(path);
        }

        for (var i = folders.Count - 1; i > 0; i--)
        {
            TreeState.Mark(folders[i], 1_700_000_000_000_000_000 + i);
            File.SetUnixFileMode(folders[i], (UnixFileMode)(i * 37 % 512) | UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }
    }
}
