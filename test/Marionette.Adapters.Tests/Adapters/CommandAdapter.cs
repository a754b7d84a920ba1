using System.Text.Json.Nodes;
using Google.Protobuf;
using Marionette.Adapters.Tests.Kit;
using Marionette.Protocol.V1;

namespace Marionette.Adapters.Tests.Adapters;

/// <summary>A program of somebody's own that speaks the line protocol.</summary>
internal sealed class CommandAdapter : Adapter
{
    public override string Name => "command: lines";

    public override string Program => Path.Combine(AppContext.BaseDirectory, "Kit", "scripted_agent.py");

    public override string InstallHint => "is not there";

    public override void Configure(Setup setup, Uri model)
    {
        setup.Agent = "command";
        setup.Options = ByteString.CopyFromUtf8("""{"protocol":"lines"}""");
    }

    public override void Install(JsonObject config, Setup setup, string? program = null)
    {
        setup.Command.Clear();
        setup.Command.Add(program ?? Program);
    }
}
