using Docker.DotNet.Models;

namespace Marionette.Providers.Docker;

/// <summary>Which of the engine's runtimes a profile gets.</summary>
internal sealed class Runtimes(Engine engine, DockerProviderOptions options)
{
    private bool? _gvisor;

    /// <summary>What a profile gets that asks for the strongest. Until the engine was asked: what every engine has.</summary>
    public string Isolation => _gvisor == true ? "gvisor" : "container";

    /// <returns>Name of the runtime; null = the engine's own.</returns>
    /// <exception cref="ProviderException">Rejected: the profile asks for one that is not there.</exception>
    public async Task<string?> ForAsync(RunnerProfile profile, CancellationToken cancellationToken)
    {
        switch (profile.Sandbox)
        {
            case "runc":
                return null;
            case "auto":
                return await HasGvisorAsync(cancellationToken) ? options.GvisorRuntime : null;
            case "runsc":
                if (await HasGvisorAsync(cancellationToken)) return options.GvisorRuntime;
                throw new ProviderException(ProviderFault.Rejected,
                    $"The profile asks for runsc, and the engine has no runtime named \"{options.GvisorRuntime}\".");
            default:
                throw new ProviderException(ProviderFault.Rejected, $"The sandbox \"{profile.Sandbox}\" is none of Docker's: take auto, runc or runsc.");
        }
    }

    private async Task<bool> HasGvisorAsync(CancellationToken cancellationToken)
    {
        if (_gvisor is { } known) return known;
        var info = await engine.GetAsync<SystemInfoResponse>("describe itself", token => engine.Client.System.GetSystemInfoAsync(token), cancellationToken);
        var has = info.Runtimes?.ContainsKey(options.GvisorRuntime) == true;
        _gvisor = has;
        return has;
    }
}
