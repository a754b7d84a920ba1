using Marionette.Adapters.Tests.Kit;

namespace Marionette.Adapters.Tests.Adapters;

public sealed class CommandTests : Behaviours
{
    private protected override Adapter Adapter { get; } = new CommandAdapter();
}
