using Marionette.Workspaces.Tests.Support;

namespace Marionette.Workspaces.Tests;

/// <summary>The test vectors of docs/reference/formats/workspace.md. A change here is a new version of the format.</summary>
internal static class Vectors
{
    public static readonly byte[] Key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    public static readonly int[] Cuts = [71338, 354014, 281675, 437142, 491981, 300558, 257250, 302436, 318841, 272550, 305552, 267580, 312133, 221254];

    public const string DataReference = "00280157cc00c71f6d53e57436341a888a54b17027668e1e2714901ac21ed229", DataId = "be9ac5d7e118b438cdf42157944dc693";

    public const string TreeReference = "e6e9004e960bd2934423ba8063e9542d824a73d039d191b7b97368b379f65e09", TreeId = "fa0a1592d88ecf15cd062a6673ebab41";

    public const string LeafNode = "010102016101a4038080d0e2c6bfce972f0002006869016203ff0301000161";

    /// <summary>x, the first state 1, goes to 6364136223846793005 x + 1442695040888963407; its highest byte is the next byte.</summary>
    public static byte[] Content(int count)
    {
        var (bytes, state) = (new byte[count], 1UL);
        for (var i = 0; i < count; i++)
        {
            state = unchecked((state * 6364136223846793005) + 1442695040888963407);
            bytes[i] = (byte)(state >> 56);
        }

        return bytes;
    }
}

public sealed class FormatTests
{
    [Theory]
    [InlineData(ChunkType.Data, Vectors.DataReference, Vectors.DataId)]
    [InlineData(ChunkType.Tree, Vectors.TreeReference, Vectors.TreeId)]
    public void Reference_KnownContent_IsTheFormats(ChunkType type, string reference, string id)
    {
        var made = new ConvergenceKey(Vectors.Key).Reference(type, "marionette"u8);
        Assert.Equal(reference, Convert.ToHexStringLower(made.ToArray()));
        Assert.Equal(id, made.ToId(type).ToString());
    }

    [Fact]
    public void Node_KnownEntries_IsTheFormats()
    {
        var writer = new ByteWriter();
        TreeNode.BeginLeaf(writer, 2);
        EntryCodec.Write(writer, new TreeEntry { Name = "a"u8.ToArray(), Type = EntryType.File, Mode = 0x1a4, Modified = 1_700_000_000_000_000_000, Content = new FileContent(2) { Inline = "hi"u8.ToArray() } });
        EntryCodec.Write(writer, new TreeEntry { Name = "b"u8.ToArray(), Type = EntryType.Link, Mode = 0x1ff, Modified = -1, Target = "a"u8.ToArray() });
        Assert.Equal(Vectors.LeafNode, Convert.ToHexStringLower(writer.Written));
        Assert.Equal(["a", "b"], TreeNode.Read(writer.Written, "test").Entries.Select(entry => entry.NameText));
    }

    [Fact]
    public void Reference_InText_SaysNothing() => Assert.DoesNotContain(Convert.ToHexStringLower(new ChunkRef(Vectors.Key).ToArray())[..8], new ChunkRef(Vectors.Key).ToString());

    [Fact]
    public void Reference_OtherTenant_IsUnrelated()
    {
        var (one, two) = (new ConvergenceKey(Vectors.Key), new ConvergenceKey(new byte[32]));
        Assert.NotEqual(one.Reference(ChunkType.Data, "same"u8), two.Reference(ChunkType.Data, "same"u8));
        Assert.NotEqual(one.Reference(ChunkType.Data, "same"u8), one.Reference(ChunkType.Tree, "same"u8));
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("a\0b")]
    public void Node_ImproperName_IsRefused(string name)
    {
        var writer = new ByteWriter();
        TreeNode.BeginLeaf(writer, 1);
        EntryCodec.Write(writer, new TreeEntry { Name = System.Text.Encoding.UTF8.GetBytes(name), Type = EntryType.Link, Mode = 0, Modified = 0, Target = "x"u8.ToArray() });
        Assert.Equal(WorkspaceFault.Corrupt, Assert.Throws<WorkspaceException>(() => TreeNode.Read(writer.Written, "test")).Fault);
    }

