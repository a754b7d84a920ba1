using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Marionette;

/// <summary>
/// Ids as the original makes them: <c>prefix_</c>, eight base62 characters of milliseconds since the Unix epoch, eight random ones.
/// The alphabet is in ASCII order and the time has a fixed width, so ordinal order is chronological order.
/// </summary>
public static class EntityId
{
    /// <summary>Prefix of sessions; the others follow.</summary>
    public const string Session = "sess", Task = "task", Run = "trun", Runner = "run", Permission = "perm", Workspace = "ws", ApiKey = "key", Message = "msg",
        Policy = "pol", PermissionHook = "phk", PermissionLink = "plnk";

    /// <summary>Prefixes of schedules, of agent configurations and of profiles.</summary>
    public const string ScheduledTask = "stsk", AgentConfig = "acfg", Profile = "prof";

    /// <summary>Prefixes of a pool's hosts and of its join tokens.</summary>
    public const string Host = "host", JoinToken = "jtok";

    /// <summary>Prefix of a session's checkpoints.</summary>
    public const string Checkpoint = "ckpt";

    private const string Alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    private const int TimeLength = 8, RandomLength = 8;

    /// <summary>A new id of the kind. Two ids of the same millisecond differ in 47 random bits.</summary>
    public static string New(string prefix, DateTimeOffset now)
    {
        Span<byte> random = stackalloc byte[8];
        RandomNumberGenerator.Fill(random);
        return Write(prefix, now, random);
    }

    /// <summary>
    /// The id that a cause has: the same time and seed always give the same id, so that whoever repeats the cause after a crash finds what was made.
    /// </summary>
    public static string Derived(string prefix, DateTimeOffset time, string seed)
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes($"{prefix}|{time.ToUnixTimeMilliseconds()}|{seed}"), digest);
        return Write(prefix, time, digest);
    }

    /// <summary>Whether the text has the shape of an id of this kind. Anything else is "not found" without a look-up.</summary>
    public static bool Is(string prefix, string? text)
    {
        if (text is null || text.Length != prefix.Length + 1 + TimeLength + RandomLength) return false;
        if (!text.StartsWith(prefix, StringComparison.Ordinal) || text[prefix.Length] != '_') return false;
        foreach (var c in text.AsSpan(prefix.Length + 1)) if (!char.IsAsciiLetterOrDigit(c)) return false;
        return true;
    }

    /// <summary>When the id was made; <see langword="null"/> for a text that is not an id.</summary>
    public static DateTimeOffset? TimeOf(string id)
    {
        var from = id.IndexOf('_') + 1;
        if (from <= 0 || id.Length < from + TimeLength) return null;
        long millis = 0;
        foreach (var c in id.AsSpan(from, TimeLength))
        {
            var digit = Alphabet.IndexOf(c);
            if (digit < 0) return null;
            millis = millis * 62 + digit;
        }
        return DateTimeOffset.FromUnixTimeMilliseconds(millis);
    }

    private static string Write(string prefix, DateTimeOffset time, ReadOnlySpan<byte> random)
    {
        Span<char> text = stackalloc char[TimeLength + RandomLength];
        var millis = time.ToUnixTimeMilliseconds();
        for (var i = TimeLength - 1; i >= 0; i--) (text[i], millis) = (Alphabet[(int)(millis % 62)], millis / 62);
        var bits = BinaryPrimitives.ReadUInt64LittleEndian(random);
        for (var i = 0; i < RandomLength; i++) (text[TimeLength + i], bits) = (Alphabet[(int)(bits % 62)], bits / 62);
        return string.Concat(prefix, "_", text);
    }
}
