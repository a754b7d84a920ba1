using System.Threading.Channels;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Marionette.Agent.Hosts;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Hosts.Tests.Daemon;

/// <summary>
/// Wherever connections break: every result and notice arrives, repeats begin with the oldest unconfirmed one, and what was confirmed never comes again.
/// </summary>
public sealed class HostOutboxProperties
{
    public enum Step
    {
        Say,
        Happen,
        Progress,
        Write,
        Beat,

        /// <summary>The server answers the newest heartbeat that was written.</summary>
        Answer,

        /// <summary>The connection breaks; what was written since the last answered heartbeat may be lost.</summary>
        Break,
    }

    [Property(MaxTest = 500)]
    public Property Everything_Arrives_InOrder_UntilItIsConfirmed() => Prop.ForAll(
        Gen.Frequency(
            (4, Gen.Constant(Step.Say)), (2, Gen.Constant(Step.Happen)), (1, Gen.Constant(Step.Progress)), (6, Gen.Constant(Step.Write)),
            (3, Gen.Constant(Step.Beat)), (3, Gen.Constant(Step.Answer)), (1, Gen.Constant(Step.Break))).ArrayOf(60).ToArbitrary(),
        RunAsync);

    private static async Task RunAsync(Step[] steps)
    {
        var notices = Channel.CreateUnbounded<HostMessage>();
        var outbox = new HostOutbox(notices.Reader, () => new Inventory(), () => new HostHeartbeat(), TimeProvider.System);
        var made = 0;
        var confirmed = new HashSet<int>();
        var thisConnection = new List<int>();
        // The order in which they were written for the first time: whatever is written again keeps to it.
        var ranks = new Dictionary<int, int>();
        var newest = new Dictionary<HostMessage.KindOneofCase, int>();
        (long Sent, int Count)? beat = null;
        foreach (var step in steps)
        {
            switch (step)
            {
                case Step.Say:
                    outbox.Say(new OrderResult { Id = $"{++made}" }, again: false);
                    break;
                case Step.Happen:
                    notices.Writer.TryWrite(new HostMessage { Ended = new RunnerReport { Runner = $"{++made}" } });
                    break;
                case Step.Progress:
                    outbox.Say(new HostMessage { Progress = new OrderProgress() });
                    break;
                case Step.Beat:
                    outbox.SayHeartbeat();
                    break;
                case Step.Write:
                    await TryWriteAsync();
                    break;
                case Step.Answer when beat is { } answered:
                    outbox.Confirm(answered.Sent);
                    confirmed.UnionWith(thisConnection.Take(answered.Count));
                    break;
                case Step.Break:
                    Break();
                    break;
            }
        }

        Break();
        while (await TryWriteAsync())
        {
        }

        // Nothing but what was confirmed, or is said on this last connection, has surely arrived.
        Assert.Equal(Enumerable.Range(1, made), confirmed.Union(thisConnection).Order());

        // Results among themselves, and notices among themselves, are said as they came.
        void AssertOldestOfItsKind(int number, HostMessage.KindOneofCase kind)
        {
            Assert.True(number > newest.GetValueOrDefault(kind), $"{kind} {number} after {newest.GetValueOrDefault(kind)}");
            newest[kind] = number;
        }

        void Break()
        {
            thisConnection.Clear();
            beat = null;
            outbox.Rewind();
        }

        // False when nothing waits: then the next message would have to be waited for.
        async Task<bool> TryWriteAsync()
        {
            using var limit = new CancellationTokenSource();
            var next = outbox.NextAsync(limit.Token).AsTask();
            if (!next.IsCompleted)
            {
                await limit.CancelAsync();
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => next);
                return false;
            }

            var message = await next;
            if (message.KindCase == HostMessage.KindOneofCase.Heartbeat)
            {
                beat = (message.Heartbeat.SentMs, thisConnection.Count);
                return true;
            }

            var number = message.KindCase switch
            {
                HostMessage.KindOneofCase.Result => int.Parse(message.Result.Id),
                HostMessage.KindOneofCase.Ended => int.Parse(message.Ended.Runner),
                _ => 0,
            };
            if (number == 0)
                return true;
            Assert.DoesNotContain(number, confirmed);
            Assert.DoesNotContain(number, thisConnection);
            if (ranks.TryAdd(number, ranks.Count))
                AssertOldestOfItsKind(number, message.KindCase);
            if (thisConnection.Count > 0)
                Assert.True(ranks[thisConnection[^1]] < ranks[number], $"{number} after {thisConnection[^1]}");
            thisConnection.Add(number);
            return true;
        }
    }
}
