using System.Text.Json.Nodes;
using Google.Protobuf;
using Marionette.Adapters.Tests.Kit;
using Marionette.Protocol.V1;

namespace Marionette.Adapters.Tests.Adapters;

internal sealed class OpenCodeAdapter : Adapter
{
    public override string Name => "acp: opencode";

    public override bool ShowsPlaceholder => true;

    public override int ManyTools => 50;

    // OpenCode files its conversations under the folder's path.
    public override bool Moves => false;

    public override string Program => Find("MARIONETTE_OPENCODE", "opencode");

    public override string InstallHint => "npm install -g opencode-ai";

    public override void Configure(Setup setup, Uri model)
    {
        setup.Agent = "acp";
        setup.Model = "scripted-model";
        setup.BaseUrl = new Uri(model, "v1").ToString();
        setup.Options = ByteString.CopyFromUtf8("""{"agent":"opencode"}""");
    }

    public override void Install(JsonObject config, Setup setup, string? program = null) =>
        config["agent_paths"] = new JsonObject { ["opencode"] = program ?? Program };
}

internal sealed class ClaudeAcpAdapter : Adapter
{
    public override string Name => "acp: claude-agent-acp";

    public override bool ShowsPlaceholder => true;

    public override int ManyTools => 50;

    public override string Program => Find("MARIONETTE_CLAUDE_ACP", "claude-agent-acp");

    public override string InstallHint => "npm install -g @agentclientprotocol/claude-agent-acp";

    public override void Configure(Setup setup, Uri model)
    {
        setup.Agent = "acp";
        setup.Options = ByteString.CopyFromUtf8("""{"agent":"claude-agent-acp"}""");
    }

    public override void Install(JsonObject config, Setup setup, string? program = null)
    {
        config["agent_paths"] = new JsonObject { ["claude-agent-acp"] = program ?? Program };
        config["claude_path"] = Find("MARIONETTE_CLAUDE", "claude");
    }
}
