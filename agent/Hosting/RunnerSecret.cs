using Marionette.Agent.Processes;

namespace Marionette.Agent.Hosting;

/// <summary>The 32 bytes that, with the token, prove that a connection comes from the same runner as the first one.</summary>
internal static class RunnerSecret
{
    private const int Size = 32;

    /// <summary>Reads the secret, or makes it at the first start (mode 0600).</summary>
    public static byte[] LoadOrCreate(string path)
    {
        if (File.Exists(path) && File.ReadAllBytes(path) is { Length: Size } existing)
            return existing;
        var secret = Libc.RandomBytes(Size);
        // Whole or not at all: a crash between creation and content must not leave an empty secret behind.
        var temporary = path + ".new";
        File.Delete(temporary);
        using (var file = new FileStream(temporary, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
        {
            file.Write(secret);
        }

        File.Move(temporary, path, overwrite: true);
        return secret;
    }
}
