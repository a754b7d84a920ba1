using System.Text.Json.Nodes;
using Marionette.Agent.Agents;
using Marionette.Protocol.V1;

namespace Marionette.Adapters.Tests.Kit;

/// <summary>What an adapter promises. The kit holds it to each: what is promised works, what is not is refused in words.</summary>
[Flags]
internal enum Promises
{
    None = 0,

    /// <summary>Asks before it acts, and waits for the answer.</summary>
    Permissions = 1,

    /// <summary>The reason of a denial reaches the model.</summary>
    DenialReason = 2,

    /// <summary>An allowed call may get another input.</summary>
    ChangedInput = 4,

    /// <summary>Takes messages into a running turn.</summary>
    Messages = 8,

    /// <summary>Goes on with its conversation in another process.</summary>
    Resume = 16,

    /// <summary>Tells the tokens it used.</summary>
    Usage = 32,

    /// <summary>Works with a model, whose refusals it passes on.</summary>
    Model = 64,

    /// <summary>Tries again by itself when the model asks for patience.</summary>
    Retries = 128,

    /// <summary>A denial can end the turn too.</summary>
    DenyInterrupts = 256,

    /// <summary>Heeds permission modes.</summary>
    Modes = 512,
}

/// <summary>One adapter as the kit drives it.</summary>
internal abstract class Adapter
{
    /// <summary>Its row in docs/reference/agents.md.</summary>
    public abstract string Name { get; }

    /// <summary>What the API says of its kind: the name up to the colon.</summary>
    public Promises Promises => Catalogue.PromisesOf(Name.Split(':')[0]);

    /// <summary>The setup of a session with it; address and key of the model are filled in already.</summary>
    public abstract void Configure(Setup setup, Uri model);

    /// <summary>Tells the agent's configuration, or the session's setup, where its program is.</summary>
    /// <param name="program">Another program in its place; null for the real one.</param>
    public abstract void Install(JsonObject config, Setup setup, string? program = null);

    /// <summary>The real program.</summary>
    public abstract string Program { get; }

    /// <summary>What its program is called in an error that it is missing.</summary>
    public abstract string InstallHint { get; }

    /// <summary>
    /// Drives a program: one that can be missing, killed, or talk nonsense, and whose tools act. Otherwise nothing of it is outside of
    /// the runner's agent.
    /// </summary>
    public virtual bool RunsProgram => true;

    /// <summary>The placeholder of the key can be read by its tools; the key itself never can.</summary>
    public virtual bool ShowsPlaceholder => false;

    /// <summary>Its conversations go along when home and workspace move to another place.</summary>
    public virtual bool Moves => true;

    /// <summary>Tools that it is given in one turn; fewer for one that takes its time with each.</summary>
    public virtual int ManyTools => 200;

    /// <summary>The last word on a run before it is sent.</summary>
    public virtual void Prepare(StartRun run)
    {
        // Most take it as it is.
    }

    public bool Has(Promises promise) => (Promises & promise) == promise;

    /// <summary>A program that must be there: a skipped test would look like a passed one.</summary>
    protected static string Find(string variable, string name)
    {
        var named = Environment.GetEnvironmentVariable(variable);
        var found = string.IsNullOrEmpty(named)
            ? ChildEnvironment.Find(name, Environment.GetEnvironmentVariable("PATH") ?? "")
            : ChildEnvironment.Find(named, "");
        Assert.True(found is not null, $"{name} is not installed: run ./marionette test, which installs it, or name it with {variable}.");
        return found;
    }
}
