using System.Globalization;

namespace Marionette.Gateway.Streams;

/// <summary>
/// Where an event stands in a stream. Of a session's log: 0 and the seq. Of the tenant's stream: the transaction and the position in
/// it, because positions alone are handed out before they become visible.
/// </summary>
internal readonly record struct StreamPosition(ulong Major, long Minor) : IComparable<StreamPosition>
{
    /// <summary>Before the first event.</summary>
    public static readonly StreamPosition Start;

    public static StreamPosition OfSeq(long seq) => new(0, seq);

    public int CompareTo(StreamPosition other) => Major != other.Major ? Major.CompareTo(other.Major) : Minor.CompareTo(other.Minor);

    public static bool operator <(StreamPosition a, StreamPosition b) => a.CompareTo(b) < 0;

    public static bool operator >(StreamPosition a, StreamPosition b) => a.CompareTo(b) > 0;

    public static bool operator <=(StreamPosition a, StreamPosition b) => a.CompareTo(b) <= 0;

    public static bool operator >=(StreamPosition a, StreamPosition b) => a.CompareTo(b) >= 0;

    /// <summary>A session's cursor: a seq, 0 for the start.</summary>
    public static bool TryParseSeq(string? text, out StreamPosition position)
    {
        var valid = long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seq);
        position = OfSeq(seq);
        return valid;
    }

    /// <summary>A tenant's cursor: <c>transaction.position</c>, or 0 for the start.</summary>
    public static bool TryParseTenant(string? text, out StreamPosition position)
    {
        position = Start;
        if (text == "0") return true;
        if (text?.Split('.') is not [var major, var minor]) return false;
        if (!ulong.TryParse(major, NumberStyles.None, CultureInfo.InvariantCulture, out var transaction)) return false;
        if (!long.TryParse(minor, NumberStyles.None, CultureInfo.InvariantCulture, out var place)) return false;
        position = new(transaction, place);
        return true;
    }

    /// <summary>As a tenant's cursor.</summary>
    public string ToTenantText() => string.Create(CultureInfo.InvariantCulture, $"{Major}.{Minor}");
}
