using Marionette.Adapters.Tests.Kit;

namespace Marionette.Adapters.Tests.Adapters;

public sealed class CodexTests : Behaviours
{
    private protected override Adapter Adapter { get; } = new CodexAdapter();
}
