using System.Buffers;
using Grpc.Core;
using Marionette.Workspaces;

namespace Marionette.Gateway.Workspaces;

/// <summary>
/// Which objects a runner may touch, and how: packs, names of condemned ones, and its leases. A list of what may be, so that what comes later is out of reach.
/// </summary>
internal static class ObjectNames
{
    /// <summary>Longest name; ours are much shorter. A refusal may say a name of this length.</summary>
    private const int MaxLength = 200;

    private const int PackDigits = 64, LeaseDigits = 24;

    private static readonly SearchValues<char> Hex = SearchValues.Create("0123456789abcdef");

    /// <summary>What it may read: a pack; what is condemned.</summary>
    /// <exception cref="RpcException">InvalidArgument: no name; PermissionDenied.</exception>
    public static void CheckRead(string name) => Check(name, IsIn(name, StoreNames.Packs) || IsIn(name, StoreNames.Condemned));

    /// <summary>What it may ask for whether it is there: a pack, what is condemned, a snapshot's record, a lease's fence.</summary>
    /// <exception cref="RpcException">InvalidArgument: no name; PermissionDenied.</exception>
    public static void CheckFind(string name) =>
        Check(name, IsIn(name, StoreNames.Packs) || IsIn(name, StoreNames.Condemned) || IsIn(name, StoreNames.Snapshots) || IsIn(name, StoreNames.Leases));

    /// <summary>What it may put and delete: an upload's lease, which only who made it can name.</summary>
    /// <exception cref="RpcException">InvalidArgument: no name; PermissionDenied.</exception>
    public static void CheckLease(string name) =>
        Check(name, name.StartsWith(UploadLease.Prefix, StringComparison.Ordinal) && IsHex(name.AsSpan(UploadLease.Prefix.Length), LeaseDigits));

    /// <summary>What it may list: what is condemned.</summary>
    /// <exception cref="RpcException">InvalidArgument: no prefix; PermissionDenied.</exception>
    public static void CheckList(string prefix)
    {
        if (!prefix.EndsWith('/')) throw Refusals.Invalid("A prefix ends with a slash.");
        Check(prefix[..^1], prefix == StoreNames.Condemned);
    }

    /// <summary>The name of a pack, without its folder.</summary>
    /// <exception cref="RpcException">InvalidArgument.</exception>
    public static void CheckPack(string pack)
    {
        if (!IsHex(pack, PackDigits)) throw Refusals.Invalid("A pack's name is the hash of its bytes: 64 hexadecimal digits.");
    }

    private static void Check(string name, bool isAllowed)
    {
        if (name.Length > MaxLength) throw Refusals.Invalid($"A name has at most {MaxLength} characters.");
        StoreNames.Check(name);
        if (!isAllowed) throw new RpcException(new Status(StatusCode.PermissionDenied, $"{name} is out of a runner's reach here."));
        if (name.StartsWith(StoreNames.Packs, StringComparison.Ordinal)) CheckPack(name[StoreNames.Packs.Length..]);
    }

    /// <summary>Whether it is an object of this folder: one more segment.</summary>
    private static bool IsIn(string name, string folder) => name.StartsWith(folder, StringComparison.Ordinal) && name.IndexOf('/', folder.Length) < 0;

    private static bool IsHex(ReadOnlySpan<char> text, int digits) => text.Length == digits && !text.ContainsAnyExcept(Hex);
}
