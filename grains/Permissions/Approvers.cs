using System.Collections.Immutable;

namespace Marionette.Permissions;

/// <summary>Who may answer a request, and whether two answers come from one person.</summary>
internal static class Approvers
{
    /// <exception cref="MarionetteException">Forbidden.</exception>
    public static void MustBeOne(PermissionView view, string actor, string? name)
    {
        if (view.Approvers.IsEmpty || view.Approvers.Any(approver => Is(approver, actor, name))) return;
        throw new MarionetteException(FaultCode.Forbidden, $"{string.Join(", ", view.Approvers)} may answer this request, and {name ?? actor} is not one of them.");
    }

    /// <exception cref="MarionetteException">Conflict: one person is not two.</exception>
    public static void MustBeNew(PermissionView view, string actor, string? name)
    {
        if (view.Approvals.FirstOrDefault(a => Is(a.Actor, actor, name) || a.Name is { Length: > 0 } known && Is(known, actor, name)) is { } before)
            throw new MarionetteException(
                FaultCode.Conflict, $"{before.By} has approved it at {before.At:O}; it needs {view.RequiredApprovals} different people.");
    }

    public static ImmutableArray<string> HandOn(PermissionView view, string actor, string? name, string to) =>
        [.. view.Approvers.Where(approver => !Is(approver, actor, name)).Append(to).Distinct(StringComparer.OrdinalIgnoreCase)];

    private static bool Is(string who, string actor, string? name) =>
        string.Equals(who, actor, StringComparison.OrdinalIgnoreCase) || name is { Length: > 0 } && string.Equals(who, name, StringComparison.OrdinalIgnoreCase);
}
