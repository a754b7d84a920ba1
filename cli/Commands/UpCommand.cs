using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using Marionette.Cli.Local;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette up</c>: checks what can be checked beforehand, then becomes the server.</summary>
internal static class UpCommand
{
    public static Command Create(CliContext context)
    {
        var data = new Option<string?>("--data-dir") { Description = $"Folder of the stack ({DataFolder.Default(context)})", HelpName = "DIR" };
        var api = Port("--api-port", "REST, SSE, WebSocket", 8080);
        var admin = Port("--admin-port", "Operators: health, metrics, dashboard", 8081);
        var grpc = Port("--grpc-port", "Where runners dial in", 9090);
        var bind = new Option<string>("--bind") { Description = "Address to listen on; anything but loopback is open to the network", HelpName = "ADDR", DefaultValueFactory = _ => "127.0.0.1" };
        var connection = new Option<string?>("--connection-string") { Description = "A PostgreSQL of yours instead of the embedded one.", HelpName = "S" };
        var docker = new Option<string?>("--docker-host") { Description = "A Docker Engine: the provider \"docker\" is there, too.", HelpName = "unix://…" };
        var image = new Option<string?>("--docker-image") { Description = "Image of its runners (marionette-runner:latest)", HelpName = "IMAGE" };
        var pools = Arguments.Many("--pools", "Names of pools of hosts: each is a provider whose runners live on machines that join it");
        var chunks = new Option<string?>("--chunk-store") { Description = "Folder or s3://BUCKET[/PREFIX] of workspaces' checkpoints (chunks in the data folder); none: there are none", HelpName = "DIR" };
        var endpoint = new Option<string?>("--chunk-store-endpoint") { Description = "Address of the bucket's server when it is not AWS", HelpName = "URL" };
        var region = new Option<string?>("--chunk-store-region") { Description = "The bucket's region", HelpName = "NAME" };
        var direct = new Option<string?>("--chunk-store-direct") { Description = "Whether runners go straight to the bucket (on, but off for a loopback endpoint)", HelpName = "on|off" };
        var key = new Option<string?>("--chunk-key") { Description = "What tenants' keys of the checkpoints are wrapped with, instead of the master key; commas between: the first wraps, all open", HelpName = "aws-kms:KEY" };
        var keyEndpoint = new Option<string?>("--chunk-key-endpoint") { Description = "Address of the key service when it is not AWS", HelpName = "URL" };
        var keyRegion = new Option<string?>("--chunk-key-region") { Description = "The key service's region", HelpName = "NAME" };
        var command = new Command("up", "Start a server, its database and a local provider, and stay") 
        {
            data, api, admin, grpc, bind, connection, docker, image, pools, chunks, endpoint, region, direct, key, keyEndpoint, keyRegion,
        };
        command.SetAction(result =>
        {
            var place = new SiloPlace(
                Path.GetFullPath(result.GetValue(data) ?? DataFolder.Default(context)),
                result.GetValue(api), result.GetValue(admin), result.GetValue(grpc), result.GetValue(bind)!, result.GetValue(connection),
                result.GetValue(docker), result.GetValue(image), result.GetValue(pools) ?? [],
                new ChunkSettings(
                    result.GetValue(chunks), result.GetValue(endpoint), result.GetValue(region), result.GetValue(direct),
                    result.GetValue(key), result.GetValue(keyEndpoint), result.GetValue(keyRegion)));
            Check(place);
            ProcessImage.Replace([.. Layout.Find(context).SiloCommand(place)]);
        });
        return command;
    }

    /// <summary>Finds what would stop the server, while it can still be said in one line.</summary>
    internal static void Check(SiloPlace place)
    {
        if (!IPAddress.TryParse(place.Bind, out var address))
            throw new CliException($"--bind {place.Bind} is not an IP address", "127.0.0.1 is this machine alone, 0.0.0.0 everybody.", ExitCode.Usage);
        (string Option, int Port)[] ports = [("--api-port", place.ApiPort), ("--admin-port", place.AdminPort), ("--grpc-port", place.GrpcPort)];
        foreach (var (option, port) in ports.Where(each => each.Port != 0))
        {
            if (ports.First(each => each.Port == port).Option is var first && first != option)
                throw new CliException($"{first} and {option} are both {port}", "Give each its own, or 0 for a free one.", ExitCode.Usage);
            if (!IsFree(address, port))
                throw new CliException($"port {port} is taken", $"Another server may run already; {option} 0 picks a free one.");
        }
        try
        {
            Directory.CreateDirectory(place.DataFolder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliException($"cannot make {place.DataFolder}: {error.Message}", "--data-dir names another folder.");
        }
    }

    internal static bool IsFree(IPAddress address, int port)
    {
        try
        {
            using var listener = new TcpListener(address, port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static Option<int> Port(string name, string description, int usual)
    {
        var option = new Option<int>(name) { Description = $"{description}; 0 picks a free one", HelpName = "N", DefaultValueFactory = _ => usual };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out var port) && port is < 0 or > 65535)
                result.AddError($"{name} must be 0 to 65535");
        });
        return option;
    }
}
