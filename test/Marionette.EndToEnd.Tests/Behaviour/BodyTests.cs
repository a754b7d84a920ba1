using System.Net;
using System.Text;
using System.Text.Json;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>Bodies, queries and headers that nobody should send. On every route that the contract names; nothing may change.</summary>
[Collection(BehaviourCollection.Name)]
public sealed class BodyTests(AbuseWorld world) : IClassFixture<AbuseWorld>
{
    private const int MebiByte = 1024 * 1024;

    [Fact]
    public async Task EveryBody_Malformed_IsRefused()
    {
        var before = await world.FingerprintAsync();
        string[] bodies =
        [
            "{", "}", "[]", "\"text\"", "7", "null", "{'agent':'claude'}", "{\"a\":}", "{\"a\":1,}", "// nothing", "{} {}", "\u0000", "{\"nonsense\":1}", "{\"Reason\":\"x\"}",
            new string('[', 20_000), "{\"reason\":\"\\ud800\"}", "{\"__proto__\":{}}", "agent=claude&api_key=x",
        ];
        foreach (var operation in world.Operations.Where(operation => operation.HasBody))
        {
            foreach (var body in bodies)
                await RefusedAsync(operation, AbuseWorld.Raw(body), 400, body[..Math.Min(40, body.Length)]);
            await RefusedAsync(operation, new ByteArrayContent([.. "{\"reason\":\""u8, 0xFF, 0xFE, .. "\"}"u8]) { Headers = { ContentType = new("application/json") } }, 400, "not UTF-8");
        }

        Assert.Equal(before, await world.FingerprintAsync());
    }

    [Fact]
    public async Task EveryProperty_OfAWrongTypeOrOutOfRange_IsRefused()
    {
        var before = await world.FingerprintAsync();
        var tried = 0;
        foreach (var operation in world.Operations.Where(operation => operation is { HasBody: true, Body: not null }))
        {
            foreach (var property in operation.Body!.Value.GetProperty("properties").EnumerateObject())
            {
                foreach (var value in WrongValues(Contract.TypesOf(property.Value)))
                {
                    var body = world.GoodBody(operation);
                    body[property.Name] = value;
                    var shown = JsonSerializer.Serialize(value);
                    // A task is made in its session, and text that cannot be an id is the id of none.
                    var status = property.Name == "session_id" && value is string && operation.Path == "/api/v1/tasks" ? 404 : 400;
                    var said = await RefusedAsync(operation, AbuseWorld.Json(body), status, $"{property.Name} = {shown[..Math.Min(60, shown.Length)]}");
                    Assert.True(status == 404 || said.Contains(property.Name, StringComparison.Ordinal), $"{operation}: the answer does not name {property.Name}: {said}");
                    tried++;
                }
            }
        }

        Assert.True(tried > 100, $"{tried} values were tried only");
        Assert.Equal(before, await world.FingerprintAsync());
    }

    [Fact]
    public async Task EveryBody_TooLarge_IsRefused()
    {
        var before = await world.FingerprintAsync();
        var large = new byte[10 * MebiByte];
        Array.Fill(large, (byte)' ');
        foreach (var operation in world.Operations.Where(operation => operation.HasBody))
        {
            await RefusedAsync(operation, new ByteArrayContent(large) { Headers = { ContentType = new("application/json") } }, 413, "10 MB with a length");
            await RefusedAsync(operation, new StreamContent(new Unsized(large)) { Headers = { ContentType = new("application/json") } }, 413, "10 MB in chunks");
        }

        Assert.Equal(before, await world.FingerprintAsync());
    }

    [Fact]
    public async Task Prompt_OfOneMebibyte_IsTaken_AndOneByteMoreIsNot()
    {
        var session = await world.Owner.CreateSessionAsync(new { agent = "command", command = new[] { "/bin/true" } });
        var most = new string('p', MebiByte - 4) + "ééé"[..2];
        Assert.Equal(MebiByte, Encoding.UTF8.GetByteCount(most));
        var task = await world.Owner.SubmitAsync(session, most);
        Assert.Equal(most, (await world.Owner.GetAsync($"/api/v1/tasks/{task}")).Text("prompt"));
        using var more = await world.Owner.SendAsync(HttpMethod.Post, "/api/v1/tasks", new { session_id = session, prompt = most + "p" });
        Assert.Contains("prompt", await Problems.CheckAsync(more, 400, "a byte more"));
        Assert.Equal(1, (await world.Owner.GetAsync($"/api/v1/tasks?session_id={session}")).Number("total_count"));
        await world.EndAsync(session);
    }

    [Fact]
    public async Task EveryList_WithABadQuery_IsRefused()
    {
        string[] numbers = ["0", "-1", "201", "abc", "", "1.5", "99999999999999999999", "1&limit=2", "%00"];
        string[] cursors = ["garbage!", "c2Vzc18x", "AAAA", "%00", "..", new string('A', 500), "a&cursor=b"];
        foreach (var operation in world.Operations.Where(operation => operation.Method == HttpMethod.Get && operation.Query.Count > 0))
        {
            List<string> queries = [];
            // A list without pages may be longer.
            if (operation.Query.Contains("limit")) queries.AddRange(numbers.Where(number => number != "201" || operation.Query.Contains("cursor")).Select(number => $"limit={number}"));
            if (operation.Query.Contains("cursor")) queries.AddRange(cursors.Select(cursor => $"cursor={cursor}"));
            if (operation.Query.Contains("after")) queries.AddRange(["after=-1", "after=x", "after=1e3", "after=99999999999999999999", "after=1&after=2"]);
            if (operation.Query.Contains("status")) queries.Add("status=nonsense");
            if (operation.Query.Contains("risk_level")) queries.Add("risk_level=mild");
            if (operation.Query.Contains("level")) queries.Add("level=loud");
            if (operation.Query.Contains("stream")) queries.Add("stream=river");
            if (operation.Query.Contains("follow")) queries.Add("follow=maybe");
            if (operation.Query.Contains("types")) queries.AddRange(["types=%00", "types=a%20b", $"types={new string('a', 100)}"]);
            if (operation.Query.Contains("labels[key]")) queries.AddRange(["labels[=x", "labels[]=x", "labels[a]=%00", "labels[a]=1&labels[a]=2"]);
            foreach (var query in queries)
            {
                using var response = await world.KeyOf(operation).Http.GetAsync($"{world.Own(operation)}?{query}");
                await Problems.CheckAsync(response, 400, $"{operation}?{query[..Math.Min(40, query.Length)]}");
            }
        }
    }

