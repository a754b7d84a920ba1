using System.Net;
using System.Net.Sockets;
using System.Text;
using Marionette.Gateway.Secrets;
using Marionette.Permissions;
using Marionette.Silo.Hosting;

namespace Marionette.Cluster.Tests.Hooks;

/// <summary>What a hook may be, and what its answer may be.</summary>
public sealed class ApprovalHookTests
{
    private static readonly SecretSealer Sealer = new(new MasterKey(new byte[32]));

    [Theory]
    [InlineData("127.0.0.1", true)]
    [InlineData("10.1.2.3", true)]
    [InlineData("172.31.0.1", true)]
    [InlineData("192.168.1.1", true)]
    [InlineData("169.254.169.254", true)]
    [InlineData("100.64.0.1", true)]
    [InlineData("0.0.0.0", true)]
    [InlineData("224.0.0.1", true)]
    [InlineData("::1", true)]
    [InlineData("::", true)]
    [InlineData("::ffff:10.0.0.1", true)]
    [InlineData("fe80::1", true)]
    [InlineData("fd00::1", true)]
    [InlineData("64:ff9b::a00:1", true)]
    [InlineData("2002:7f00:1::", true)]
    [InlineData("8.8.8.8", false)]
    [InlineData("172.32.0.1", false)]
    [InlineData("2606:4700::1111", false)]
    public void Address_PrivateOnesAreKnown(string address, bool isPrivate) => Assert.Equal(isPrivate, PrivateAddress.Is(IPAddress.Parse(address)));

    [Theory]
    [InlineData("http://127.0.0.1:{0}/")]
    [InlineData("http://localhost:{0}/")]
    [InlineData("http://2130706433:{0}/")]
    [InlineData("http://[::ffff:127.0.0.1]:{0}/")]
    public async Task Ask_PrivateAddress_IsNotConnectedTo(string url)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var caller = new ApprovalHookCaller(Sealer, TimeProvider.System, allowPrivate: false);
        var fault = await Assert.ThrowsAsync<ApprovalHookException>(
            () => caller.AskAsync("t", Hook(string.Format(url, ((IPEndPoint)listener.LocalEndpoint).Port)), Request, CancellationToken.None));
        Assert.Contains("private", fault.Message, StringComparison.Ordinal);
        Assert.False(listener.Pending());
    }

    [Theory]
    [InlineData("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "302")]
    [InlineData("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "500")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "not JSON")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "none of approve")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{\"decision\":\"APPROVE\"}", "none of approve")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{\"decision\":\"approve\"}", "cannot be reached")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"decision\":\"approve\"}", "cannot be reached")]
    [InlineData("nonsense\r\n\r\n", "cannot be reached")]
    public async Task Ask_AnswerThatIsNone_IsNoAnswer(string raw, string why)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var served = ServeAsync(listener, raw);
        ApprovalHookException fault;
        using (var caller = new ApprovalHookCaller(Sealer, TimeProvider.System, allowPrivate: true))
        {
            fault = await Assert.ThrowsAsync<ApprovalHookException>(
                () => caller.AskAsync("t", Hook($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/"), Request, CancellationToken.None));
        }

        Assert.Contains(why, fault.Message, StringComparison.Ordinal);
        await served;
    }

    [Fact]
    public async Task Ask_SilentHook_IsGivenUpAfterItsTime()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var caller = new ApprovalHookCaller(Sealer, TimeProvider.System, allowPrivate: true);
        var fault = await Assert.ThrowsAsync<ApprovalHookException>(
            () => caller.AskAsync("t", Hook($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/") with { TimeoutSeconds = 1 }, Request, CancellationToken.None));
        Assert.Contains("longer than 1 s", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"decision":"approve","updated_input":{"a":1}}""", true)]
    [InlineData("""{"decision":"deny","reason":"no"}""", false)]
    [InlineData("""{"decision":"none"}""", null)]
    public void Read_GoodAnswers(string body, bool? allow) => Assert.Equal(allow, ApprovalHookCaller.Read(Encoding.UTF8.GetBytes(body)).Allow);

    private static PermissionView Request => new() { Id = "perm_1", OriginalRequestId = "r", SessionId = "s", TaskId = "t", RunId = "r", Tool = "Bash", Action = "{}" };

    private static ApprovalHook Hook(string url) => new() { Id = "phk_1", Url = url, TimeoutSeconds = 10 };

    /// <summary>One connection: reads the post, says the answer, closes.</summary>
    private static async Task ServeAsync(TcpListener listener, string raw)
    {
        using var client = await listener.AcceptTcpClientAsync();
        var stream = client.GetStream();
        var buffer = new byte[64 * 1024];
        _ = await stream.ReadAsync(buffer);
        await stream.WriteAsync(Encoding.ASCII.GetBytes(raw));
        client.Client.Shutdown(SocketShutdown.Send);
        try
        {
            // Till the caller closes: a reset would cut the answer.
            while (await stream.ReadAsync(buffer) > 0) { }
        }
        catch (IOException)
        {
            // It closed without having read everything.
        }
    }
}
