using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Marionette.TestEngine;

namespace Marionette.Providers.Docker.Tests;

/// <summary>
/// The calls of an engine that a start needs up to the making of its container, as the Engine API (1.41) describes them, over a storage with project
/// quotas: it takes a size where the engine's own driver does, and refuses whatever the description has not. It makes no container.
/// </summary>
internal sealed partial class QuotaEngine : IDisposable
{
    private static readonly string[] DriverOptions = ["type", "o", "device", "size"];

    private readonly HttpListener _listener = new();
    private readonly bool _hasQuotas;

    public QuotaEngine(bool hasQuotas)
    {
        _hasQuotas = hasQuotas;
        var port = Ports.Free();
        Host = new Uri($"http://127.0.0.1:{port}");
        _listener.Prefixes.Add($"http://127.0.0.1:{port}/");
        _listener.Start();
        _ = ServeAsync();
    }

    public Uri Host { get; }

    /// <summary>Sizes of the volumes that are there, in bytes; null of one without.</summary>
    public ConcurrentDictionary<string, long?> Volumes { get; } = new();

    /// <summary>Times that a volume was asked for.</summary>
    public int VolumesAsked { get; private set; }

    /// <summary>Requests that the description has not.</summary>
    public ConcurrentQueue<string> Wrong { get; } = new();

    public void Dispose() => _listener.Close();

    private async Task ServeAsync()
    {
        try
        {
            while (true) await AnswerAsync(await _listener.GetContextAsync());
        }
        catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        using var reader = new StreamReader(context.Request.InputStream);
        var (status, answer) = Answer(context.Request.HttpMethod, Version().Replace(context.Request.Url!.AbsolutePath, ""), await reader.ReadToEndAsync());
        context.Response.StatusCode = status;
        if (status != 204)
        {
            context.Response.ContentType = "application/json";
            await context.Response.OutputStream.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(answer));
        }

        context.Response.Close();
    }

    private (int Status, object? Answer) Answer(string method, string path, string body)
    {
        try
        {
            switch (method, path.Split('/', StringSplitOptions.RemoveEmptyEntries))
            {
                case ("GET", ["info"]):
                    return (200, new { Runtimes = new { runc = new { path = "runc" } } });
                case ("GET", ["containers", _, "json"]) or ("GET", ["volumes", _]):
                    return (404, new { message = "no such thing" });
                case ("POST", ["volumes", "create"]):
                    VolumesAsked++;
                    return MakeVolume(JsonDocument.Parse(body).RootElement);
                case ("DELETE", ["volumes", var name]):
                    return Volumes.TryRemove(name, out _) ? (204, null) : (404, new { message = $"get {name}: no such volume" });
                case ("POST", ["containers", "create"]):
                    foreach (var mount in JsonDocument.Parse(body).RootElement.GetProperty("HostConfig").GetProperty("Mounts").EnumerateArray()) TakeMount(mount);
                    return (500, new { message = "this engine makes no containers" });
                default:
                    throw new FormatException($"{method} {path}");
            }
        }
        catch (FormatException e)
        {
            Wrong.Enqueue(e.Message);
            return (400, new { message = e.Message });
        }
    }

    private (int Status, object? Answer) MakeVolume(JsonElement volume)
    {
        Only(volume, "Name", "Driver", "DriverOpts", "Labels");
        var name = volume.GetProperty("Name").GetString()!;
        var size = SizeOf(Member(volume, "Driver"), Member(volume, "DriverOpts"));
        if (size is not null && !_hasQuotas) return (400, new { message = $"create {name}: quota size requested but no quota support" });
        Volumes[name] = size;
        return (201, new { Name = name, Driver = "local", Mountpoint = "/nowhere", Labels = Member(volume, "Labels"), Scope = "local" });
    }

    private void TakeMount(JsonElement mount)
    {
        Only(mount, "Type", "Source", "Target", "ReadOnly", "Consistency", "VolumeOptions");
        if (mount.GetProperty("Type").GetString() != "volume") throw new FormatException($"a mount of another type: {mount}");
        var options = mount.GetProperty("VolumeOptions");
        Only(options, "NoCopy", "Labels", "DriverConfig");
        var config = Member(options, "DriverConfig");
        if (config is { } some) Only(some, "Name", "Options");
        var size = config is { } driver ? SizeOf(Member(driver, "Name"), Member(driver, "Options")) : null;
        if (size is not null && !_hasQuotas) throw new FormatException("quota size requested but no quota support");
        Volumes[mount.GetProperty("Source").GetString()!] = size;
    }

    // volume/local of the engine: which options there are, and a size as its units are read.
    private static long? SizeOf(JsonElement? driver, JsonElement? options)
    {
        if (driver is { } named && named.GetString() is not ("local" or "")) throw new FormatException($"no driver {named}");
        if (options is not { } given) return null;
        Only(given, DriverOptions);
        if (Member(given, "size") is not { } size) return null;
        var match = Size().Match(size.GetString()!);
        if (!match.Success) throw new FormatException($"invalid size: '{size}'");
        return long.Parse(match.Groups[1].Value) << ("kmgtp".IndexOf(match.Groups[2].Value.ToLowerInvariant(), StringComparison.Ordinal) + 1) * 10;
    }

    private static void Only(JsonElement given, params string[] known)
    {
        foreach (var member in given.EnumerateObject().Where(member => member.Value.ValueKind != JsonValueKind.Null))
            if (!known.Contains(member.Name)) throw new FormatException($"no member \"{member.Name}\" is described: {given}");
    }

    private static JsonElement? Member(JsonElement of, string name) =>
        of.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    [GeneratedRegex(@"^(\d+)([kKmMgGtTpP])i?[bB]?$")]
    private static partial Regex Size();

    [GeneratedRegex(@"^/v1\.\d+")]
    private static partial Regex Version();
}
