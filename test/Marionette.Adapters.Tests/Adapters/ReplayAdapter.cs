using System.Text.Json.Nodes;
using Google.Protobuf;
using Marionette.Adapters.Tests.Kit;
using Marionette.Protocol.V1;

namespace Marionette.Adapters.Tests.Adapters;

/// <summary>A recording of the kit's own tasks. It heeds no prompt, so each run names its place in the recording.</summary>
internal sealed class ReplayAdapter : Adapter
{
    private const string File = "recorded.ndjson";

    // What is played, and what the recorded tool printed.
    private static readonly (string Prompt, string Output)[] Recorded =
    [
        ("@scenario say text=\"hello there\"", ""), ("@scenario say text=one", ""), ("@scenario say text=two", ""), ("@scenario say text=hello", ""),
        ("@scenario say text=read", ""), ("@scenario say text=quoted", ""), ("@scenario say text=again", ""), ("@scenario unicode", ""),
        ("@scenario huge bytes=1000000", ""), ("@scenario slow chunks=60 delay_ms=20 size=16", ""), ("@scenario slow chunks=60 delay_ms=50", ""),
        ("@scenario slow chunks=2000 delay_ms=50", ""), ("@scenario shell cmd=\"echo from the tool; touch made.txt\"", "from the tool\n"),
        ("@scenario shell cmd=\"touch made.txt\"", ""), ("@scenario shell cmd=\"touch asked.txt\"", ""), ("@scenario shell cmd=\"echo once >> log.txt\"", ""),
        ("@scenario write file=made.txt text=\"one\\ntwo\"", ""),
    ];

    public override string Name => "replay";

    public override bool RunsProgram => false;

    public override string Program => throw new InvalidOperationException("A recording has no program.");

    public override string InstallHint => throw new InvalidOperationException("A recording has no program.");

    public override void Configure(Setup setup, Uri model)
    {
        setup.Agent = "replay";
        setup.Options = ByteString.CopyFromUtf8($$"""{"recording":"{{File}}"}""");
    }

    public override void Install(JsonObject config, Setup setup, string? program = null)
    {
        var workspace = (string)config["workspace_dir"]!;
        Directory.CreateDirectory(workspace);
        System.IO.File.WriteAllText(Path.Combine(workspace, File), RecordedScenario.Of(Recorded, workspace));
    }

    public override void Prepare(StartRun run)
    {
        var line = run.Prompt.Split('\n').First(line => line.StartsWith("@scenario ", StringComparison.Ordinal));
        var place = Array.FindIndex(Recorded, recorded => recorded.Prompt == line);
        Assert.True(place >= 0, $"{line} is not in the kit's recording");
        run.Conversation = $"replay:{place}";
    }
}
