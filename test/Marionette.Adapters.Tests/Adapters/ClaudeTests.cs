using Marionette.Adapters.Tests.Kit;

namespace Marionette.Adapters.Tests.Adapters;

public sealed class ClaudeTests(SharedWorld shared) : Behaviours(shared)
{
    private protected override Adapter Adapter { get; } = new ClaudeAdapter();
}
