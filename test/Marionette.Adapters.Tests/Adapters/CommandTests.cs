using Marionette.Adapters.Tests.Kit;

namespace Marionette.Adapters.Tests.Adapters;

public sealed class CommandTests(SharedWorld shared) : Behaviours(shared)
{
    private protected override Adapter Adapter { get; } = new CommandAdapter();
}
