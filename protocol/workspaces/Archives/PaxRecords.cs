using System.Globalization;
using System.Text;

namespace Marionette.Workspaces;

/// <summary>Records of pax that matter here.</summary>
internal sealed class PaxRecords
{
    /// <summary>Bytes of names and values of the attributes that hold for one entry; a file system of Linux keeps no more than half of it.</summary>
    private const int MaxAttributes = 128 * 1024;

    private readonly Dictionary<string, (byte[] Name, byte[] Value)> _attributes = new(StringComparer.Ordinal);

    public byte[]? Path { get; private set; }

    public byte[]? Target { get; private set; }

    public long? Size { get; private set; }

    public long? Modified { get; private set; }

    public bool IsSparse { get; private set; }

    public bool HasAny { get; private set; }

    public IReadOnlyList<(byte[] Name, byte[] Value)> Attributes => [.. _attributes.Values];

    /// <summary>What holds for one entry: its own before those for all.</summary>
    public static PaxRecords Over(PaxRecords all, PaxRecords own)
    {
        if (!all.HasAny)
            return own;
        var both = new PaxRecords
        {
            Path = own.Path ?? all.Path, Target = own.Target ?? all.Target, Size = own.Size ?? all.Size, Modified = own.Modified
                ?? all.Modified, IsSparse = own.IsSparse || all.IsSparse,
        };
        foreach (var (key, value) in all._attributes.Concat(own._attributes))
            both._attributes[key] = value;
        return both;
    }

    /// <param name="into">What held before.</param>
    /// <exception cref="WorkspaceException">Invalid.</exception>
    public static PaxRecords Read(ReadOnlySpan<byte> content, PaxRecords into)
    {
        while (!content.IsEmpty && content[0] != 0)
        {
            var blank = content[..Math.Min(content.Length, 12)].IndexOf((byte)' ');
            if (blank <= 0 || !int.TryParse(content[..blank], NumberStyles.None, CultureInfo.InvariantCulture, out var length) || length <= blank + 1
                || length > content.Length || content[length - 1] != '\n')
                throw ImportNames.Invalid("The archive is damaged: a record of a long header is none.");
            var record = content[(blank + 1)..(length - 1)];
            var equals = record.IndexOf((byte)'=');
            if (equals <= 0)
                throw ImportNames.Invalid("The archive is damaged: a record of a long header has no key.");
            into.Take(Encoding.UTF8.GetString(record[..equals]), record[..equals], record[(equals + 1)..]);
            content = content[length..];
        }

        return into;
    }

    private void Take(string key, ReadOnlySpan<byte> raw, ReadOnlySpan<byte> value)
    {
        HasAny = true;
        if (key == "path")
            Path = value.ToArray();
        else if (key == "linkpath")
            Target = value.ToArray();
        else if (key == "size")
            Size = long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var size) ? size
                : throw ImportNames.Invalid("The archive is damaged: a size is no number.");
        else if (key == "mtime")
            Modified = Time(value);
        else if (key.StartsWith("GNU.sparse.", StringComparison.Ordinal))
            IsSparse = true;
        else if (raw.StartsWith("SCHILY.xattr."u8) && TarAttributes.Decode(raw["SCHILY.xattr.".Length..]) is var name)
        {
            _attributes[Encoding.Latin1.GetString(name)] = (name, value.ToArray());
            if (_attributes.Values.Sum(one => one.Name.Length + one.Value.Length) > MaxAttributes)
                throw new WorkspaceException(WorkspaceFault.Limit, $"The archive has more than {MaxAttributes} bytes of attributes for one entry.");
        }
    }

    private static long Time(ReadOnlySpan<byte> value)
    {
        if (!decimal.TryParse(value, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds))
            throw ImportNames.Invalid("The archive is damaged: a time is no number.");
        // What no file system can keep is the nearest that one can.
        return (long)decimal.Floor(Math.Clamp(seconds, -9_000_000_000m, 9_000_000_000m) * 1_000_000_000m);
    }
}
