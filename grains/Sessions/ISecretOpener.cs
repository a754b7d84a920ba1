namespace Marionette.Sessions;

/// <summary>Opens what a gateway sealed. A seam to the outside: where the master key lives is the host's business.</summary>
public interface ISecretOpener
{
    /// <summary>The secrets of this session.</summary>
    /// <exception cref="MarionetteException">Internal: another key, or the box was moved or changed.</exception>
    SessionSecrets Open(string tenant, string session, SealedSecrets box);

    /// <summary>The secrets of an agent configuration that were sealed for this purpose.</summary>
    /// <exception cref="MarionetteException">Internal: another key, or the box was moved or changed.</exception>
    SessionSecrets OpenConfig(string tenant, string configId, SealedSecrets box, string purpose);
}

/// <summary>Opened secrets: on their way to the runner, never stored or logged.</summary>
/// <param name="ApiKey">Model key or null.</param>
/// <param name="Env">Environment of the agent.</param>
/// <param name="Options">What the agent kind takes beside that: a JSON object in UTF-8, or null.</param>
/// <param name="GitSecret">Secret of the credential that its workspace is cloned with, or null.</param>
public sealed record SessionSecrets(string? ApiKey, IReadOnlyDictionary<string, string> Env, byte[]? Options = null, string? GitSecret = null)
{
    /// <summary>Never the content.</summary>
    public override string ToString() => nameof(SessionSecrets);
}
