using Marionette.Adapters.Tests.Kit;

namespace Marionette.Adapters.Tests.Adapters;

public sealed class OpenCodeTests(SharedWorld shared) : Behaviours(shared)
{
    private protected override Adapter Adapter { get; } = new OpenCodeAdapter();
}

public sealed class ClaudeAcpTests(SharedWorld shared) : Behaviours(shared)
{
    private protected override Adapter Adapter { get; } = new ClaudeAcpAdapter();
}
