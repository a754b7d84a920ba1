using System.Text.Json;
using Marionette.Json;
using Marionette.Log;

namespace Marionette.Profiles;

/// <summary>Profiles as sessions read them: from their rows, without a call that could close a cycle.</summary>
internal static class ProfileRows
{
    /// <summary>A profile; null when it is not there.</summary>
    public static async Task<ProfileView?> ReadAsync(ISessionLog log, string tenant, string id, CancellationToken cancellationToken) =>
        await log.ReadRowAsync("profile", GrainKeys.Of(tenant, id), cancellationToken) is { } row
            ? JsonSerializer.Deserialize(row, GrainsJsonContext.Default.ProfileView)
            : null;
}
