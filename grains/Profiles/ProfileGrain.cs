namespace Marionette.Profiles;

/// <summary>Keeps one profile.</summary>
[GrainType("profile")]
internal sealed class ProfileGrain(
    [PersistentState("profile", StorageNames.State)] IPersistentState<ProfileView> row, TimeProvider clock) : Grain, IProfileGrain
{
    public async Task<ProfileView> CreateAsync(ProfileChange command, CancellationToken cancellationToken)
    {
        if (row.RecordExists) return row.State;
        var (_, id) = GrainKeys.Split(this.GetPrimaryKeyString());
        var now = clock.GetUtcNow();
        return await WriteAsync(Apply(new ProfileView { Id = id, CreatedAt = now }, command, now));
    }

    public ValueTask<ProfileView> GetAsync(CancellationToken cancellationToken) => ValueTask.FromResult(Known());

    public Task<ProfileView> UpdateAsync(ProfileChange command, CancellationToken cancellationToken) => WriteAsync(Apply(Known(), command, clock.GetUtcNow()));

    public async Task DeleteAsync(CancellationToken cancellationToken)
    {
        Known();
        await row.ClearStateAsync(cancellationToken);
        DeactivateOnIdle();
    }

    private static ProfileView Apply(ProfileView s, ProfileChange c, DateTimeOffset now)
    {
        var shape = s.Shape with
        {
            Image = Or(c.Image, s.Shape.Image), Cpus = c.Cpus ?? s.Shape.Cpus, MemoryMib = c.MemoryMib ?? s.Shape.MemoryMib,
            DiskMib = c.DiskMib ?? s.Shape.DiskMib, Pids = c.Pids ?? s.Shape.Pids, Sandbox = Or(c.Sandbox, s.Shape.Sandbox) ?? "auto",
            Env = c.Env ?? s.Shape.Env, InitScript = Or(c.InitScript, s.Shape.InitScript), HostLabels = c.HostLabels ?? s.Shape.HostLabels,
        };
        var name = c.Name ?? s.Name;
        return s with
        {
            Name = name, Description = Or(c.Description, s.Description), Provider = Or(c.Provider, s.Provider), Shape = shape with { Profile = name },
            NetworkPolicy = Or(c.NetworkPolicy, s.NetworkPolicy), AllowedHosts = c.AllowedHosts.IsDefault ? s.AllowedHosts : c.AllowedHosts,
            Labels = c.Labels ?? s.Labels, UpdatedAt = now,
        };
    }

    private static string? Or(string? change, string? old) => change is null ? old : change.Length == 0 ? null : change;

    private ProfileView Known() => row.RecordExists ? row.State : throw new MarionetteException(FaultCode.NotFound, "There is no such profile.");

    private async Task<ProfileView> WriteAsync(ProfileView view)
    {
        var kept = row.State;
        row.State = view;
        try
        {
            await row.WriteStateAsync();
        }
        catch
        {
            row.State = kept;
            DeactivateOnIdle();
            throw;
        }

        return view;
    }
}
