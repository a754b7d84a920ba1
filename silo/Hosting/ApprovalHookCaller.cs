using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Marionette.Gateway.Secrets;
using Marionette.Permissions;

namespace Marionette.Silo.Hosting;

/// <summary>
/// Posts requests to hooks, signed as the original signs its webhooks. The address is a tenant's: names are resolved once and the connection goes to what
/// was checked, redirects are not followed, no proxy is used, and answers are bounded.
/// </summary>
internal sealed class ApprovalHookCaller : IApprovalHookCaller, IDisposable
{
    private const int MaxAnswer = 64 * 1024, MaxReason = 1000;
    private const string SecretPurpose = "permission-hook";

    private readonly SecretSealer _sealer;
    private readonly TimeProvider _clock;
    private readonly bool _allowPrivate;
    private readonly HttpClient _http;

    /// <param name="allowPrivate">Let hooks lie on this machine and in private networks.</param>
    public ApprovalHookCaller(SecretSealer sealer, TimeProvider clock, bool allowPrivate)
    {
        (_sealer, _clock, _allowPrivate) = (sealer, clock, allowPrivate);
        _http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false, UseProxy = false, UseCookies = false, ConnectCallback = ConnectAsync, PooledConnectionLifetime = TimeSpan.FromMinutes(1),
            MaxResponseHeadersLength = 16,
        }) { MaxResponseContentBufferSize = MaxAnswer, Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("Marionette-Webhook", "1.0"));
    }

    public async Task<HookAnswer> AskAsync(string tenant, ApprovalHook hook, PermissionView request, CancellationToken cancellationToken)
    {
        using var post = Post(tenant, hook, request);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(Math.Clamp(hook.TimeoutSeconds, 1, 60)), _clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            using var response = await _http.SendAsync(post, either.Token);
            if (response.StatusCode == HttpStatusCode.NoContent) return new HookAnswer(null, null, null);
            if (response.StatusCode != HttpStatusCode.OK) throw new ApprovalHookException($"it answered {(int)response.StatusCode}");
            return Read(await response.Content.ReadAsByteArrayAsync(either.Token));
        }
        catch (HttpRequestException e)
        {
            throw new ApprovalHookException(e.InnerException is ApprovalHookException inner ? inner.Message : $"it cannot be reached ({e.HttpRequestError})");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ApprovalHookException($"it took longer than {hook.TimeoutSeconds} s");
        }
    }

    public void Dispose() => _http.Dispose();

    /// <summary>An answer in full, or an exception: half an answer is none.</summary>
    internal static HookAnswer Read(ReadOnlySpan<byte> body)
    {
        JsonObject answer;
        try
        {
            answer = JsonNode.Parse(body) as JsonObject ?? throw new ApprovalHookException("its answer is no JSON object");
        }
        catch (JsonException)
        {
            throw new ApprovalHookException("its answer is not JSON");
        }

        var decision = answer["decision"] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;
        var reason = answer["reason"] is JsonValue why && why.TryGetValue<string>(out var words) ? words : null;
        bool? allow = decision switch { "approve" => true, "deny" => false, "none" => null, _ => throw new ApprovalHookException("its decision is none of approve, deny, none") };
        var input = answer["updated_input"];
        if (input is not (null or JsonObject)) throw new ApprovalHookException("its updated_input is no object");
        return new HookAnswer(allow, reason is { Length: > MaxReason } ? reason[..MaxReason] : reason, input is null ? null : Encoding.UTF8.GetBytes(input.ToJsonString()));
    }

    private HttpRequestMessage Post(string tenant, ApprovalHook hook, PermissionView request)
    {
        var now = _clock.GetUtcNow();
        var body = HookPayload.Of(request, now);
        var timestamp = now.ToUnixTimeSeconds().ToString();
        var post = new HttpRequestMessage(HttpMethod.Post, hook.Url) { Content = new ByteArrayContent(body) };
        post.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        post.Headers.Add("X-Webhook-Timestamp", timestamp);
        // The same for every try of the same question.
        post.Headers.Add("X-Webhook-ID", $"{hook.Id}.{request.Id}");
        if (SecretOf(tenant, hook) is { } secret)
        {
            byte[] signed = [.. Encoding.ASCII.GetBytes(timestamp + "."), .. body];
            post.Headers.Add("X-Webhook-Signature", "sha256=" + Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), signed)));
        }

        return post;
    }

    private string? SecretOf(string tenant, ApprovalHook hook)
    {
        try
        {
            return hook.Secret is null ? null : _sealer.Open(tenant, hook.Id, hook.Secret, SecretPurpose).ApiKey;
        }
        catch (CryptographicException e)
        {
            throw new ApprovalHookException($"its secret cannot be opened: {e.Message}");
        }
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var addresses = await Dns.GetHostAddressesAsync(context.DnsEndPoint.Host, cancellationToken);
        var open = _allowPrivate ? addresses : [.. addresses.Where(address => !PrivateAddress.Is(address))];
        if (open.Length == 0) throw new ApprovalHookException("its address is private; --allow-private-hooks true lets it be");
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(open, context.DnsEndPoint.Port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
