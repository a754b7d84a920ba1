using System.Text.Json;
using Marionette.Agent.Tests.Support;
using Marionette.ModelServer;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.EndToEnd;

/// <summary>The real agent as a process, the real Claude Code, a scripted model, and a gateway that keeps to the protocol.</summary>
internal sealed class ClaudeWorld : IAsyncDisposable
{
    public const string Key = "sk-ant-canary-0123456789abcdef";

    private int runs;

    private ClaudeWorld(RunningModelServer model, ScriptedGateway gateway)
    {
        Model = model;
        Gateway = gateway;
        Agent = new AgentProcess(gateway, ClaudeBinary.Path);
    }

    public RunningModelServer Model { get; }

    public ScriptedGateway Gateway { get; }

    public AgentProcess Agent { get; }

    public static async Task<ClaudeWorld> StartAsync(Action<Setup>? change = null)
    {
        var model = await ScriptedModelServer.StartAsync(new ModelServerOptions { RequiredKey = Key });
        var setup = new Setup
        {
            Session = "sess_1", Agent = "claude", BaseUrl = model.Url.ToString(), ApiKey = Key, PermissionMode = "default",
        };
        change?.Invoke(setup);
        var world = new ClaudeWorld(model, await ScriptedGateway.StartAsync(setup));
        world.Agent.Start();
        return world;
    }

    /// <summary>Starts a run.</summary>
    /// <returns>Its id.</returns>
    public string Start(string prompt, bool continuation = false)
    {
        var run = $"trun_{++runs}";
        Gateway.Send(Commands.Start(run, prompt, continuation));
        return run;
    }

    /// <summary>Starts a run that has more than a prompt.</summary>
    public string Start(string prompt, Action<StartRun> change)
    {
        var run = $"trun_{++runs}";
        var command = Commands.Start(run, prompt);
        change(command.StartRun);
        Gateway.Send(command);
        return run;
    }

    /// <summary>Sends a message into a run.</summary>
    public void Send(string run, string message, string text, params IEnumerable<Attachment> attachments) =>
        Gateway.Send(new Command
        {
            SendMessage = new SendMessage { Run = run, Message = message, Text = text, Attachments = { attachments } },
        });

    public void Configure(string model, string mode) =>
        Gateway.Send(new Command { Configure = new Configure { Model = model, PermissionMode = mode } });

    /// <summary>Runs a task to its end.</summary>
    public async Task<JsonElement> RunAsync(string prompt, bool continuation = false) => await EndAsync(Start(prompt, continuation));

    public async Task<JsonElement> EndAsync(string run) =>
        (await Gateway.WaitForAsync(e => e.Type == "run.finished" && e.Run == run, $"the end of {run}", 180)).Data;

    /// <summary>The question that a run asks.</summary>
    public async Task<string> QuestionAsync(string run) =>
        (await Gateway.WaitForAsync(e => e.Type == "permission.request" && e.Run == run, $"the question of {run}", 180))
        .Data.GetProperty("request_id").GetString()!;

    public IEnumerable<JsonElement> Of(string run, string type) =>
        Gateway.Events.Where(e => e.Run == run && e.Type == type).Select(e => e.Data);

    /// <summary>The process of Claude Code.</summary>
    public int ClaudePid() => int.Parse(
        JsonDocument.Parse(File.ReadAllText(Path.Combine(Agent.State, "journal.json"))).RootElement.GetProperty("pid").ToString());

    public async ValueTask DisposeAsync()
    {
        Agent.Dispose();
        await Gateway.DisposeAsync();
        await Model.DisposeAsync();
    }
}
