using System.Text.Json.Nodes;
using Marionette.Adapters.Tests.Kit;
using Marionette.Protocol.V1;

namespace Marionette.Adapters.Tests.Adapters;

internal sealed class CodexAdapter : Adapter
{
    public override string Name => "codex";

    public override string Program => Find("MARIONETTE_CODEX", "codex");

    public override string InstallHint => "npm install -g @openai/codex";

    public override void Configure(Setup setup, Uri model)
    {
        setup.Agent = "codex";
        // A name that Codex does not know: it offers its tools in the plain way to such a model.
        setup.Model = "scripted-model";
        setup.BaseUrl = new Uri(model, "v1").ToString();
    }

    public override void Install(JsonObject config, Setup setup, string? program = null) =>
        config["agent_paths"] = new JsonObject { ["codex"] = program ?? Program };
}