    [Fact]
    public async Task IdempotencyKey_WithTheSameRequest_GivesTheSameObject_AndWithAnotherIsRefused()
    {
        var key = Guid.NewGuid().ToString();
        var body = new { agent = "claude", name = "once", api_key = "sk-any" };
        var count = (await world.Owner.GetAsync("/api/v1/sessions")).Number("total_count");
        var ids = await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ => (await world.Owner.PostAsync("/api/v1/sessions", body, key)).Id()));
        Assert.Single(ids.Distinct());
        Assert.Equal(count + 1, (await world.Owner.GetAsync("/api/v1/sessions")).Number("total_count"));
        Assert.Equal(ids[0], (await world.Owner.PostAsync("/api/v1/sessions", body, key)).Id());

        using var other = await world.Owner.SendAsync(HttpMethod.Post, "/api/v1/sessions", new { agent = "claude", name = "twice", api_key = "sk-any" }, key);
        Assert.Contains("idempotency_mismatch", await Problems.CheckAsync(other, 409, "another body"));
        using var elsewhere = await world.Owner.SendAsync(HttpMethod.Post, $"/api/v1/sessions/{ids[0]}/suspend", body: null, key);
        await Problems.CheckAsync(elsewhere, 409, "another path");
        Assert.NotEqual(ids[0], (await world.Stranger.PostAsync("/api/v1/sessions", body, key)).Id()); // keys are the tenant's own
        foreach (var bad in new[] { "", new string('k', 256), "a\tb" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/sessions") { Content = AbuseWorld.Json(body) };
            request.Headers.TryAddWithoutValidation("Idempotency-Key", bad);
            using var response = await world.Owner.Http.SendAsync(request);
            await Problems.CheckAsync(response, 400, $"the key \"{bad}\"");
        }

        Assert.Equal(count + 1, (await world.Owner.GetAsync("/api/v1/sessions")).Number("total_count"));
        var tasks = await Task.WhenAll(Enumerable.Range(0, 10).Select(async _ =>
            (await world.Owner.PostAsync("/api/v1/tasks", new { session_id = ids[0], prompt = "@scenario say text=hi" }, key + "-task")).Id()));
        Assert.Single(tasks.Distinct());
        Assert.Equal(1, (await world.Owner.GetAsync($"/api/v1/tasks?session_id={ids[0]}")).Number("total_count"));
        await world.EndAsync(ids[0]);
    }

    [Fact]
    public async Task RoutesAndMethodsThatDoNotExist_AreProblemsToo()
    {
        using var nowhere = await world.Owner.Http.GetAsync("/api/v1/nonsense");
        await Problems.CheckAsync(nowhere, 404, "no such route");
        foreach (var method in new[] { HttpMethod.Put, HttpMethod.Patch })
        {
            using var response = await world.Owner.Http.SendAsync(new HttpRequestMessage(method, "/api/v1/sessions") { Content = AbuseWorld.Raw("{}") });
            await Problems.CheckAsync(response, 405, method.ToString());
        }

        using var form = await world.Owner.Http.PostAsync("/api/v1/sessions", new StringContent("agent=claude", Encoding.UTF8, "application/x-www-form-urlencoded"));
        Assert.True(form.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.UnsupportedMediaType);
        await Problems.CheckAsync(form, (int)form.StatusCode, "a form");
    }

    private static IEnumerable<object?> WrongValues(List<string> types)
    {
        var isText = types.Contains("string");
        if (isText) yield return "with \0 inside";
        else yield return "text";
        if (types.Contains("integer"))
        {
            yield return -1;
            yield return 1.5;
            yield return 99_999_999_999_999L;
            yield return true;
        }
        else if (types.Contains("number"))
        {
            yield return -1;
            yield return 1e300;
            yield return true;
        }
        else
        {
            yield return 7;
        }

        if (types.Count == 0)
        {
            yield return new[] { "a" }; // To the schema it is any JSON, to the caller an object of the tool's.
        }
        else if (!types.Contains("object"))
        {
            yield return new Dictionary<string, int> { ["a"] = 1 };
        }
        else if (types.Count < 4)
        {
            // A map of texts, or an object of the caller's: neither is a list.
            yield return new[] { "a" };
        }

        if (!types.Contains("array")) yield return new[] { 1, 2 };
        else yield return new object[] { new { a = 1 } };
    }

    private async Task<string> RefusedAsync(Operation operation, HttpContent content, int status, string what)
    {
        using var request = new HttpRequestMessage(operation.Method, world.Own(operation)) { Content = content };
        using var response = await world.KeyOf(operation).Http.SendAsync(request);
        return await Problems.CheckAsync(response, status, $"{operation} with {what}");
    }

    /// <summary>Hides its length, so that it goes out in chunks.</summary>
    private sealed class Unsized(byte[] content) : MemoryStream(content)
    {
        public override bool CanSeek => false;
    }
}
