namespace Marionette.Providers.Docker.Tests;

/// <summary>The machine's clock, ahead by a while: what was made just now is old for it. Timers are the machine's.</summary>
internal sealed class LaterClock(TimeSpan ahead) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + ahead;
}
