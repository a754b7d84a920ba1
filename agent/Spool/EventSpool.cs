using Marionette.Agent.Hosting;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Spool;

/// <summary>
/// The agent's memory of what it said: every event gets the next number, is written to a segment file, and is forgotten only
/// when an acknowledgement covers it. Sending reads the file back (from the page cache), so memory stays small however far
/// the server lags behind.
/// </summary>
/// <remarks>
/// Promise: what was committed survives a <c>kill -9</c> of the agent. It is not synced to the medium, so a power loss may take
/// the newest events; the host and its runner are lost then as well. An event is sent only after it was committed, hence a
/// number that the server has seen is never given to another event.
/// </remarks>
internal sealed partial class EventSpool : IDisposable
{
    private readonly Lock gate = new();
    private readonly string directory;
    private readonly SpoolOptions options;
    private readonly TimeProvider clock;
    private readonly ILogger log;
    private readonly List<SpoolSegment> segments = [];
    private readonly SpoolStateFile state;
    private readonly AsyncSignal changed = new();
    private readonly RecordBuffer pending = new();
    private readonly SpoolBlock block = new();
    private TaskCompletionSource? space;
    private TaskCompletionSource? acked;
    private long awaited;
    private long handedOut;
    private ITimer? retry;
    private long cursorNumber;
    private long cursorOffset;
    private SpoolSegment? cursorSegment;
    private long spooledBytes;
    private bool disposed;

    private EventSpool(string directory, SpoolOptions options, TimeProvider clock, ILogger log, SpoolStateFile state)
    {
        this.directory = directory;
        this.options = options;
        this.clock = clock;
        this.log = log;
        this.state = state;
    }

    /// <summary>Number of the newest event; 0 before the first.</summary>
    public long Last { get; private set; }

    /// <summary>Number of the newest event that stands in a file and may be sent.</summary>
    public long Committed { get; private set; }

    /// <summary>Number up to which the server holds everything.</summary>
    public long Acked { get; private set; }

    /// <summary>Bytes in the files and in memory that are not acknowledged, to within one segment.</summary>
    public long UnackedBytes
    {
        get
        {
            lock (gate)
                return Acked == Last ? 0 : spooledBytes + pending.Length;
        }
    }

    /// <summary>Set when something was committed or acknowledged. For the one sender.</summary>
    public AsyncSignal Changed => changed;

    private SpoolSegment Tail => segments[^1];

    private bool IsFull =>
        !disposed && (retry is not null || (Acked < Last && spooledBytes + pending.Length >= options.MaxBytes));

    /// <summary>Opens the folder, makes it when it is not there, cuts off a torn end, and goes on with the next number.</summary>
    /// <exception cref="IOException">The folder cannot be used.</exception>
    public static EventSpool Open(string directory, SpoolOptions options, TimeProvider clock, ILogger log)
    {
        Directory.CreateDirectory(directory);
        var state = SpoolStateFile.Open(Path.Combine(directory, "state"), out var acked, out var highest);
        var spool = new EventSpool(directory, options, clock, log, state) { Acked = acked };
        try
        {
            spool.Recover(highest);
            return spool;
        }
        catch
        {
            spool.Dispose();
            throw;
        }
    }

