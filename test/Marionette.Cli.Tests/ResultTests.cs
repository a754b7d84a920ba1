using Marionette.Cli.Output;
using Marionette.Cli.Tests.Support;

namespace Marionette.Cli.Tests;

/// <summary>How results look.</summary>
public sealed class ResultTests : IAsyncLifetime
{
    private const string Page = """
        {"items":[
          {"id":"sess_1","name":"first","status":"active","phase":"working","agent":"claude","provider":"docker","network_policy":"allow_list","runner_id":"run_1","current_task_id":"task_1","queued_tasks":2,"usage":{"cost_usd":0.0123},"created_at":"2026-11-23T11:59:48Z"},
          {"id":"sess_22","status":"suspended","agent":"command","queued_tasks":0,"created_at":"2026-11-20T12:00:00Z","name":"bad\u001b[2J\nname"}],
         "has_more":true,"next_cursor":"c2","total_count":7}
        """;

    private FakeServer server = null!;

    public async ValueTask InitializeAsync() => server = (await FakeServer.StartAsync()).On("GET /api/v1/sessions", Page);

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task List_Table_AlignsCleansAndTellsOfTheNextPage()
    {
        Assert.Equal("""
            ID       NAME      STATUS     PHASE    AGENT    PROVIDER  NETWORK     TASKS  COST     AGE
            sess_1   first     active     working  claude   docker    allow_list  1+2    $0.0123  12s
            sess_22  bad name  suspended  -        command  -         -           0+0    -        3d
            … 7 in all; the next page: --cursor c2

            """, (await Support.Cli.For(server).RunAsync("sessions", "list")).Out);
    }

    [Fact]
    public async Task List_Wide_HasMoreColumns()
    {
        var wide = (await Support.Cli.For(server).RunAsync("sessions", "list", "-o", "wide")).Out.Split('\n');
        Assert.EndsWith("AGE  PROFILE  RUNNER  WORKSPACE", wide[0]);
        Assert.Contains("run_1", wide[1], StringComparison.Ordinal);
        Assert.StartsWith("… 7 in all", wide[3]);
    }

    [Fact]
    public async Task List_Json_IsTheApisOwn()
    {
        var printed = (await Support.Cli.For(server).RunAsync("sessions", "list", "-o", "json")).Out;
        Assert.True(System.Text.Json.Nodes.JsonNode.DeepEquals(System.Text.Json.Nodes.JsonNode.Parse(Page), System.Text.Json.Nodes.JsonNode.Parse(printed)));
        Assert.DoesNotContain('\e', printed);
    }

    [Fact]
    public async Task List_Nothing_SaysSo()
    {
        server.On("GET /api/v1/sessions", """{"items":[],"has_more":false,"total_count":0}""");
        Assert.Equal("No sessions.\n", (await Support.Cli.For(server).RunAsync("sessions", "list")).Out);
    }

    [Fact]
    public void Yaml_EveryKindOfValue_IsWrittenSoThatItReadsBack()
    {
        Assert.Equal("""
            text: plain
            tricky: "true"
            number_like: "12"
            lines: "a\nb"
            empty: ""
            number: 1.5
            yes_really: true
            none: null
            list:
              - one
              - 2
              - a: 1
                b:
                  - x
            nothing: []
            map:
              "key: odd": {}

            """, YamlWriter.Write(JsonRead.Parse("""
            {"text":"plain","tricky":"true","number_like":"12","lines":"a\nb","empty":"","number":1.5,"yes_really":true,"none":null,
             "list":["one",2,{"a":1,"b":["x"]}],"nothing":[],"map":{"key: odd":{}}}
            """)));
    }

    [Theory]
    [InlineData(0.85, "850 ms")]
    [InlineData(12.34, "12.3 s")]
    [InlineData(245, "4 min 05 s")]
    [InlineData(7380, "2 h 03 min")]
    public void Duration_Seconds_ReadsNaturally(double seconds, string expected) => Assert.Equal(expected, Format.Duration(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData(999, "999")]
    [InlineData(4_230, "4.2k")]
    [InlineData(1_300_000, "1.3M")]
    public void Count_Number_IsShortened(long count, string expected) => Assert.Equal(expected, Format.Count(count));
}
