using System.Text.Json;
using Marionette.Agent.Hosting;

namespace Marionette.Agent.Channel;

/// <summary>Where the gateway is now. A stack that restarts on other ports says so in its endpoints file.</summary>
internal sealed class Endpoint(AgentConfig config)
{
    /// <summary>The address to dial: that of the endpoints file while it can be read, else the configured one.</summary>
    public Uri Current()
    {
        if (config.EndpointsFile is { Length: > 0 } path)
        {
            try
            {
                using var document = JsonDocument.Parse(File.ReadAllBytes(path));
                if (document.RootElement.ValueKind == JsonValueKind.Object
                    && document.RootElement.TryGetProperty("grpc_url", out var url)
                    && url.ValueKind == JsonValueKind.String
                    && AgentConfig.TryHttpUri(url.GetString(), out var uri))
                    return uri;
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
            {
                // Being rewritten, or not there yet: the configured address is as good a guess as any.
            }
        }

        return config.ServerUri;
    }
}