    /// <summary>Takes an event in and numbers it. It may be sent, and survives a crash, once <see cref="Commit"/> was called.</summary>
    /// <returns>Its number.</returns>
    public long Append(in EventPayload payload)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            var number = ++Last;
            pending.Add(number, payload);
            if (pending.Length >= options.WriteBytes)
                Write();
            return number;
        }
    }

    /// <summary>
    /// Writes what was appended. When the disk refuses, the events stay in memory, readers are held back, and the write is
    /// tried again until it succeeds.
    /// </summary>
    public void Commit()
    {
        lock (gate)
        {
            if (!disposed)
                Write();
        }

        changed.Set();
    }

    /// <summary>Completes at once while there is room, else when acknowledgements (or a disk that works again) made some.</summary>
    public ValueTask WaitForSpaceAsync(CancellationToken cancellationToken)
    {
        lock (gate)
        {
            if (!IsFull)
                return ValueTask.CompletedTask;
            space ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return new ValueTask(space.Task.WaitAsync(cancellationToken));
        }
    }

    /// <summary>The server holds everything up to <paramref name="number"/>: forget it. Smaller numbers change nothing.</summary>
    public void Acknowledge(long number)
    {
        lock (gate)
        {
            if (disposed || number <= Acked)
                return;
            if (number > Last)
                SkipTo(number);
            Acked = number;
            DropAcknowledged();
            state.Write(Acked, Committed);
            ReleaseSpace();
            if (Acked >= awaited)
                acked?.TrySetResult();
        }

        changed.Set();
    }

    /// <summary>Completes when the server holds everything up to <paramref name="number"/>.</summary>
    public Task WhenAckedAsync(long number, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            if (Acked >= number)
                return Task.CompletedTask;
            awaited = number;
            acked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return acked.Task.WaitAsync(cancellationToken);
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            if (disposed)
                return;
            if (segments.Count > 0)
                Write();
            disposed = true;
            retry?.Dispose();
            block.Dispose();
            foreach (var segment in segments)
                segment.Dispose();
            state.Dispose();
            ReleaseSpace();
        }
    }

    private void Recover(long highest)
    {
        foreach (var path in Directory.GetFiles(directory, "*.seg").Order(StringComparer.Ordinal))
        {
            if (SpoolSegment.TryOpen(path) is { } segment)
                segments.Add(segment);
            else
                File.Delete(path); // the crash came between creation and header: nothing was ever in it
        }

        for (var i = 0; i + 1 < segments.Count; i++)
            segments[i].Last = segments[i + 1].First - 1;
        if (segments.Count > 0 && Tail.Recover() is > 0 and var torn)
            log.SpoolCut(Path.GetFileName(Tail.Path), torn);
        var next = Math.Max(Math.Max(highest, Acked), segments.Count > 0 ? Tail.Last : 0) + 1;
        if (segments.Count == 0 || Tail.Last + 1 != next)
            segments.Add(SpoolSegment.Create(directory, next));
        Last = Committed = handedOut = next - 1;
        spooledBytes = segments.Sum(segment => segment.Length);
        DropAcknowledged();
    }

    // The server knows more than this disk: a power loss took events that had been sent. Their numbers are spent, and what was
    // appended since under the same numbers gets new ones.
    private void SkipTo(long number)
    {
        log.SpoolBehind(Last, number);
        Write();
        var unsent = TakeUnsent();
        pending.Clear();
        AddSegment(number + 1);
        Last = Committed = number;
        foreach (var payload in unsent)
            pending.Add(++Last, payload);
        Write();
    }

    private void Write()
    {
        if (pending.Length == 0)
            return;
        try
        {
            if (Tail.Length >= options.SegmentBytes)
                AddSegment(Committed + 1);
            Tail.Append(pending.Written, Last);
            spooledBytes += pending.Length;
            Committed = Last;
            pending.Clear();
            if (retry is not null)
                log.SpoolWritable();
            retry?.Dispose();
            retry = null;
            ReleaseSpace();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            if (retry is not null)
                return;
            log.SpoolRefused(exception.Message);
            retry = clock.CreateTimer(_ => Commit(), null, options.RetryDelay, options.RetryDelay);
        }
    }

    private void DropAcknowledged()
    {
        while (segments.Count > 1 && Tail != segments[0] && segments[0].Last <= Acked)
            DropFirst();
        // A long-lived quiet runner must not keep megabytes of what everyone already has.
        if (Acked != Committed || pending.Length > 0 || segments.Count > 1 || Tail.Length < options.SegmentBytes)
            return;
        try
        {
            AddSegment(Committed + 1);
            DropFirst();
        }
        catch (IOException)
        {
            // No room for an empty file: the old one stays for now.
        }
    }

    private void AddSegment(long first)
    {
        segments.Add(SpoolSegment.Create(directory, first));
        spooledBytes += Tail.Length;
    }

    private void DropFirst()
    {
        if (ReferenceEquals(cursorSegment, segments[0]))
            cursorSegment = null;
        spooledBytes -= segments[0].Length;
        segments[0].Delete();
        segments.RemoveAt(0);
    }

    private void ReleaseSpace()
    {
        if (space is null || IsFull)
            return;
        space.SetResult();
        space = null;
    }
}
