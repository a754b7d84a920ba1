using System.Text.Json;
using System.Text.Json.Serialization;
using Marionette.Agent.Hosting;
using Marionette.Agent.Processes;

namespace Marionette.Agent.Hosts;

/// <summary>Who this host is, and what it was told: the file <c>host.json</c> of its state folder, 0600, because it holds the host's secret.</summary>
/// <remarks>Settable members: the compiled JSON reader gives an init-only member that is missing null in place of its default.</remarks>
internal sealed class HostIdentity
{
    public const string FileName = "host.json";

    /// <summary>Bytes of the secret.</summary>
    public const int SecretSize = 32;

    private const string Alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    /// <summary>The address that is dialled, and that the runners' agents call.</summary>
    [JsonPropertyName("server")]
    public string Server { get; set; } = "";

    [JsonPropertyName("pool")]
    public string Pool { get; set; } = "";

    /// <summary>"host_…": made once.</summary>
    [JsonPropertyName("host")]
    public string Host { get; set; } = "";

    /// <summary>Proves the host, once a join token was bound to it.</summary>
    [JsonPropertyName("secret")]
    public byte[] Secret { get; set; } = [];

    /// <summary>A gateway has welcomed it: no token is needed any more.</summary>
    [JsonPropertyName("joined")]
    public bool Joined { get; set; }

    /// <summary>For people; null: the machine's name.</summary>
    [JsonPropertyName("name")]
    public string? Name { get; set; }

    [JsonPropertyName("labels")]
    public SortedDictionary<string, string> Labels { get; set; } = [];

    /// <summary>Cores for runners; null: all.</summary>
    [JsonPropertyName("cpus")]
    public double? Cpus { get; set; }

    /// <summary>MiB for runners; null: nine tenths of all.</summary>
    [JsonPropertyName("memory_mib")]
    public long? MemoryMib { get; set; }

    /// <summary>MiB of disk for runners; null: nine tenths of the state folder's file system.</summary>
    [JsonPropertyName("disk_mib")]
    public long? DiskMib { get; set; }

    /// <summary>Folders with programs for runners.</summary>
    [JsonPropertyName("tools")]
    public IReadOnlyList<string> Tools { get; set; } = [];

    [JsonIgnore]
    public Uri ServerUri => new(Server);

    /// <summary>What the state folder keeps; null when it has joined nothing.</summary>
    /// <exception cref="HostSetupException">The file cannot be read, or is not one of ours.</exception>
    public static HostIdentity? Load(string state)
    {
        var path = Path.Combine(state, FileName);
        try
        {
            using var file = File.OpenRead(path);
            var identity = JsonSerializer.Deserialize(file, HostJsonContext.Default.HostIdentity);
            return identity is { Secret.Length: SecretSize, Host.Length: > 0, Pool.Length: > 0 } && AgentConfig.TryHttpUri(identity.Server, out _)
                ? identity
                : throw new HostSetupException($"{path} is not whole");
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (JsonException exception)
        {
            // The parser's message may quote the file, and the file holds a secret: only the place is told.
            throw new HostSetupException($"{path} is not valid JSON at line {exception.LineNumber + 1}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new HostSetupException(exception.Message);
        }
    }

    /// <summary>The kept identity with what the options say put over it, or a new one. Nothing is written.</summary>
    /// <exception cref="HostSetupException">Something is missing or contradicts what is kept; every complaint in one line.</exception>
    public static HostIdentity From(HostIdentity? kept, HostOptions options, DateTimeOffset now)
    {
        var identity = kept ?? new HostIdentity { Host = NewId(now), Secret = Libc.RandomBytes(SecretSize) };
        var complaints = new List<string>();
        if (kept is { Joined: true } && options.Pool is { } other && other != kept.Pool)
            complaints.Add($"this host is of pool {kept.Pool}: --leave first");
        identity.Server = options.Server?.AbsoluteUri ?? identity.Server;
        identity.Pool = options.Pool ?? identity.Pool;
        if (identity.Server.Length == 0)
            complaints.Add("--server is missing");
        if (identity.Pool.Length == 0)
            complaints.Add("--pool is missing");
        if (!identity.Joined && options.Token.Length == 0)
            complaints.Add($"a join token is missing (--token-file, {HostOptions.TokenVariable} or --token)");
        if (complaints.Count > 0)
            throw new HostSetupException(string.Join("; ", complaints));
        identity.Name = options.Name ?? identity.Name;
        identity.Labels = options.Labels ?? identity.Labels;
        identity.Cpus = options.Cpus ?? identity.Cpus;
        identity.MemoryMib = options.MemoryMib ?? identity.MemoryMib;
        identity.DiskMib = options.DiskMib ?? identity.DiskMib;
        identity.Tools = options.Tools ?? identity.Tools;
        return identity;
    }

    /// <summary>Writes it: whole or not at all, and readable by its owner alone from the first byte on.</summary>
    public void Save(string state)
    {
        var path = Path.Combine(state, FileName);
        var temporary = path + ".new";
        File.Delete(temporary);
        using (var file = new FileStream(temporary, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
        {
            JsonSerializer.Serialize(file, this, HostJsonContext.Default.HostIdentity);
            file.Flush(flushToDisk: true);
        }

        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>Forgets the join.</summary>
    public static void Forget(string state) => File.Delete(Path.Combine(state, FileName));

    /// <summary>A host id in the manner of all ids: eight base62 characters of milliseconds since 1970, eight random ones.</summary>
    internal static string NewId(DateTimeOffset now)
    {
        Span<char> text = stackalloc char[16];
        Write(text[..8], (ulong)now.ToUnixTimeMilliseconds());
        Write(text[8..], BitConverter.ToUInt64(Libc.RandomBytes(8)));
        return string.Concat("host_", text);
    }

    private static void Write(Span<char> text, ulong number)
    {
        for (var at = text.Length - 1; at >= 0; at--)
            (text[at], number) = (Alphabet[(int)(number % 62)], number / 62);
    }
}

/// <summary>This host cannot be set up as it was told. The message is for people and holds no secret.</summary>
internal sealed class HostSetupException(string message) : Exception(message);

/// <summary>One daemon per state folder: whoever holds the lock of its file.</summary>
internal static class HostLock
{
    public const string FileName = "lock";

    /// <summary>The lock, or null where another process has it.</summary>
    public static FileStream? TryTake(string state)
    {
        try
        {
            return Take(state);
        }
        catch (HostSetupException)
        {
            return null;
        }
    }

    /// <summary>Makes the folder when missing, and takes its lock until disposed; the kernel gives it back when the process ends in any way.</summary>
    /// <exception cref="HostSetupException">Another process has it, or the folder cannot be used.</exception>
    public static FileStream Take(string state)
    {
        try
        {
            Directory.CreateDirectory(state, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            return new FileStream(Path.Combine(state, FileName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new HostSetupException(File.Exists(Path.Combine(state, FileName))
                ? $"another marionette-agent host works on {state}"
                : exception.Message);
        }
    }
}

/// <summary>The host's JSON types: compiled, no reflection.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(HostIdentity))]
internal sealed partial class HostJsonContext : JsonSerializerContext;
