using System.Collections.Immutable;
using System.Text.Json;
using FsCheck.Xunit;
using Marionette.Runners;
using Marionette.Sessions;

namespace Marionette.Machines.Tests.Permissions;

/// <summary>
/// A session and an agent with a network between them that cuts at any point, loses what was under way, and delivers late what an old connection had
/// sent. Silos die too. Whatever happens, each question gets one answer, and the agent acts on it once.
/// </summary>
public sealed class PermissionNetworkTests
{
    [Property(MaxTest = 100)]
    public void AnyCuts_EachAnswerIsAppliedOnce(int seed)
    {
        var random = new Random(seed);
        var world = new World();
        for (var i = 0; i < 250; i++) world.Step(random);
        world.Heal();

        var asked = world.Agent.Asked;
        Assert.Equal(asked.Order(), world.Agent.Applied.Select(a => a.Request).Order());
        var rows = world.Walk.Rows.Where(r => r.Key.StartsWith("permission:", StringComparison.Ordinal)).Select(r => SessionRows.Permission(r.Value)).ToList();
        Assert.Equal(asked.Order(), rows.Select(r => r.OriginalRequestId).Order());
        foreach (var row in rows)
        {
            Assert.Equal(row.Status == Marionette.Permissions.PermissionStatus.Approved, world.Agent.Applied.Single(a => a.Request == row.OriginalRequestId).Allow);
            Assert.NotNull(row.DeliveredAt);
            var events = world.Walk.Log.Where(e => e.Type.StartsWith("permission.", StringComparison.Ordinal))
                .Where(e => JsonDocument.Parse(e.Payload).RootElement.GetProperty("permission_id").GetString() == row.Id).Select(e => e.Type).ToList();
            Assert.Equal(3, events.Count);
            Assert.Equal(("permission.requested", "permission.delivered"), (events[0], events[2]));
        }
    }

    /// <summary>The agent's side: a spool that outlives connections, an inbox that takes each number once, open questions.</summary>
    private sealed class AgentModel
    {
        private readonly HashSet<string> _open = [];

        public List<OutputEvent> Spool { get; } = [];

        public List<string> Asked { get; } = [];

        public List<(string Request, bool Allow)> Applied { get; } = [];

        /// <summary>Highest command number taken; the agent tells it when it connects.</summary>
        public long Last { get; private set; }

        public long Acked { get; set; }

        public void Ask(string run)
        {
            var request = $"req-{Asked.Count}";
            Asked.Add(request);
            _open.Add(request);
            Say("permission.request", run, new { request_id = request, tool = "Bash", category = "command", command = "x", input = new { command = "x" } });
        }

        /// <summary>As the agent's CommandInbox: what has a number that was taken is dropped.</summary>
        public void Take(RunnerCommand command, string run)
        {
            if (command.Number <= Last) return;
            Last = command.Number;
            if (command is not AnswerPermissionCommand answer || !_open.Remove(answer.RequestId)) return;
            Applied.Add((answer.RequestId, answer.Allow));
            Say("permission.received", run, new { request_id = answer.RequestId });
        }

        public void Say(string type, string run, object data) => Spool.Add(new OutputEvent(type, run, 1, JsonSerializer.SerializeToUtf8Bytes(data)));
    }

    private sealed class World
    {
        private readonly Queue<(long First, ImmutableArray<OutputEvent> Events)> _up = [];
        private readonly List<(long First, ImmutableArray<OutputEvent> Events)> _late = [];
        private readonly Queue<RunnerCommand> _down = [];
        private bool _connected;
        private long _sent;
        private string _run = "";
        private int _commands;

        public World()
        {
            Walk = new Walk().Created();
            Walk.Submit(timeout: 7 * 24 * 3600);
            Connect();
            _run = Walk.State.Current!.RunId!;
            Agent.Say("run.started", _run, new { });
        }

        public Walk Walk { get; }

        public AgentModel Agent { get; } = new();

        public void Step(Random random)
        {
            switch (random.Next(12))
            {
                case 0 when Agent.Asked.Count < 20: Agent.Ask(_run); break;
                case 1 or 2: Send(random.Next(1, 4)); break;
                case 3 or 4: Deliver(); break;
                case 5: Repeat(); break;
                case 6 or 7: Hear(); break;
                case 8: Answer(random); break;
                case 9: Cut(); break;
                case 10 when _late.Count > 0: DeliverLate(random.Next(_late.Count)); break;
                case 11 when random.Next(4) == 0: Walk.Pass(TimeSpan.FromMinutes(random.Next(40))); Walk.Tick(); break;
                default: Connect(); break;
            }
        }

        /// <summary>The network holds from here on, and somebody answers what is open.</summary>
        public void Heal()
        {
            Cut();
            Connect();
            for (var i = 0; i < 200; i++)
            {
                Send(100);
                while (_up.Count > 0) Deliver();
                foreach (var open in Walk.State.Permissions.Where(p => p.DecisionSeq == 0)) Walk.Answer(open.View.Id, "ann", command: $"last-{open.View.Id}");
                Repeat();
                while (_down.Count > 0) Hear();
            }
        }

        private void Connect()
        {
            if (_connected) return;
            _connected = true;
            Walk.Attach();
            Agent.Acked = Walk.State.Acked;
            _sent = Agent.Acked;
            foreach (var command in PendingCommands.Of(Walk.State, Agent.Last)) _down.Enqueue(command);
        }

        private void Send(int count)
        {
            if (!_connected) return;
            var first = _sent + 1;
            var events = Agent.Spool.Skip((int)_sent).Take(count).ToImmutableArray();
            if (events.IsEmpty) return;
            _sent += events.Length;
            _up.Enqueue((first, events));
        }

        private void Deliver()
        {
            if (_up.TryDequeue(out var batch)) Append(batch);
        }

        private void DeliverLate(int index)
        {
            var batch = _late[index];
            _late.RemoveAt(index);
            try
            {
                Append(batch);
            }
            catch (MarionetteException e) when (e.Code == FaultCode.Invalid)
            {
                // A gap: the new connection sends what comes before it.
            }
        }

        private void Append((long First, ImmutableArray<OutputEvent> Events) batch)
        {
            Walk.Take(SessionMachine.Append(Walk.State, new RunnerOutput(Walk.State.View.Epoch, batch.First, batch.Events), Walk.Context));
            Agent.Acked = Math.Max(Agent.Acked, Walk.State.Acked);
        }

        private void Repeat()
        {
            if (!_connected) return;
            foreach (var command in PendingCommands.Of(Walk.State, 0)) _down.Enqueue(command);
        }

        private void Hear()
        {
            if (_down.TryDequeue(out var command)) Agent.Take(command, _run);
        }

        private void Answer(Random random)
        {
            if (Walk.State.Permissions.IsEmpty) return;
            var id = Walk.State.Permissions[random.Next(Walk.State.Permissions.Length)].View.Id;
            try
            {
                Walk.Answer(id, random.Next(2) == 0 ? "ann" : "bob", random.Next(2) == 0, command: $"cmd-{_commands++}");
            }
            catch (MarionetteException e) when (e.Code == FaultCode.AlreadyDecided)
            {
                // The second of two answers.
            }
        }

        /// <summary>The line breaks, and with it perhaps the silo: what it knew beside the log is gone either way.</summary>
        private void Cut()
        {
            _connected = false;
            _late.AddRange(_up);
            _up.Clear();
            _down.Clear();
            Walk.Restart();
        }
    }
}
