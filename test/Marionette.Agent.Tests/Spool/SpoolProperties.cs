using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Marionette.Agent.Spool;

namespace Marionette.Agent.Tests.Spool;

/// <summary>Whatever is done to a spool, and wherever it is cut off: every unacknowledged event is there once, in order.</summary>
public sealed class SpoolProperties
{
    /// <summary>One thing that happens to a spool.</summary>
    public abstract record Step
    {
        /// <summary>Events of these sizes, committed or not.</summary>
        public sealed record Append(int[] Sizes, bool Commit) : Step;

        /// <summary>The server acknowledges this share (0 to 100) of what is unacknowledged.</summary>
        public sealed record Ack(int Percent) : Step;

        /// <summary>A batch is read with these bounds.</summary>
        public sealed record Read(int MaxEvents, int MaxBytes, bool Again) : Step;

        /// <summary>The process dies and the last segment ends so many bytes earlier (never inside what was acknowledged).</summary>
        public sealed record Crash(int CutBytes) : Step;

        /// <summary>An orderly end and a new start.</summary>
        public sealed record Reopen : Step;
    }

    [Property(MaxTest = 300)]
    public Property EveryUnackedEvent_IsThereOnceInOrder() =>
        Prop.ForAll(Steps().ArrayOf().ToArbitrary(), steps =>
        {
            using var folder = new SpoolFolder(new SpoolOptions { SegmentBytes = 700, WriteBytes = 400 });
            var model = new SpoolModel(folder);
            foreach (var step in steps)
                model.Do(step);
            model.Check();
        });

    private static Gen<Step> Steps() => Gen.Frequency(
        (6, from sizes in Gen.Choose(0, 300).ArrayOf(4) from commit in Gen.Elements(true, true, false)
            select (Step)new Step.Append(sizes, commit)),
        (3, Gen.Choose(0, 100).Select(percent => (Step)new Step.Ack(percent))),
        (6, from events in Gen.Choose(1, 6) from bytes in Gen.Choose(1, 900) from again in Gen.Elements(true, false, false)
            select (Step)new Step.Read(events, bytes, again)),
        (2, Gen.Choose(0, 800).Select(cut => (Step)new Step.Crash(cut))),
        (1, Gen.Constant((Step)new Step.Reopen())));

    /// <summary>What a spool must hold, kept in plain lists.</summary>
    private sealed class SpoolModel(SpoolFolder folder)
    {
        private const string Missing = "lost";

        private readonly List<(long Number, string Text)> written = [];
        private readonly List<(long Number, string Text)> pending = [];
        private long acked;
        private long sent;
        private long known;
        private int made;

        public void Do(Step step)
        {
            switch (step)
            {
                case Step.Append append:
                    foreach (var size in append.Sizes)
                        Append(size);
                    if (append.Commit)
                        Commit();
                    break;
                case Step.Ack ack:
                    Ack(ack.Percent);
                    break;
                case Step.Read read:
                    Read(read);
                    break;
                case Step.Crash crash:
                    Crash(crash.CutBytes);
                    break;
                case Step.Reopen:
                    folder.Reopen(); // writes what was pending
                    written.AddRange(pending);
                    pending.Clear();
                    break;
            }
        }

        public void Check()
        {
            Commit();
            Assert.Equal(acked, folder.Spool.Acked);
            var found = folder.ReadAll(acked + 1).Select(e => (e.Number, TextOf(e.Event))).ToList();
            Assert.Equal(written.Where(e => e.Number > acked), found);
        }

        private static string TextOf(Protocol.V1.Event e) =>
            e.Data.ToStringUtf8() is var text && text.Contains("An event was lost", StringComparison.Ordinal) ? Missing : text;

        private void Append(int size)
        {
            var text = $"{++made}:{new string('x', size)}";
            pending.Add((folder.Append(text), text));
            if (folder.Spool.Committed == folder.Spool.Last)
                Written();
        }

        private void Commit()
        {
            folder.Spool.Commit();
            Written();
        }

        private void Written()
        {
            written.AddRange(pending);
            pending.Clear();
        }

        private void Ack(int percent)
        {
            var last = written.Count > 0 ? written[^1].Number : acked;
            acked = Math.Max(acked, acked + ((last - acked) * percent / 100));
            if (acked > folder.Spool.Acked)
                known = folder.Spool.Committed; // the state file is written with an acknowledgement that moves
            folder.Spool.Acknowledge(acked);
        }

        private void Read(Step.Read read)
        {
            // A sender goes on behind what it sent, or starts again behind what was acknowledged.
            sent = read.Again ? acked : Math.Max(sent, acked);
            using var batch = new EventBatchBuffer();
            var count = folder.Spool.Read(sent + 1, read.MaxEvents, read.MaxBytes, batch);
            var expected = written.Where(e => e.Number > sent).Take(count).Select(e => e.Text);
            var texts = Protocol.V1.EventBatch.Parser.ParseFrom(batch.Written.ToArray()).Events.Select(TextOf);
            Assert.Equal(expected, texts);
            Assert.True(count > 0 || written.All(e => e.Number <= sent), "an unacknowledged event was not given out");
            sent += count;
            Assert.True(count <= read.MaxEvents);
        }

        // Only the newest segment can be torn, and nothing acknowledged lies in the torn part: it was read from there.
        private void Crash(int cut)
        {
            pending.Clear();
            sent = 0;
            folder.Crash(segment =>
            {
                var info = new FileInfo(segment);
                var end = Math.Max(SpoolFormat.SegmentHeaderSize, info.Length - cut);
                var first = long.Parse(Path.GetFileNameWithoutExtension(segment));
                var lost = Lost(segment, end);
                if (lost <= Math.Max(acked, first - 1) + 1 && lost <= acked)
                    return;
                using (var file = File.OpenWrite(segment))
                    file.SetLength(end);
                // The state file proves some of them: their numbers may have been sent and are not given out again.
                written.RemoveAll(e => e.Number >= lost && e.Number > known);
                for (var i = 0; i < written.Count; i++)
                {
                    if (written[i].Number >= lost)
                        written[i] = (written[i].Number, Missing);
                }
            });
        }

        // Number of the first record that a cut at this place destroys.
        private static long Lost(string path, long end)
        {
            using var segment = SpoolSegment.TryOpen(path)!;
            using var block = new SpoolBlock();
            var number = segment.First;
            var offset = (long)SpoolFormat.SegmentHeaderSize;
            while (block.TryRecord(segment, offset, number, out var payload) == SpoolRead.Intact)
            {
                offset += SpoolFormat.RecordHeaderSize + payload.Length;
                if (offset > end)
                    return number;
                number++;
            }

            return number;
        }
    }
}
