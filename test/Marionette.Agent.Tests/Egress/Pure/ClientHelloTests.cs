using System.IO.Pipelines;
using System.Net.Security;
using System.Security.Authentication;
using FsCheck.Xunit;
using Marionette.Agent.Egress.Relay;

namespace Marionette.Agent.Tests.Egress.Pure;

public sealed class ClientHelloTests
{
    private static readonly Lazy<byte[]> Real = new(() => Capture("api.good.test"));

    [Fact]
    public void RealGreeting_TellsItsName()
    {
        Assert.Equal(HelloState.Complete, ClientHello.Read(Real.Value, out var name));
        Assert.Equal("api.good.test", name);
    }

    [Fact]
    public void RealGreeting_WithoutAName_TellsNone()
    {
        Assert.Equal(HelloState.Complete, ClientHello.Read(Capture(""), out var name));
        Assert.Null(name);
    }

    [Fact]
    public void Beginning_IsIncomplete_AtEveryLength()
    {
        for (var length = 0; length < Real.Value.Length; length++)
            Assert.Equal(HelloState.Incomplete, ClientHello.Read(Real.Value.AsSpan(0, length), out _));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(50)]
    public void GreetingInManyRecords_TellsItsName(int size)
    {
        List<byte> bytes = [];
        foreach (var piece in Real.Value[5..].Chunk(size))
            bytes.AddRange([22, 3, 1, (byte)(piece.Length >> 8), (byte)piece.Length, .. piece]);
        Assert.Equal(HelloState.Complete, ClientHello.Read(bytes.ToArray(), out var name));
        Assert.Equal("api.good.test", name);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n")]
    [InlineData("SSH-2.0-x\r\n")]
    [InlineData("\u0016\u0004")]
    public void OtherProtocols_AreNotTls(string text) =>
        Assert.Equal(HelloState.NotTls, ClientHello.Read(System.Text.Encoding.Latin1.GetBytes(text), out _));

    [Fact]
    public void SecondName_IsMalformed()
    {
        byte[] one = [0, 0, 0, 8, 0, 6, 0, 0, 3, (byte)'a', (byte)'.', (byte)'b'];
        Assert.Equal(HelloState.Complete, ClientHello.Read(Hello(one), out var name));
        Assert.Equal("a.b", name);
        Assert.Equal(HelloState.Malformed, ClientHello.Read(Hello([.. one, .. one]), out _));
    }

    [Fact]
    public void AnotherMessageOrRecord_IsMalformed()
    {
        var message = Hello([]);
        message[5] = 2;
        Assert.Equal(HelloState.Malformed, ClientHello.Read(message, out _));
        Assert.Equal(HelloState.Malformed, ClientHello.Read([22, 3, 1, 0, 1, 1, 23, 3, 1, 0, 1, 0], out _));
        Assert.Equal(HelloState.Malformed, ClientHello.Read([22, 3, 1, 0, 0], out _));
    }

    [Property(MaxTest = 2000)]
    public void RandomBytes_NeverThrow(byte[]? bytes)
    {
        bytes ??= [];
        _ = ClientHello.Read(bytes, out _);
        _ = ClientHello.Read([22, 3, 1, .. bytes], out _);
        _ = ClientHello.Read(Hello(bytes), out _);
    }

    [Property(MaxTest = 1000)]
    public void BrokenGreeting_NeverThrows(int at, byte value)
    {
        var bytes = Real.Value.ToArray();
        bytes[(int)((uint)at % bytes.Length)] = value;
        _ = ClientHello.Read(bytes, out _);
    }

    // A greeting with these extensions and nothing else.
    private static byte[] Hello(byte[] extensions)
    {
        byte[] body = [3, 3, .. new byte[32], 0, 0, 2, 0x13, 1, 1, 0, .. Two(extensions.Length), .. extensions];
        return [22, 3, 1, .. Two(body.Length + 4), 1, 0, .. Two(body.Length), .. body];

        static byte[] Two(int length) => [(byte)(length >> 8), (byte)length];
    }

    private static byte[] Capture(string name)
    {
        var (toServer, toClient) = (new Pipe(), new Pipe());
        using var tls = new SslStream(new Duplex(toClient.Reader.AsStream(), toServer.Writer.AsStream()));
        _ = tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = name,
            EnabledSslProtocols = SslProtocols.Tls13 | SslProtocols.Tls12,
        });
        var bytes = new byte[64 * 1024];
        var length = 0;
        var stream = toServer.Reader.AsStream();
        while (length < 5 || length < 5 + ((bytes[3] << 8) | bytes[4]))
            length += stream.Read(bytes, length, bytes.Length - length);
        return bytes[..length];
    }

    private sealed class Duplex(Stream input, Stream output) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Flush() => output.Flush();

        public override int Read(byte[] buffer, int offset, int count) => input.Read(buffer, offset, count);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            input.ReadAsync(buffer, cancellationToken);

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => output.Write(buffer, offset, count);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            output.WriteAsync(buffer, cancellationToken);
    }
}
