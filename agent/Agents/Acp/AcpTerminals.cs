using System.Globalization;
using System.Text.Json;
using Marionette.Agent.Agents.Rpc;
using Marionette.Agent.Events;
using Marionette.Agent.Processes;

namespace Marionette.Agent.Agents.Acp;

/// <summary>The terminals of one agent. Safe for any thread.</summary>
internal sealed class AcpTerminals(AgentServices services)
{
    private const int MaxOpen = 64;
    private const int MaxReleased = 8;

    private readonly Lock gate = new();
    private readonly Dictionary<string, AcpTerminal> open = new(StringComparer.Ordinal);
    // Agents let go of a terminal before they say that its call is over; what it printed is the call's result all the same.
    private readonly Queue<(string Name, string Output)> released = new();
    private int made;

    /// <summary>Answers one <c>terminal/…</c> request.</summary>
    /// <param name="parameters">Stays valid.</param>
    public async Task HandleAsync(RpcPeer peer, string id, string method, JsonElement parameters)
    {
        try
        {
            if (method == "terminal/create")
            {
                var name = await CreateAsync(parameters).ConfigureAwait(false);
                await peer.AnswerAsync(id, json => json.WriteString("terminalId"u8, name)).ConfigureAwait(false);
                return;
            }

            var terminal = Find(parameters.Text("terminalId"u8) ?? "", remove: method == "terminal/release");
            switch (method)
            {
                case "terminal/output":
                    var (output, truncated, exit) = terminal.Read();
                    await peer.AnswerAsync(id, json => WriteOutput(json, output, truncated, exit)).ConfigureAwait(false);
                    break;
                case "terminal/wait_for_exit":
                    var status = await terminal.Ended.ConfigureAwait(false);
                    await peer.AnswerAsync(id, json => WriteExit(json, status)).ConfigureAwait(false);
                    break;
                case "terminal/kill" or "terminal/release":
                    terminal.Kill();
                    await peer.AnswerAsync(id).ConfigureAwait(false);
                    break;
                default:
                    await peer.RefuseAsync(id, RpcException.MethodNotFound, $"Marionette does not offer {method}.").ConfigureAwait(false);
                    break;
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or KeyNotFoundException)
        {
            await peer.RefuseAsync(id, RpcException.InvalidParams, exception.Message).ConfigureAwait(false);
        }
    }

    /// <summary>What a terminal printed so far, also of one of the last that were released; null when there is none of this name.</summary>
    public string? OutputOf(string name)
    {
        lock (gate)
        {
            return open.TryGetValue(name, out var terminal)
                ? terminal.Read().Output
                : released.FirstOrDefault(kept => kept.Name == name).Output;
        }
    }

    public void KillAll()
    {
        AcpTerminal[] all;
        lock (gate)
        {
            all = [.. open.Values];
            open.Clear();
        }

        foreach (var terminal in all)
            terminal.Kill();
    }

    private static void WriteOutput(Utf8JsonWriter json, string output, bool truncated, ExitStatus? exit)
    {
        json.WriteString("output"u8, output);
        json.WriteBoolean("truncated"u8, truncated);
        if (exit is not { } status)
            return;
        json.WriteStartObject("exitStatus"u8);
        WriteExit(json, status);
        json.WriteEndObject();
    }

    private static void WriteExit(Utf8JsonWriter json, ExitStatus status)
    {
        if (status.Code is { } code)
            json.WriteNumber("exitCode"u8, code);
        else
            json.WriteNull("exitCode"u8);
        json.WriteString("signal"u8, status.SignalName);
    }

    private async Task<string> CreateAsync(JsonElement parameters)
    {
        var environment = ChildEnvironment.Create(services.Config, services.Environment, services.Setup.Current.Env.Concat(
            parameters.Member("env"u8).Items().Select(pair => KeyValuePair.Create(pair.Text("name"u8) ?? "", pair.Text("value"u8) ?? ""))));
        var command = parameters.Text("command"u8) ?? "";
        string[] arguments = [.. parameters.Member("args"u8).Items().Select(argument => argument.GetString() ?? "")];
        var program = ChildEnvironment.Find(command, environment["PATH"]);
        if (program is null && arguments.Length == 0)
            (program, arguments) = ("/bin/sh", ["-c", command]); // a whole command line, as some agents give it
        if (program is null)
            throw new IOException($"{command} is not there or not executable.");
        lock (gate)
        {
            if (open.Count >= MaxOpen)
                throw new IOException($"At most {MaxOpen} terminals may be open.");
        }

        var child = await ChildProcess.StartAsync(new ChildSpec
        {
            File = program,
            Arguments = arguments,
            Environment = environment,
            WorkingDirectory = parameters.Text("cwd"u8) is { Length: > 0 } folder ? folder : services.Config.WorkspaceDir,
        }).ConfigureAwait(false);
        var asked = parameters.Number("outputByteLimit"u8);
        var terminal = new AcpTerminal(
            child, services.Clock, asked > 0 ? (int)Math.Min(asked, AcpTerminal.DefaultLimit) : AcpTerminal.DefaultLimit);
        lock (gate)
        {
            var name = "term_" + (++made).ToString(CultureInfo.InvariantCulture);
            open[name] = terminal;
            return name;
        }
    }

    private AcpTerminal Find(string name, bool remove)
    {
        lock (gate)
        {
            if (!open.TryGetValue(name, out var terminal))
                throw new KeyNotFoundException($"There is no terminal {name}.");
            if (!remove)
                return terminal;
            open.Remove(name);
            released.Enqueue((name, terminal.Read().Output));
            if (released.Count > MaxReleased)
                released.Dequeue();
            return terminal;
        }
    }
}
