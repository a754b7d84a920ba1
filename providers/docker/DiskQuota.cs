using System.Net;
using Docker.DotNet.Models;

namespace Marionette.Providers.Docker;

/// <summary>
/// Whether the engine limits what a volume holds: its own driver takes a size where its storage has project quotas (xfs, mounted with them), and
/// refuses it elsewhere. It is asked until it answers, by a volume that is made for it and removed; the sweep finds one that a crash leaves by its role.
/// </summary>
internal sealed class DiskQuota(Engine engine, ResourceNames names)
{
    /// <summary>The engine's own driver of volumes, and its option.</summary>
    public const string Driver = "local", Size = "size";

    private const HttpStatusCode Refused = HttpStatusCode.BadRequest;

    private bool? _holds;

    /// <summary>Whether it does. Until the engine was asked: that it does not.</summary>
    public bool Holds => _holds == true;

    /// <summary>Asks, unless it was asked.</summary>
    /// <exception cref="ProviderException">The engine cannot be asked now.</exception>
    public async Task LearnAsync(CancellationToken cancellationToken)
    {
        if (_holds is not null) return;
        var probe = new VolumesCreateParameters
        {
            Name = names.Probe(Guid.NewGuid()), Driver = Driver, DriverOpts = Options(1), Labels = names.Labels(ResourceNames.ProbeRole),
        };
        // An engine that cannot says so as a wrong request. One that fails at it may be busy or about to end: it limits nothing now, and is asked again.
        var outcome = await engine.DoAsync(
            "try a volume with a size", token => engine.Client.Volumes.CreateAsync(probe, token), cancellationToken, Refused,
                HttpStatusCode.InternalServerError);
        if (outcome == HttpStatusCode.OK)
        {
            await engine.DoAsync(
                "remove a volume", token => engine.Client.Volumes.RemoveAsync(probe.Name, force: true, token), cancellationToken, HttpStatusCode.NotFound);
        }

        if (outcome != HttpStatusCode.InternalServerError) _holds = outcome == HttpStatusCode.OK;
    }

    /// <summary>The driver of a volume of a profile; null where there is no limit, or none that holds.</summary>
    public Driver? DriverFor(long mib) => Holds && mib > 0 ? new Driver { Name = Driver, Options = Options(mib) } : null;

    private static Dictionary<string, string> Options(long mib) => new() { [Size] = $"{mib}m" };
}
