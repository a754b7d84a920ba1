using System.Diagnostics;
using System.Text.Json;

namespace Marionette.Providers.Processes;

/// <summary>Asks the agent binary which agent programs its runners would find.</summary>
internal static class InstalledAgents
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);

    /// <exception cref="ProviderException">It cannot be asked, or does not know the question.</exception>
    public static async Task<IReadOnlyList<InstalledAgent>> AskAsync(ProcessStartInfo start, TimeProvider clock, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(Limit, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        using var process = Process.Start(start) ?? throw new ProviderException(ProviderFault.Unavailable, "The agent binary could not be started.");
        try
        {
            process.StandardInput.Close();
            var answer = await process.StandardOutput.ReadToEndAsync(both.Token);
            await process.WaitForExitAsync(both.Token);
            if (process.ExitCode != 0) throw new ProviderException(ProviderFault.Unavailable, $"The agent binary ended with {process.ExitCode}.");
            return JsonSerializer.Deserialize(answer, ProcessJsonContext.Default.AgentInventory)?.Agents ?? [];
        }
        catch (Exception e) when (e is JsonException or IOException || (e is OperationCanceledException && limit.IsCancellationRequested))
        {
            throw new ProviderException(ProviderFault.Unavailable, "The agent binary gave no list of agents.", e);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }
}

/// <summary>What the agent binary prints.</summary>
internal sealed record AgentInventory(IReadOnlyList<InstalledAgent> Agents);
