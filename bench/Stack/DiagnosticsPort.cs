using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace Marionette.Bench.Stack;

/// <summary>
/// The diagnostics port that every .NET process has (docs: dotnet/diagnostics, ipc-protocol.md): opening a trace with the collect keyword makes the
/// runtime run one full, blocking collection. So memory can be compared without a door in the product.
/// </summary>
internal static class DiagnosticsPort
{
    private const string Provider = "Microsoft-Windows-DotNETRuntime";
    private const ulong CollectKeyword = 0x800000;

    public static async Task CollectAsync(int pid, CancellationToken cancellationToken)
    {
        var path = Directory.EnumerateFiles(Path.GetTempPath(), $"dotnet-diagnostic-{pid}-*-socket").First();
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync(CollectTracing(), cancellationToken);
        // The answer, then the trace. It is read to nowhere for the time that a collection may take; closing ends the session.
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        enough.CancelAfter(TimeSpan.FromSeconds(3));
        var nowhere = new byte[64 * 1024];
        try
        {
            while (await stream.ReadAsync(nowhere, enough.Token) > 0) { }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The collection is over.
        }
    }

    private static byte[] CollectTracing()
    {
        using var body = new MemoryStream();
        using var writer = new BinaryWriter(body, Encoding.Unicode);
        writer.Write(16u); // buffer in MB
        writer.Write(1u); // nettrace
        writer.Write(1u); // one provider
        writer.Write(CollectKeyword);
        writer.Write(4u); // informational
        WriteText(writer, Provider);
        WriteText(writer, "");
        var message = new byte[20 + body.Length];
        "DOTNET_IPC_V1\0"u8.CopyTo(message);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(14), (ushort)message.Length);
        message[16] = 2; // EventPipe
        message[17] = 2; // CollectTracing
        body.ToArray().CopyTo(message, 20);
        return message;
    }

    private static void WriteText(BinaryWriter writer, string text)
    {
        if (text.Length == 0)
        {
            writer.Write(0u);
            return;
        }

        writer.Write((uint)text.Length + 1);
        writer.Write(Encoding.Unicode.GetBytes(text + "\0"));
    }
}
