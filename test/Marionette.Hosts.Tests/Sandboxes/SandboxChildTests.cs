using System.Diagnostics;
using Marionette.Agent.Hosts.Sandboxes;
using Marionette.Hosts.Tests.Daemon.Support;

namespace Marionette.Hosts.Tests.Sandboxes;

/// <summary>What the last step before bubblewrap hands on.</summary>
public sealed class SandboxChildTests
{
    // The published one has few descriptors of its own.
    private static string Binary => Environment.GetEnvironmentVariable("MARIONETTE_ARTIFACTS") is { Length: > 0 } artifacts
        && Path.Combine(artifacts, "agent", "marionette-agent") is var published && File.Exists(published) ? published : HostProcess.Binary;

    /// <summary>However many descriptors are taken when it opens the filter, the number that bubblewrap is told of among them.</summary>
    [Fact]
    public async Task Filter_IsThere_WhicheverDescriptorIsFree()
    {
        var filter = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(filter, "filter", TestContext.Current.CancellationToken);
            for (var taken = 0; taken <= BwrapCommand.FilterDescriptor; taken++)
            {
                var taking = string.Concat(Enumerable.Range(3, taken).Where(number => number <= 9).Select(number => $"exec {number}</dev/null; "));
                var start = new ProcessStartInfo("/bin/sh") { RedirectStandardOutput = true, RedirectStandardError = true };
                foreach (var argument in (string[])
                    ["-c", taking + "exec \"$@\"", "sh", Binary, SandboxChild.Verb, "0", filter, "", "/bin/sh", "-c", $"cat <&{BwrapCommand.FilterDescriptor}"])
                    start.ArgumentList.Add(argument);
                using var child = Process.Start(start)!;
                var output = child.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
                var errors = await child.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
                await child.WaitForExitAsync(TestContext.Current.CancellationToken);
                Assert.Equal(("filter", "", 0), (await output, errors, child.ExitCode));
            }
        }
        finally
        {
            File.Delete(filter);
        }
    }
}
