using Marionette.Adapters.Tests.Kit;

namespace Marionette.Adapters.Tests.Adapters;

public sealed class OpenCodeTests : Behaviours
{
    private protected override Adapter Adapter { get; } = new OpenCodeAdapter();
}

public sealed class ClaudeAcpTests : Behaviours
{
    private protected override Adapter Adapter { get; } = new ClaudeAcpAdapter();
}
