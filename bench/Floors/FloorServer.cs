using System.Buffers;
using System.Threading.Channels;
using Grpc.Core;
using Marionette.Protocol.V1;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Npgsql;

namespace Marionette.Bench.Floors;

/// <summary>
/// What a server of this kind costs at the very least, as a process of its own: one query a GET, one insert a POST, one insert a gRPC message, an SSE
/// stream fed from a bounded channel per subscriber. No accounts, no checks, no state.
/// </summary>
internal static class FloorServer
{
    private const int ChannelEvents = 1_024, FlushBytes = 64 * 1024;

    /// <summary>Serves until its standard input ends; says its two addresses on a line of its standard output.</summary>
    public static async Task<int> RunAsync(string connectionString)
    {
        await using var database = NpgsqlDataSource.Create(connectionString);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(database).AddGrpc();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(System.Net.IPAddress.Loopback, 0);
            kestrel.Listen(System.Net.IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2);
        });
        await using var app = builder.Build();
        app.MapGrpcService<HopService>();
        MapApi(app, database);
        MapFanOut(app);
        await app.StartAsync();
        var addresses = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.ToArray();
        Console.WriteLine($"{addresses[0]} {addresses[1]}");
        await Console.In.ReadToEndAsync();
        return 0;
    }

    private static void MapApi(WebApplication app, NpgsqlDataSource database)
    {
        app.MapGet("/rows/{key}", async (string key) =>
        {
            await using var command = database.CreateCommand("select state::text from grain_state where grain_type = 'session' and grain_key = $1");
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = "default/" + key });
            return Results.Text((string)(await command.ExecuteScalarAsync())!, "application/json");
        });
        app.MapPost("/rows", async (HttpRequest request) =>
        {
            using var body = new MemoryStream();
            await request.Body.CopyToAsync(body);
            await using var command = database.CreateCommand("insert into bench_row (body) values ($1) returning id");
            command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = body.ToArray() });
            return Results.Text($"{{\"id\":{await command.ExecuteScalarAsync()}}}", "application/json", statusCode: 201);
        });
    }

    private static void MapFanOut(WebApplication app)
    {
        var gate = new Lock();
        var subscribers = new List<Channel<byte[]>>();
        app.MapGet("/stream", async (HttpContext http) =>
        {
            var channel = Channel.CreateBounded<byte[]>(new BoundedChannelOptions(ChannelEvents) { SingleReader = true, SingleWriter = true });
            lock (gate) subscribers.Add(channel);
            http.Response.ContentType = "text/event-stream";
            await http.Response.BodyWriter.FlushAsync();
            try
            {
                while (await channel.Reader.WaitToReadAsync(http.RequestAborted))
                {
                    var pending = 0;
                    while (pending < FlushBytes && channel.Reader.TryRead(out var frame))
                    {
                        http.Response.BodyWriter.Write(frame);
                        pending += frame.Length;
                    }

                    await http.Response.BodyWriter.FlushAsync(http.RequestAborted);
                }
            }
            catch (OperationCanceledException)
            {
                // The client has what it wanted.
            }

            lock (gate) subscribers.Remove(channel);
        });
        app.MapPost("/publish/{count:int}", async (int count, HttpRequest request) =>
        {
            using var body = new MemoryStream();
            await request.Body.CopyToAsync(body);
            Channel<byte[]>[] all;
            lock (gate) all = [.. subscribers];
            for (var n = 1; n <= count; n++)
            {
                byte[] frame = [.. System.Text.Encoding.ASCII.GetBytes($"id: {n}\ndata: "), .. body.GetBuffer().AsSpan(0, (int)body.Length), .. "\n\n"u8];
                foreach (var channel in all)
                    if (!channel.Writer.TryWrite(frame)) await channel.Writer.WriteAsync(frame);
            }
        });
    }

    /// <summary>Each message is one committed insert, then an answer.</summary>
    private sealed class HopService(NpgsqlDataSource database) : RunnerGateway.RunnerGatewayBase
    {
        public override async Task Connect(IAsyncStreamReader<RunnerMessage> requestStream, IServerStreamWriter<ServerMessage> responseStream, ServerCallContext context)
        {
            while (await requestStream.MoveNext())
            {
                await using var command = database.CreateCommand("insert into bench_row (body) values ($1)");
                command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = requestStream.Current.Events.Events[0].Data.ToByteArray() });
                await command.ExecuteNonQueryAsync();
                await responseStream.WriteAsync(new ServerMessage { Ack = new EventAck { Acked = requestStream.Current.Events.First } });
            }
        }
    }
}
