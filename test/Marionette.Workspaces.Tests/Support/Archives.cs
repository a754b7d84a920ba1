using System.Diagnostics;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;

namespace Marionette.Workspaces.Tests.Support;

/// <summary>Makes tar archives byte by byte, hostile ones too.</summary>
internal sealed class TarMaker
{
    private readonly ByteWriter _bytes = new();

    public static byte[] Latin(string text) => Encoding.Latin1.GetBytes(text);

    public TarMaker File(string name, string content = "x", int mode = 0x1a4) => Entry('0', name, content: Latin(content), mode: mode);

    public TarMaker Folder(string name, int mode = 0x1ed) => Entry('5', name, mode: mode);

    public TarMaker Link(string name, string target) => Entry('2', name, target);

    public TarMaker HardLink(string name, string target) => Entry('1', name, target);

    /// <param name="size">What the header says; null: what there is.</param>
    public TarMaker Entry(char type, string name, string target = "", byte[]? content = null, long? size = null, int mode = 0x1a4, Action<byte[]>? spoil = null)
    {
        var block = new byte[TarFormat.BlockSize];
        content ??= [];
        TarFormat.Write(block, Latin(name), (byte)type, mode, default, size ?? content.Length, 1_700_000_000, Latin(target));
        if (spoil is not null)
        {
            spoil(block);
            Resum(block);
        }

        return Raw(block).Raw(content).Raw(new byte[-content.Length & 511]);
    }

    public TarMaker Pax(char type = 'x', params (string Key, string Value)[] records)
    {
        var content = new ByteWriter();
        foreach (var (key, value) in records)
            TarFormat.Record(content, Latin(key), Latin(value));
        return Entry(type, "PaxHeaders/x", content: content.Written.ToArray());
    }

    public TarMaker Raw(byte[] bytes)
    {
        _bytes.Bytes(bytes);
        return this;
    }

    public byte[] Unended() => _bytes.Written.ToArray();

    public byte[] End() => [.. _bytes.Written.ToArray(), .. new byte[1024]];

    public static void Resum(byte[] block)
    {
        "        "u8.CopyTo(block.AsSpan(148));
        var sum = block.Sum(one => one);
        Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0') + "\0 ").CopyTo(block, 148);
    }
}

/// <summary>Makes zip archives byte by byte, hostile ones too.</summary>
internal sealed class ZipMaker
{
    private readonly ByteWriter _bytes = new(), _central = new();
    private int _count;

    public sealed record Said
    {
        public int Flags { get; init; }

        public int Method { get; init; }

        public int Host { get; init; } = 3;

        public uint Mode { get; init; } = 0x81a4;

        public string? LocalName { get; init; }

        public int? LocalMethod { get; init; }

        public long? Size { get; init; }

        public uint? Sum { get; init; }

        public long? At { get; init; }

        public bool HasDescriptor { get; init; }
    }

    public ZipMaker Entry(string name, byte[] content, Said? said = null)
    {
        said ??= new Said();
        var sum = said.Sum ?? Crc32.HashToUInt32(content);
        var packed = said.Method == 8 ? Deflate(content) : content;
        var (size, flags) = (said.Size ?? content.Length, said.Flags | (said.HasDescriptor ? 8 : 0));
        var at = said.At ?? _bytes.Length;
        var own = TarMaker.Latin(said.LocalName ?? name);
        var (sum1, packed1, size1) = said.HasDescriptor ? (0u, 0u, 0u) : (sum, (uint)packed.Length, (uint)size);
        Write(_bytes, ZipFormat.Local, (ushort)20, (ushort)flags, (ushort)(said.LocalMethod ?? said.Method), (ushort)0, (ushort)0x5a21, sum1, packed1, size1, (ushort)own.Length, (ushort)0);
        _bytes.Bytes(own);
        _bytes.Bytes(packed);
        if (said.HasDescriptor)
            Write(_bytes, ZipFormat.Descriptor, sum, (uint)packed.Length, (uint)size);
        var raw = TarMaker.Latin(name);
        Write(_central, ZipFormat.Central, (byte)20, (byte)said.Host, (ushort)20, (ushort)flags, (ushort)said.Method, (ushort)0, (ushort)0x5a21, sum, (uint)packed.Length, (uint)size);
        Write(_central, (ushort)raw.Length, (ushort)0, (ushort)0, (ushort)0, (ushort)0, said.Mode << 16, (uint)at);
        _central.Bytes(raw);
        _count++;
        return this;
    }

    public ZipMaker File(string name, string content = "x") => Entry(name, TarMaker.Latin(content), new Said { Method = 8 });

    public ZipMaker Link(string name, string target) => Entry(name, TarMaker.Latin(target), new Said { Mode = 0xa1ff });

    public byte[] End(int? count = null, long? at = null)
    {
        var all = new ByteWriter();
        all.Bytes(_bytes.Written);
        all.Bytes(_central.Written);
        Write(all, ZipFormat.End, (ushort)0, (ushort)0, (ushort)(count ?? _count), (ushort)(count ?? _count), (uint)_central.Length, (uint)(at ?? _bytes.Length), (ushort)0);
        return all.Written.ToArray();
    }

    public static byte[] Deflate(byte[] content)
    {
        using var packed = new MemoryStream();
        using (var deflate = new DeflateStream(packed, CompressionLevel.Optimal))
            deflate.Write(content);
        return packed.ToArray();
    }

    private static void Write(ByteWriter to, params object[] numbers)
    {
        foreach (var number in numbers)
            to.Bytes(number switch { uint value => BitConverter.GetBytes(value), ushort value => BitConverter.GetBytes(value), byte value => [value], _ => throw new InvalidOperationException(number.GetType().Name) });
    }
}

/// <summary>Packs, and runs the machine's own tools.</summary>
internal static class Packed
{
    public static byte[] Gzip(byte[] content)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Optimal))
            gzip.Write(content);
        return packed.ToArray();
    }

    public static byte[] Zstd(byte[] content)
    {
        using var compressor = new ZstdSharp.Compressor(3);
        return compressor.Wrap(content).ToArray();
    }

    /// <summary>Runs a program of the machine; the test is skipped where there is none.</summary>
    public static async Task<string> RunAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["LC_ALL"] = "C.UTF-8";
        Process? process = null;
        try
        {
            process = Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip($"There is no {program} here.");
        }

        using (process)
        {
            var errors = process!.StandardError.ReadToEndAsync();
            var output = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            Assert.True(process.ExitCode == 0, $"{program}: {await errors}");
            Assert.Equal("", await errors);
            return output;
        }
    }
}

/// <summary>A stream that can neither seek nor be read in large pieces, as a network's.</summary>
internal sealed class Trickle(byte[] content, int most = 700) : MemoryStream(content)
{
    public override bool CanSeek => false;

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => base.ReadAsync(buffer[..Math.Min(buffer.Length, most)], cancellationToken);
}
