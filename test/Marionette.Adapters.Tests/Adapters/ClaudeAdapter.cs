using System.Text.Json.Nodes;
using Marionette.Adapters.Tests.Kit;
using Marionette.Protocol.V1;

namespace Marionette.Adapters.Tests.Adapters;

internal sealed class ClaudeAdapter : Adapter
{
    public override string Name => "claude";

    public override string Program => Find("MARIONETTE_CLAUDE", "claude");

    public override string InstallHint => "npm install -g @anthropic-ai/claude-code";

    public override void Configure(Setup setup, Uri model) => setup.Agent = "claude";

    public override void Install(JsonObject config, Setup setup, string? program = null) => config["claude_path"] = program ?? Program;
}