    [Theory]
    [InlineData("b", "a")]
    [InlineData("a", "a")]
    public void Node_NamesOutOfOrderOrTwice_AreRefused(string first, string second)
    {
        var writer = new ByteWriter();
        TreeNode.BeginLeaf(writer, 2);
        foreach (var name in new[] { first, second })
            EntryCodec.Write(writer, new TreeEntry { Name = System.Text.Encoding.UTF8.GetBytes(name), Type = EntryType.Link, Mode = 0, Modified = 0, Target = "x"u8.ToArray() });
        Assert.Equal(WorkspaceFault.Corrupt, Assert.Throws<WorkspaceException>(() => TreeNode.Read(writer.Written, "test")).Fault);
    }

    [Fact]
    public void Node_NewerVersion_IsSaidSo()
    {
        var fault = Assert.Throws<WorkspaceException>(() => TreeNode.Read([2, 1, 0], "test"));
        Assert.Equal(WorkspaceFault.UnsupportedVersion, fault.Fault);
    }

    [FsCheck.Xunit.Property(MaxTest = 300)]
    public bool Node_AnyBytes_AreReadOrRefused(byte[] bytes)
    {
        try
        {
            TreeNode.Read([1, .. bytes ?? []], "test");
            return true;
        }
        catch (WorkspaceException fault)
        {
            return fault.Fault is WorkspaceFault.Corrupt or WorkspaceFault.UnsupportedVersion;
        }
    }

    [Fact]
    public void Seal_EachBitFlipped_DoesNotOpen()
    {
        using var codec = new ChunkCodec();
        var key = new ConvergenceKey(Vectors.Key);
        var plain = Bytes.Text(1, 200);
        var reference = key.Reference(ChunkType.Data, plain);
        byte[] stored = [];
        var (length, method) = codec.Seal(reference, ChunkType.Data, plain, ref stored);
        var place = new ChunkLocation { Pack = "p", Offset = 0, StoredLength = length, PlainLength = plain.Length, Type = ChunkType.Data, Method = method };
        var target = new byte[plain.Length];
        codec.Open(reference, reference.ToId(ChunkType.Data), place, stored.AsSpan(0, length), target);
        Assert.Equal(plain, target);
        Assert.Equal(ChunkMethod.Zstd, method);
        for (var bit = 0; bit < length * 8; bit++)
        {
            stored[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Equal(WorkspaceFault.Corrupt, Assert.Throws<WorkspaceException>(() => codec.Open(reference, reference.ToId(ChunkType.Data), place, stored.AsSpan(0, length), target)).Fault);
            stored[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void Seal_TheSameTwice_HasTwoNoncesAndOneId()
    {
        using var codec = new ChunkCodec();
        var reference = new ConvergenceKey(Vectors.Key).Reference(ChunkType.Data, "same"u8);
        var (first, second) = (Array.Empty<byte>(), Array.Empty<byte>());
        codec.Seal(reference, ChunkType.Data, "same"u8, ref first);
        codec.Seal(reference, ChunkType.Data, "same"u8, ref second);
        Assert.NotEqual(first[..12], second[..12]);
    }

    [Fact]
    public void Splitter_OneOfManyEntriesChanged_MakesFewNodesAnew()
    {
        var staged = new HashSet<ChunkRef>();
        var key = new ConvergenceKey(Vectors.Key);
        var fresh = 0;
        var splitter = new TreeSplitter(key.NameSeed, node =>
        {
            var reference = key.Reference(ChunkType.Tree, node);
            fresh += staged.Add(reference) ? 1 : 0;
            return reference;
        });
        var entries = Enumerable.Range(0, 50_000).Select(i => (Name: System.Text.Encoding.ASCII.GetBytes($"file-{i:00000}"), Encoded: (ReadOnlyMemory<byte>)Bytes.Random(i, 60))).ToList();
        splitter.Directory(entries);
        Assert.InRange(fresh, 100, 2000);
        fresh = 0;
        entries[25_000] = (entries[25_000].Name, Bytes.Random(-1, 60));
        splitter.Directory(entries);
        Assert.InRange(fresh, 1, 3);
        fresh = 0;
        entries.RemoveAt(25_000);
        splitter.Directory(entries);
        Assert.InRange(fresh, 1, 4);
    }
}
