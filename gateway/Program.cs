using System.Net;
using Marionette.Gateway;
using Marionette.Gateway.Hosting;
using Marionette.Gateway.Secrets;
using Marionette.Gateway.Workspaces;
using Npgsql;

// The gateway as a process of its own. Options come from the command line or, in capitals after MARIONETTE_, from the environment:
// --connection-string, --data-dir (the master key's folder), --master-key, --listen, --api-port, --grpc-port, --cluster-id,
// --public-url (address for links), --chunk-store (folder or s3://BUCKET[/PREFIX] of workspaces' checkpoints), --chunk-store-endpoint, --chunk-store-region,
// --chunk-store-direct, --chunk-key (aws-kms:KEY, what tenants' keys are wrapped with), --chunk-key-endpoint, --chunk-key-region.
var builder = WebApplication.CreateSlimBuilder();
builder.Configuration.AddEnvironmentVariables("MARIONETTE_").AddCommandLine(args);
string? Setting(string name) => builder.Configuration[name] ?? builder.Configuration[name.Replace('-', '_')];

var connection = Setting("connection-string");
if (string.IsNullOrWhiteSpace(connection))
{
    Console.Error.WriteLine("marionette-gateway: give --connection-string or MARIONETTE_CONNECTION_STRING.");
    return 2;
}
var source = new NpgsqlDataSourceBuilder(connection);
if (string.IsNullOrEmpty(source.ConnectionStringBuilder.SearchPath)) source.ConnectionStringBuilder.SearchPath = "marionette";
await using var database = source.Build();
StorePlace? chunks;
ChunkKeys keys;
try
{
    keys = ChunkKeys.Parse(Setting("chunk-key"), Setting("chunk-key-endpoint"), Setting("chunk-key-region"));
    chunks = StorePlace.Parse(Setting("chunk-store"), Setting("chunk-store-endpoint"), Setting("chunk-store-region"), Setting("chunk-store-direct"));
}
catch (FormatException e)
{
    Console.Error.WriteLine($"marionette-gateway: {e.Message}");
    return 2;
}
try
{
    if (chunks is not null && await chunks.PrepareAsync(TimeProvider.System) is { } note) Console.Error.WriteLine($"marionette-gateway: --chunk-store: {note}");
}
catch (IOException e)
{
    Console.Error.WriteLine($"marionette-gateway: --chunk-store: {e.Message}");
    return 1;
}
try
{
    if (chunks is not null) await keys.PrepareAsync();
}
catch (IOException e)
{
    Console.Error.WriteLine($"marionette-gateway: --chunk-key: {e.Message}");
    return 1;
}
KeepingOptions keeping;
try
{
    keeping = KeepingOptions.From(builder.Configuration);
}
catch (FormatException e)
{
    Console.Error.WriteLine($"marionette-gateway: {e.Message}");
    return 2;
}
var options = new GatewayOptions
{
    MasterKey = MasterKey.LoadOrCreate(Setting("data-dir") ?? ".", Setting("master-key")), PublicUrl = Setting("public-url"), ChunkStore = chunks, ChunkKeys = keys, Keeping = keeping,
};

builder.Services.AddSingleton(database);
builder.AddMarionetteClusterClient(database, Setting("cluster-id") ?? "marionette");
builder.Services.AddMarionetteGateway(options);
builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.ListenForMarionette(
    IPAddress.Parse(Setting("listen") ?? "127.0.0.1"), int.Parse(Setting("api-port") ?? "8080"), int.Parse(Setting("grpc-port") ?? "9090")));

var app = builder.Build();
app.MapMarionetteGateway();
await app.RunAsync();
return 0;
