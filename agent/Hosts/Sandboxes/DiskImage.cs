using Marionette.Protocol.Hosts.V1;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>Disks of runners: images that grow as they are written, up to their size; or folders where there is no limit.</summary>
internal static class DiskImage
{
    /// <summary>How an image's name ends.</summary>
    public const string Image = ".img";

    // e2fsck(8): errors were found and corrected.
    private const int Mended = 1;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2), Look = TimeSpan.FromMilliseconds(20);

    /// <summary>Finds or makes a disk. One that is too small grows; none shrinks.</summary>
    /// <param name="launcher">The agent's program, which starts those that do the work.</param>
    /// <param name="path">Without its ending.</param>
    /// <param name="mib">0: no limit.</param>
    /// <returns>The image, or the folder.</returns>
    /// <exception cref="IOException">It could not be made.</exception>
    /// <exception cref="HostFault">Rejected: it was made without a limit, and is to have one.</exception>
    public static async Task<string> EnsureAsync(string launcher, string path, long mib, CancellationToken cancellationToken)
    {
        var image = path + Image;
        if (File.Exists(image))
        {
            await UnusedAsync(image, cancellationToken).ConfigureAwait(false);
            var length = new FileInfo(image).Length;
            // The file grows before what is in it: the last one who grew it may have come no further.
            if (mib << 20 > length || Ext4.LacksRoomOf(image))
                await Task.Run(() => Grow(launcher, image, Math.Max(mib << 20, length)), cancellationToken).ConfigureAwait(false);
            return image;
        }

        if (mib == 0 || Directory.Exists(path))
        {
            if (mib > 0)
                throw new HostFault(FaultKind.Rejected, $"{Path.GetFileName(path)} was made without a limit of disk, and cannot be given one");
            HostFolders.Make(path);
            return path;
        }

        HostFolders.Make(Path.GetDirectoryName(path)!);
        await Task.Run(() => Make(launcher, image, mib << 20), cancellationToken).ConfigureAwait(false);
        return image;
    }

    /// <summary>The device of an image goes a moment after the last process that saw it; mounted twice it would be ruined.</summary>
    /// <exception cref="IOException">Something holds it.</exception>
    public static async Task UnusedAsync(string image, CancellationToken cancellationToken)
    {
        for (var began = Environment.TickCount64; IsUsed(image); await Task.Delay(Look, cancellationToken).ConfigureAwait(false))
        {
            if (Environment.TickCount64 - began > 20_000)
                throw new IOException($"{image} is still in use");
        }
    }

    public static bool IsUsed(string image) => Devices().Any(device => device.File == image);

    /// <summary>Devices that images are attached to.</summary>
    public static IEnumerable<(string Device, string File)> Devices()
    {
        foreach (var folder in Directory.GetDirectories("/sys/block", "loop*"))
        {
            string file;
            try
            {
                file = File.ReadAllText(folder + "/loop/backing_file").TrimEnd('\n');
            }
            catch (IOException)
            {
                continue; // nothing is attached
            }

            yield return ("/dev/" + Path.GetFileName(folder), file);
        }
    }

    private static void Make(string launcher, string image, long bytes)
    {
        var fresh = image + ".new";
        File.Delete(fresh);
        Allot(fresh, FileMode.Create, bytes);
        SystemProgram.RunTied(launcher, Patience, 0, "mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", fresh);
        File.Move(fresh, image);
    }

    private static void Grow(string launcher, string image, long bytes)
    {
        SystemProgram.RunTied(launcher, Patience, Mended, "e2fsck", "-p", "-f", image);
        Allot(image, FileMode.Open, bytes);
        SystemProgram.RunTied(launcher, Patience, 0, "resize2fs", image);
    }

    private static void Allot(string path, FileMode mode, long bytes)
    {
        using var file = new FileStream(path, new FileStreamOptions
        {
            Mode = mode, Access = FileAccess.Write, UnixCreateMode = mode == FileMode.Create ? UnixFileMode.UserRead | UnixFileMode.UserWrite : null,
        });
        file.SetLength(bytes);
    }
}
