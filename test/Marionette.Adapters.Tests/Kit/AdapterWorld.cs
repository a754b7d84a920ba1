using System.Text.Json;
using Marionette.Agent.Tests.Support;
using Marionette.ModelServer;
using Marionette.Protocol.V1;

namespace Marionette.Adapters.Tests.Kit;

/// <summary>The shipped agent as a process, the real coding agent, a scripted model, and a gateway that keeps to the protocol.</summary>
internal sealed class AdapterWorld : IAsyncDisposable
{
    public const string Key = "sk-ant-canary-0123456789abcdef";

    /// <summary>Seconds; what a machine needs that does much else at the same time.</summary>
    public const int Patience = 180;

    private readonly List<AgentProcess> agents = [];
    private string[] ownFiles = [];
    private bool begins;
    private int runs;

    private AdapterWorld(Adapter adapter, RunningModelServer model, ScriptedGateway gateway)
    {
        Adapter = adapter;
        Model = model;
        Gateway = gateway;
        Agent = NewAgent();
    }

    public Adapter Adapter { get; }

    public RunningModelServer Model { get; }

    public ScriptedGateway Gateway { get; private set; }

    public AgentProcess Agent { get; private set; }

    public string Workspace => Agent.Workspace;

    /// <summary>Id of the run that was started last.</summary>
    public string LastRun => $"trun_{runs}";

    public static async Task<AdapterWorld> StartAsync(Adapter adapter, Action<Setup>? change = null, Action<AdapterWorld>? prepare = null)
    {
        var model = await ScriptedModelServer.StartAsync(new ModelServerOptions { RequiredKey = Key });
        var setup = new Setup
        {
            Session = "sess_1", BaseUrl = model.Url.ToString(), ApiKey = Key, PermissionMode = "default",
        };
        adapter.Configure(setup, model.Url);
        change?.Invoke(setup);
        var world = new AdapterWorld(adapter, model, await ScriptedGateway.StartAsync(setup));
        prepare?.Invoke(world);
        if (Directory.Exists(world.Workspace))
            world.ownFiles = Directory.GetFiles(world.Workspace);
        world.Agent.Start();
        return world;
    }

    /// <summary>A test of its own in this world: what the one before left in the workspace is gone, and it begins a new conversation.</summary>
    public void BeginTest()
    {
        begins = runs > 0;
        if (!Directory.Exists(Workspace))
            return;
        foreach (var file in Directory.GetFiles(Workspace).Except(ownFiles))
            File.Delete(file);
    }

    /// <summary>Another runner for the same session, as after the loss of the first: its folders move, its spool does not.</summary>
    public async Task MoveToNewRunnerAsync(string conversation)
    {
        var (old, setup) = (Agent, Gateway.Setup);
        old.Kill();
        await old.WaitForExitAsync();
        await Gateway.DisposeAsync();
        setup.Conversation = conversation;
        Gateway = await ScriptedGateway.StartAsync(setup);
        Agent = NewAgent();
        if (Adapter.Moves)
        {
            Directory.Move(old.Home, Agent.Home);
            Directory.Move(old.Workspace, Agent.Workspace);
        }
        else
        {
            Agent.Config["home_dir"] = old.Home;
            Agent.Config["workspace_dir"] = old.Workspace;
        }

        Agent.Start();
    }

    /// <summary>Starts a run.</summary>
    /// <returns>Its id.</returns>
    public string Start(string prompt, Action<StartRun>? change = null)
    {
        var command = NewRun(prompt);
        change?.Invoke(command.StartRun);
        Gateway.Send(command);
        return command.StartRun.Run;
    }

    /// <summary>The command for the next run.</summary>
    public Command NewRun(string prompt)
    {
        var command = Commands.Start($"trun_{++runs}", prompt);
        if (begins)
            command.StartRun.Conversation = "new";
        begins = false;
        Adapter.Prepare(command.StartRun);
        return command;
    }

    /// <summary>Runs a task to its end.</summary>
    public async Task<JsonElement> RunAsync(string prompt, Action<StartRun>? change = null) => await EndAsync(Start(prompt, change));

    public async Task<JsonElement> EndAsync(string run) =>
        (await Gateway.WaitForAsync(e => e.Type == "run.finished" && e.Run == run, $"the end of {run}", Patience)).Data;

    /// <summary>Waits for something that a run says.</summary>
    public async Task<JsonElement> HearAsync(string run, string type)
    {
        var heard = await Gateway.WaitForAsync(e => (e.Type == type || e.Type == "run.finished") && e.Run == run, $"{type} of {run}", Patience);
        Assert.True(heard.Type == type, $"{run} ended without {type}: {heard}\n{string.Join('\n', Gateway.Events)}");
        return heard.Data;
    }

    /// <summary>The question that a run asks.</summary>
    public async Task<string> QuestionAsync(string run) =>
        (await HearAsync(run, "permission.request")).GetProperty("request_id").GetString()!;

    public IEnumerable<JsonElement> Of(string run, string type) =>
        Gateway.Events.Where(e => e.Run == run && e.Type == type).Select(e => e.Data);

    /// <summary>The text of all pieces of a kind.</summary>
    public string Text(string run, string type) => string.Concat(Of(run, type).Select(data => data.GetProperty("text").GetString()));

    public bool Has(string file) => File.Exists(Path.Combine(Workspace, file));

    /// <summary>Sends a command twice under one number, as after a lost connection.</summary>
    public void SendTwice(Command command)
    {
        Gateway.Send(command);
        Gateway.Broadcast(new ServerMessage { Command = command });
    }

    /// <summary>The process of the coding agent; 0 when none runs.</summary>
    public int ChildPid()
    {
        using var journal = JsonDocument.Parse(File.ReadAllText(Path.Combine(Agent.State, "journal.json")));
        return journal.RootElement.GetProperty("pid").GetInt32();
    }

    /// <summary>The processes that the runner's agent started and that are there now.</summary>
    public IReadOnlyList<int> ChildrenOfAgent()
    {
        var parent = $"PPid:\t{Agent.Pid}\n";
        return [.. System.Diagnostics.Process.GetProcesses().Select(process => process.Id).Where(pid =>
        {
            try
            {
                return File.ReadAllText($"/proc/{pid}/status").Contains(parent, StringComparison.Ordinal);
            }
            catch (IOException)
            {
                return false; // it has ended meanwhile
            }
        })];
    }

    /// <summary>Kills the coding agent, not the runner's agent.</summary>
    public async Task KillChildAsync()
    {
        var pid = ChildPid();
        Assert.True(pid > 0, "no coding agent is running");
        System.Diagnostics.Process.GetProcessById(pid).Kill();
        await Eventually.TrueAsync(() => ChildPid() != pid);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var agent in agents)
            agent.Dispose();
        await Gateway.DisposeAsync();
        await Model.DisposeAsync();
    }

    private AgentProcess NewAgent()
    {
        var agent = new AgentProcess(Gateway);
        Adapter.Install(agent.Config, Gateway.Setup);
        agents.Add(agent);
        return agent;
    }
}
