using System.Text.Json;
using Marionette.Cli.Output;

namespace Marionette.Cli.Local;

/// <summary>What a running stack says of itself in <c>endpoints.json</c>.</summary>
internal sealed record LocalStack(Uri ApiUrl, Uri? AdminUrl, string? GrpcUrl, string? ApiKey)
{
    /// <summary>Reads the file; null when there is none, it may not be read, or it is not complete yet.</summary>
    public static LocalStack? Read(string path)
    {
        try
        {
            var json = JsonRead.Parse(File.ReadAllText(path));
            return Uri.TryCreate(json.Text("api_url"), UriKind.Absolute, out var api)
                ? new LocalStack(api, Uri.TryCreate(json.Text("admin_url"), UriKind.Absolute, out var admin) ? admin : null, json.Text("grpc_url"), json.Text("api_key"))
                : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }
}
