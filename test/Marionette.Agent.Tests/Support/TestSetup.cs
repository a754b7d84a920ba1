using System.Runtime.CompilerServices;
using Marionette.Agent.Processes;

namespace Marionette.Agent.Tests.Support;

internal static class TestSetup
{
    /// <summary>Children of code that runs inside the tests are started through the real agent's binary.</summary>
    [ModuleInitializer]
    public static void UseTheAgentsBinary() => ChildLauncher.Binary = AgentProcess.Binary;
}
