using System.Net.Sockets;
using Marionette.Agent.Egress.Names;
using Marionette.Agent.Egress.Policy;

namespace Marionette.Agent.Egress.Relay;

/// <summary>What a connection, or a flow, needs of its runner.</summary>
internal interface IRelayHost
{
    EgressPolicy Policy { get; }

    Connector Connector { get; }

    NameListener NameListener { get; }

    BufferBudget Buffers { get; }

    void Blocked(Destination destination, BlockedReason reason);
}

/// <summary>One TCP connection of a runner, from the first packet to the last byte of either side.</summary>
internal sealed class RelayConnection(Socket client, Destination destination, IRelayHost host)
{
    private const int NamePort = 53;
    private static readonly TimeSpan GreetingLimit = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource life = new();
    private volatile Grant? grant;
    private volatile string? greeted;
    private volatile bool isCut;

    /// <summary>Carries the connection. Whatever went wrong, both sides are closed after it.</summary>
    public async Task RunAsync()
    {
        Socket? server = null;
        var whole = false;
        try
        {
            if (destination.Port == NamePort)
            {
                await host.NameListener.ServeTcpAsync(client, life.Token).ConfigureAwait(false);
                return;
            }

            client.NoDelay = true;
            if ((server = await OpenAsync().ConfigureAwait(false)) is null)
                return;
            KeepAlive(client);
            KeepAlive(server);
            await Task.WhenAll(UpAsync(server), DownAsync(server)).ConfigureAwait(false);
            whole = true;
        }
        catch (Exception exception) when (exception is SocketException or IOException or OperationCanceledException
            or ObjectDisposedException)
        {
            // One side broke, or the connection was cut: the other side sees a break too, not an end.
        }
        finally
        {
            Close(client, whole);
            if (server is not null)
                Close(server, whole);
            life.Dispose();
        }
    }

    /// <summary>Cuts the connection if the policy does not allow it any more.</summary>
    public void Recheck(EgressPolicy policy)
    {
        var stands = grant is not { } given ? destination.Port == NamePort || destination.Judge(policy) == Verdict.Allowed
            : given.Holds(policy) && (greeted is not { } name || AllowsGreeting(policy, name));
        if (stands)
            return;
        Cut();
    }

    /// <summary>Ends the connection with a break to both sides.</summary>
    public void Cut()
    {
        isCut = true;
        try
        {
            life.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It ended by itself at this moment.
        }
    }

    /// <summary>Closes a socket: with a break unless all was said.</summary>
    public static void Close(Socket socket, bool whole)
    {
        try
        {
            if (!whole)
                socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // It is gone already.
        }

        socket.Dispose();
    }

    private static void KeepAlive(Socket socket)
    {
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 120);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 30);
    }

    private async Task<Socket?> OpenAsync()
    {
        var policy = host.Policy;
        var verdict = destination.Judge(policy);
        if (verdict != Verdict.Allowed)
        {
            host.Blocked(destination, BlockedReasons.Of(verdict));
            return null;
        }

        var result = await host.Connector.ConnectAsync(destination, policy, life.Token).ConfigureAwait(false);
        if (result.Refused != Verdict.Allowed)
            host.Blocked(destination, BlockedReasons.Of(result.Refused));
        if (result.Socket is not { } socket)
            return null;
        grant = result.Grant;
        if (!ReferenceEquals(host.Policy, policy))
            Recheck(host.Policy); // it changed while the connection was made
        if (!isCut)
            return socket;
        Close(socket, whole: false);
        return null;
    }

    private async Task UpAsync(Socket server)
    {
        try
        {
            if (NeedsGreeting && !await GreetAsync(server).ConfigureAwait(false))
                throw new IOException("refused");
            await SocketPump.RunAsync(client, server, host.Buffers, life.Token).ConfigureAwait(false);
        }
        catch
        {
            Cut();
            throw;
        }
    }

    private async Task DownAsync(Socket server)
    {
        try
        {
            await SocketPump.RunAsync(server, client, host.Buffers, life.Token).ConfigureAwait(false);
        }
        catch
        {
            Cut();
            throw;
        }
    }

    // An address was granted as an address, and an alias is the operator's own.
    private bool NeedsGreeting => destination.Name is not null && grant is { Alias: null };

    /// <summary>
    /// Looks at the first bytes of the client before they go on: a TLS greeting must ask for a name that is allowed. What is not TLS
    /// goes on at once, and nobody waits for a client that says nothing.
    /// </summary>
    private async Task<bool> GreetAsync(Socket server)
    {
        await client.ReceiveAsync(Memory<byte>.Empty, life.Token).ConfigureAwait(false);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(life.Token);
        limit.CancelAfter(GreetingLimit);
        var buffer = new byte[4096];
        var length = 0;
        while (true)
        {
            if (length == buffer.Length)
                Array.Resize(ref buffer, Math.Min(buffer.Length * 2, ClientHello.MaxSize));
            var read = await client.ReceiveAsync(buffer.AsMemory(length), limit.Token).ConfigureAwait(false);
            length += read;
            var state = ClientHello.Read(buffer.AsSpan(0, length), out var asked);
            if (state == HelloState.Incomplete && read > 0 && length < ClientHello.MaxSize)
                continue;
            if (state == HelloState.NotTls || length == 0 || (state == HelloState.Complete && asked is null))
                break;
            greeted = state == HelloState.Complete ? asked : "";
            if (AllowsGreeting(host.Policy, greeted!))
                break;
            host.Blocked(destination, BlockedReason.NameMismatch);
            return false;
        }

        await SocketPump.SendAsync(server, buffer.AsMemory(0, length), life.Token).ConfigureAwait(false);
        return true;
    }

    // With everything open a greeting is only kept: the policy may change, and the connection is looked at again then.
    private bool AllowsGreeting(EgressPolicy policy, string asked) =>
        policy.Mode == EgressMode.Open
        || (HostName.Canonical(asked) is { } name && (name == destination.Name?.Name || policy.AllowsName(name, destination.Port)));
}
