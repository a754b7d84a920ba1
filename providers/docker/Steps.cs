namespace Marionette.Providers.Docker;

/// <summary>Tells of the phases of a start as they end.</summary>
internal sealed class Steps(IProgress<StartStep>? progress, TimeProvider clock)
{
    private long _began = clock.GetTimestamp();

    /// <summary>The next phase begins here.</summary>
    public void Begin() => _began = clock.GetTimestamp();

    /// <summary>It has ended.</summary>
    public void End(string phase) => progress?.Report(new StartStep(phase, clock.GetElapsedTime(_began)));

    /// <summary>It is that far.</summary>
    public void Tell(string phase, string detail) => progress?.Report(new StartStep(phase, null, detail));
}
