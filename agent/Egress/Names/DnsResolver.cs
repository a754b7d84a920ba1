using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Marionette.Agent.Egress.Namespaces;
using Marionette.Agent.Processes;

namespace Marionette.Agent.Egress.Names;

/// <summary>What is known of a name.</summary>
/// <param name="Code">
/// <see cref="DnsWire.NoError"/>, <see cref="DnsWire.NoSuchName"/>, or <see cref="DnsWire.ServerFailure"/> when nobody could say.
/// </param>
internal sealed record NameLookup(int Code, IReadOnlyList<IPAddress> Addresses, TimeSpan Ttl);

/// <summary>
/// Asks the machine's name servers. Not getaddrinfo: that blocks a thread for each question, cannot be given up, tells neither how
/// long an answer holds nor whether a name is missing or only unknown now, and would let a runner ask for what stands in /etc/hosts.
/// </summary>
internal sealed class DnsResolver(Func<IReadOnlyList<IPEndPoint>> servers)
{
    private const int Rounds = 2;
    private const int MaxMessage = 65_535;
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(2);

    /// <summary>Looks up both kinds of addresses of a name.</summary>
    /// <param name="name">Canonical.</param>
    public async Task<NameLookup> LookupAsync(string name, CancellationToken cancellationToken)
    {
        var v4 = AskAsync(name, DnsWire.TypeA, cancellationToken);
        var v6 = AskAsync(name, DnsWire.TypeAaaa, cancellationToken);
        var answers = await Task.WhenAll(v4, v6).ConfigureAwait(false);
        var known = answers.OfType<DnsAnswer>().Where(answer => answer.Code is DnsWire.NoError or DnsWire.NoSuchName).ToList();
        List<IPAddress> addresses = [.. known.SelectMany(answer => answer.Addresses)];
        var ttl = known.Count == 0 ? TimeSpan.Zero : known.Min(answer => answer.Ttl);
        if (addresses.Count > 0)
            return new NameLookup(DnsWire.NoError, addresses, known.Where(answer => answer.Addresses.Count > 0).Min(answer => answer.Ttl));
        if (known.Count < answers.Length)
            return new NameLookup(DnsWire.ServerFailure, [], TimeSpan.Zero);
        return new NameLookup(known.All(answer => answer.Code == DnsWire.NoSuchName) ? DnsWire.NoSuchName : DnsWire.NoError, [], ttl);
    }

    /// <summary>Passes a question on as it is.</summary>
    /// <returns>The answer's bytes with the id of the question; null when nobody answered.</returns>
    public async Task<byte[]?> ForwardAsync(string name, ushort type, ushort id, CancellationToken cancellationToken)
    {
        if (await ExchangeAsync(name, type, cancellationToken).ConfigureAwait(false) is not { } message)
            return null;
        BinaryPrimitives.WriteUInt16BigEndian(message, id);
        return message;
    }

    private async Task<DnsAnswer?> AskAsync(string name, ushort type, CancellationToken cancellationToken) =>
        await ExchangeAsync(name, type, cancellationToken).ConfigureAwait(false) is { } message
            ? DnsAnswer.Parse(message, type, out _)
            : null;

    private async Task<byte[]?> ExchangeAsync(string name, ushort type, CancellationToken cancellationToken)
    {
        byte[]? last = null;
        for (var round = 0; round < Rounds; round++)
        {
            foreach (var server in servers())
            {
                var answer = await TryServerAsync(server, Query(name, type), cancellationToken).ConfigureAwait(false);
                // A server that cannot say is no reason not to ask the next one.
                if (answer is not null && (answer[3] & 0x0f) is DnsWire.NoError or DnsWire.NoSuchName)
                    return answer;
                last = answer ?? last;
            }
        }

        return last;
    }

    private static async Task<byte[]?> TryServerAsync(IPEndPoint server, byte[] query, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(AnswerLimit);
        try
        {
            var answer = await OverUdpAsync(server, query, limit.Token).ConfigureAwait(false);
            return (answer[2] & 0x02) == 0 ? answer : await OverTcpAsync(server, query, limit.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is SocketException or IOException or OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return null;
        }
    }

    private static async Task<byte[]> OverUdpAsync(IPEndPoint server, byte[] query, CancellationToken cancellationToken)
    {
        NetNamespace.StayHome();
        using var socket = new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        // Connected: the kernel takes answers from this server alone, at a port that it drew by lot.
        await socket.ConnectAsync(server, cancellationToken).ConfigureAwait(false);
        await socket.SendAsync(query, cancellationToken).ConfigureAwait(false);
        var buffer = new byte[4096];
        while (true)
        {
            var read = await socket.ReceiveAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (Answers(buffer.AsSpan(0, read), query))
                return buffer[..read];
        }
    }

    private static async Task<byte[]> OverTcpAsync(IPEndPoint server, byte[] query, CancellationToken cancellationToken)
    {
        NetNamespace.StayHome();
        using var socket = new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(server, cancellationToken).ConfigureAwait(false);
        using var stream = new NetworkStream(socket);
        var framed = new byte[query.Length + 2];
        BinaryPrimitives.WriteUInt16BigEndian(framed, (ushort)query.Length);
        query.CopyTo(framed, 2);
        await stream.WriteAsync(framed, cancellationToken).ConfigureAwait(false);
        var head = new byte[2];
        await stream.ReadExactlyAsync(head, cancellationToken).ConfigureAwait(false);
        var answer = new byte[BinaryPrimitives.ReadUInt16BigEndian(head)];
        await stream.ReadExactlyAsync(answer, cancellationToken).ConfigureAwait(false);
        return Answers(answer, query) ? answer : throw new IOException("not the answer to the question");
    }

    private static byte[] Query(string name, ushort type)
    {
        var message = new byte[DnsWire.HeaderSize + name.Length + 2 + 4];
        Libc.RandomBytes(2).CopyTo(message, 0);
        message[2] = 0x01; // recursion, please
        message[5] = 1;
        var at = DnsWire.HeaderSize + DnsQuestion.WriteName(name, message.AsSpan(DnsWire.HeaderSize));
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(at), type);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(at + 2), DnsWire.ClassInternet);
        return message;
    }

    // Same id, an answer, and the same question: otherwise it belongs to somebody else, or is a guess of a stranger's.
    private static bool Answers(ReadOnlySpan<byte> answer, ReadOnlySpan<byte> query)
    {
        if (answer.Length < query.Length || answer.Length > MaxMessage || !answer[..2].SequenceEqual(query[..2]) || (answer[2] & 0x80) == 0)
            return false;
        var said = answer[DnsWire.HeaderSize..query.Length];
        var asked = query[DnsWire.HeaderSize..];
        for (var at = 0; at < asked.Length; at++)
        {
            if (said[at] != asked[at] && char.ToLowerInvariant((char)said[at]) != (char)asked[at])
                return false;
        }

        return true;
    }
}
