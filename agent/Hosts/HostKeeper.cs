using Marionette.Agent.Hosts.Sandboxes;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosts;

/// <summary>The one place where a host's keeper is made.</summary>
internal static class HostKeeper
{
    /// <param name="state">The host's state folder.</param>
    /// <param name="tools">Folders with programs for runners.</param>
    /// <exception cref="HostSetupException">This program does not know its own file.</exception>
    public static IRunnerKeeper Create(string state, IReadOnlyList<string> tools, TimeProvider clock, ILogger log) => RunnerKeeper.Create(
        state, Environment.ProcessPath ?? throw new HostSetupException("the program's own file is not known"), tools, clock, log);
}
