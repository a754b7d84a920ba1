using Marionette.Gateway.Secrets;
using Marionette.Gateway.Workspaces;

namespace Marionette.Gateway;

/// <summary>What a gateway can be told. The defaults suit one machine with some hundreds of readers.</summary>
public sealed class GatewayOptions
{
    /// <summary>Key under which secrets of sessions are sealed. Every gateway and silo of an installation has the same one.</summary>
    public required MasterKey MasterKey { get; init; }

    /// <summary>Address of this API as people reach it, for links; null = the one that a request came to.</summary>
    public string? PublicUrl { get; init; }

    /// <summary>The chunk store, where workspaces' checkpoints lie; null = runners make none. All gateways of an installation have the same.</summary>
    public StorePlace? ChunkStore { get; init; }

    /// <summary>What tenants' keys of the chunk store are wrapped with. All gateways of an installation have the same.</summary>
    public ChunkKeys ChunkKeys { get; init; } = ChunkKeys.OfMaster;

    /// <summary>How often checkpoints are made, how long they stay, and how much a tenant may store.</summary>
    public KeepingOptions Keeping { get; init; } = new();

    /// <summary>Largest request body, in bytes. Default 2 MiB; larger ones are answered with 413.</summary>
    public int MaxBodyBytes { get; init; } = 2 * 1024 * 1024;

    /// <summary>Most SSE and WebSocket readers at a time, all streams together. Default 10000; one more is answered with 429.</summary>
    public int MaxStreams { get; init; } = 10_000;

    /// <summary>Newest events of a stream that are kept in memory, by number. Default 4096.</summary>
    public int RingEvents { get; init; } = 4096;

    /// <summary>Newest events of a stream that are kept in memory, in bytes. Default 16 MiB.</summary>
    public int RingBytes { get; init; } = 16 * 1024 * 1024;

    /// <summary>A reader that was sent nothing for so long gets a comment line. Default 10 s.</summary>
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a stream without readers is kept warm for one that comes back. Default 5 s.</summary>
    public TimeSpan FeedGrace { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How often the tenant's stream looks for new events while somebody reads it. Default 200 ms.</summary>
    public TimeSpan TenantPoll { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>How long a POST's idempotency key is remembered. Default 24 h.</summary>
    public TimeSpan IdempotencyLifetime { get; init; } = TimeSpan.FromHours(24);
}
