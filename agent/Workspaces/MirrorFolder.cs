using System.Text;
using System.Text.RegularExpressions;
using Marionette.Workspaces;

namespace Marionette.Agent.Workspaces;

/// <summary>A mirror as it is kept: the folder that is a snapshot in the store. It comes from another runner, so each name and line in it is checked.</summary>
internal static partial class MirrorFolder
{
    /// <summary>With more names than this a mirror would be slower than the server.</summary>
    public const int MostTips = 20_000;

    private const string TipsFile = "tips", ShallowFile = "shallow";

    /// <summary>Copies what a clone has. The driven agent may change its own files afterwards.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Write(string folder, MirrorOffer offer)
    {
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        foreach (var pack in offer.Packs)
            File.Copy(pack, Path.Combine(folder, Path.GetFileName(pack)));
        File.WriteAllLines(Path.Combine(folder, TipsFile), offer.Tips);
        if (offer.Shallow.Count > 0)
            File.WriteAllLines(Path.Combine(folder, ShallowFile), offer.Shallow);
    }

    /// <summary>What is in one.</summary>
    /// <exception cref="IOException">It is no mirror.</exception>
    public static MirrorOffer Read(string folder)
    {
        var packs = Directory.GetFiles(folder, "*.pack");
        if (Array.Find(packs, path => !PackPattern().IsMatch(Path.GetFileName(path)) || new FileInfo(path).LinkTarget is not null) is { } wrong)
            throw new IOException($"the mirror has an entry that is no pack: {Path.GetFileName(wrong)}");
        return new MirrorOffer(packs, Lines(folder, TipsFile), Lines(folder, ShallowFile), packs.Sum(path => new FileInfo(path).Length), 0);
    }

    /// <summary>Removes one, or what is left of it.</summary>
    public static void Remove(string folder)
    {
        if (Directory.Exists(folder))
            SafeFolder.RemoveTree(Libc.AtCwd, Encoding.UTF8.GetBytes(folder), folder);
    }

    private static string[] Lines(string folder, string name)
    {
        var file = new FileInfo(Path.Combine(folder, name));
        if (!file.Exists)
            return [];
        if (file.LinkTarget is not null || file.Length > MostTips * 65L)
            throw new IOException($"the mirror's {name} is no list of {MostTips} objects at most");
        var lines = File.ReadAllLines(file.FullName);
        return lines.All(line => ObjectPattern().IsMatch(line)) ? lines : throw new IOException($"the mirror's {name} has a line that names no object");
    }

    [GeneratedRegex(@"\Apack-([0-9a-f]{40}|[0-9a-f]{64})\.pack\z")]
    private static partial Regex PackPattern();

    [GeneratedRegex(@"\A([0-9a-f]{40}|[0-9a-f]{64})\z")]
    private static partial Regex ObjectPattern();
}
