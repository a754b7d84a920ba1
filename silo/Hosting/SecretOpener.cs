using System.Security.Cryptography;
using Marionette.Gateway.Secrets;
using Marionette.Sessions;

namespace Marionette.Silo.Hosting;

/// <summary>Lets the grains open what the gateways seal.</summary>
internal sealed class SecretOpener(SecretSealer sealer) : ISecretOpener
{
    public Sessions.SessionSecrets Open(string tenant, string session, SealedSecrets box) => Open(tenant, session, box, SecretSealer.SessionPurpose, "session");

    public Sessions.SessionSecrets OpenConfig(string tenant, string configId, SealedSecrets box, string purpose) =>
        Open(tenant, configId, box, purpose, "agent configuration");

    private Sessions.SessionSecrets Open(string tenant, string id, SealedSecrets box, string purpose, string what)
    {
        try
        {
            var secrets = sealer.Open(tenant, id, box, purpose);
            return new Sessions.SessionSecrets(
                secrets.ApiKey, secrets.Env ?? (IReadOnlyDictionary<string, string>)new Dictionary<string, string>(),
                secrets.Options is { } options ? System.Text.Encoding.UTF8.GetBytes(options.GetRawText()) : null, secrets.GitSecret);
        }
        catch (CryptographicException e)
        {
            throw new MarionetteException(FaultCode.Internal, $"The secrets of the {what} cannot be opened: {e.Message}");
        }
    }
}
