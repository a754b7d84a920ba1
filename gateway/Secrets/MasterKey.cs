using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Marionette.Gateway.Secrets;

/// <summary>The 32 bytes under which secrets are sealed, and a name for them that reveals nothing.</summary>
public sealed partial class MasterKey
{
    /// <summary>Length of a key, in bytes.</summary>
    public const int Length = 32;

    private readonly byte[] bytes;

    /// <summary>A key from its bytes, which are copied.</summary>
    /// <exception cref="ArgumentException">Not 32 bytes.</exception>
    public MasterKey(ReadOnlySpan<byte> key)
    {
        if (key.Length != Length) throw new ArgumentException($"A master key has {Length} bytes, not {key.Length}.", nameof(key));
        bytes = key.ToArray();
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        HMACSHA256.HashData(bytes, "marionette master key id"u8, digest);
        Id = $"mk-{Convert.ToHexStringLower(digest[..6])}";
    }

    /// <summary>Stands beside every sealed box, so that a wrong key is told from a damaged box.</summary>
    public string Id { get; }

    internal ReadOnlySpan<byte> Bytes => bytes;

    /// <summary>
    /// The key in base64, if one is given; otherwise the one in <c>secrets/master.key</c> of the data folder, which is made, readable
    /// by its owner alone, if it is not there.
    /// </summary>
    /// <exception cref="InvalidOperationException">The text or the file is not a key.</exception>
    public static MasterKey LoadOrCreate(string dataDirectory, string? base64 = null)
    {
        if (!string.IsNullOrWhiteSpace(base64)) return Parse(base64, "MARIONETTE_MASTER_KEY");
        var folder = Path.Combine(dataDirectory, "secrets");
        var path = Path.Combine(folder, "master.key");
        if (!File.Exists(path)) Create(folder, path);
        return Parse(File.ReadAllText(path), path);
    }

    /// <summary>Never the key.</summary>
    public override string ToString() => Id;

    private static void Create(string folder, string path)
    {
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(folder);
        else Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

        // Written aside and linked into place: two processes that start together end up with one key, and neither reads half of it.
        var draft = $"{path}.{RandomNumberGenerator.GetHexString(8)}";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using (var file = new StreamWriter(draft, options)) file.WriteLine(Convert.ToBase64String(RandomNumberGenerator.GetBytes(Length)));
        try
        {
            // File.Move looks first and renames then, so of two that start together the second would replace the first one's key.
            if (OperatingSystem.IsWindows()) File.Move(draft, path, overwrite: false);
            else if (Link(draft, path) != 0 && !File.Exists(path)) File.Move(draft, path, overwrite: false); // A file system without second names.
        }
        catch (IOException) when (File.Exists(path)) { }
        finally { File.Delete(draft); }
    }

    /// <summary>link(2): a second name for a file, refused in one step if that name is taken.</summary>
    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Link(string existing, string fresh);

    private static MasterKey Parse(string base64, string from)
    {
        Span<byte> key = stackalloc byte[Length + 1];
        if (!Convert.TryFromBase64String(base64.Trim(), key, out var length) || length != Length)
            throw new InvalidOperationException($"{from} does not hold {Length} bytes in base64.");
        try { return new MasterKey(key[..Length]); }
        finally { CryptographicOperations.ZeroMemory(key); }
    }
}
