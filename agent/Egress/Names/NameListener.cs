using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Marionette.Agent.Egress.Names;

/// <summary>Takes a runner's questions, over UDP from its one socket and over TCP from connections that are handed in.</summary>
internal sealed class NameListener(NameService service)
{
    /// <summary>Questions at once; more are dropped, and asked again by whoever needs the answer.</summary>
    private const int MaxAtOnce = 128;

    private static readonly TimeSpan TcpIdle = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim slots = new(MaxAtOnce);

    /// <summary>Serves a socket until it is closed.</summary>
    public async Task ServeUdpAsync(Socket socket, CancellationToken cancellationToken)
    {
        var buffer = new byte[2048];
        var anyone = new IPEndPoint(IPAddress.IPv6Any, 0);
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                var packet = await socket.ReceiveFromAsync(buffer, SocketFlags.None, anyone, cancellationToken).ConfigureAwait(false);
                if (slots.Wait(0, CancellationToken.None))
                    _ = AnswerAsync(socket, buffer.AsSpan(0, packet.ReceivedBytes).ToArray(), packet.RemoteEndPoint, cancellationToken);
            }
            catch (SocketException)
            {
                // An answer that could not be delivered shows here, at the next receive.
            }
            catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    /// <summary>Serves one connection until it ends, is idle, or says what is no message.</summary>
    public async Task ServeTcpAsync(Socket socket, CancellationToken cancellationToken)
    {
        using var stream = new NetworkStream(socket);
        var head = new byte[2];
        while (true)
        {
            using var idle = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            idle.CancelAfter(TcpIdle);
            await stream.ReadExactlyAsync(head, idle.Token).ConfigureAwait(false);
            var message = new byte[BinaryPrimitives.ReadUInt16BigEndian(head)];
            await stream.ReadExactlyAsync(message, idle.Token).ConfigureAwait(false);
            if (await service.AnswerAsync(message, ushort.MaxValue, idle.Token).ConfigureAwait(false) is not { } answer)
                return;
            var framed = new byte[answer.Length + 2];
            BinaryPrimitives.WriteUInt16BigEndian(framed, (ushort)answer.Length);
            answer.CopyTo(framed, 2);
            await stream.WriteAsync(framed, idle.Token).ConfigureAwait(false);
        }
    }

    private async Task AnswerAsync(Socket socket, byte[] question, EndPoint asker, CancellationToken cancellationToken)
    {
        try
        {
            await Task.Yield(); // building the answer does not hold up the next question
            if (await service.AnswerAsync(question, DnsWire.MaxUdp, cancellationToken).ConfigureAwait(false) is { } answer)
                await socket.SendToAsync(answer, SocketFlags.None, asker, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The asker, or the runner, is gone.
        }
        finally
        {
            slots.Release();
        }
    }
}
