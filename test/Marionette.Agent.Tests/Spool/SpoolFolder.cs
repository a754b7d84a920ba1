using System.Text;
using Marionette.Agent.Spool;
using Marionette.Protocol.V1;
using Microsoft.Extensions.Logging.Abstractions;

namespace Marionette.Agent.Tests.Spool;

/// <summary>A spool in a folder of its own, and shorthands for what tests do with it.</summary>
internal sealed class SpoolFolder : IDisposable
{
    private readonly SpoolOptions options;
    private readonly TimeProvider clock;

    public SpoolFolder(SpoolOptions? options = null, TimeProvider? clock = null)
    {
        this.options = options ?? new SpoolOptions();
        this.clock = clock ?? TimeProvider.System;
        Directory = System.IO.Directory.CreateTempSubdirectory("marionette-spool-test-").FullName;
        Spool = Open();
    }

    public string Directory { get; }

    public EventSpool Spool { get; private set; }

    public IEnumerable<string> Segments => System.IO.Directory.GetFiles(Directory, "*.seg").Order(StringComparer.Ordinal);

    public long Append(string data, string type = "log", string run = "trun_1") => Spool.Append(new EventPayload(
        Encoding.UTF8.GetBytes(type), 1234, Encoding.UTF8.GetBytes(run), Encoding.UTF8.GetBytes(data)));

    /// <summary>Everything from a number on, through batches of the given bounds, parsed by the generated parser.</summary>
    public List<(long Number, Event Event)> ReadAll(long from, int maxEvents = 512, int maxBytes = 1 << 20)
    {
        var found = new List<(long, Event)>();
        using var batch = new EventBatchBuffer();
        while (Spool.Read(from, maxEvents, maxBytes, batch) > 0)
        {
            // The batch is the body of an EventBatch without its number.
            var parsed = EventBatch.Parser.ParseFrom(batch.Written.ToArray());
            Assert.Equal(batch.Count, parsed.Events.Count);
            found.AddRange(parsed.Events.Select((e, i) => (batch.First + i, e)));
            from += batch.Count;
        }

        return found;
    }

    /// <summary>Forgets everything in memory, as a kill -9 does, and opens what the disk has.</summary>
    public void Crash(Action<string>? damage = null)
    {
        // Leaves the old object without its last write; closing the handles changes no file.
        var abandoned = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        CopyTo(abandoned);
        Spool.Dispose();
        foreach (var file in System.IO.Directory.GetFiles(Directory))
            File.Delete(file);
        foreach (var file in System.IO.Directory.GetFiles(abandoned))
            File.Move(file, Path.Combine(Directory, Path.GetFileName(file)));
        System.IO.Directory.Delete(abandoned, recursive: true);
        damage?.Invoke(Segments.Last());
        Spool = Open();
    }

    public void Reopen()
    {
        Spool.Dispose();
        Spool = Open();
    }

    public void Dispose()
    {
        Spool.Dispose();
        System.IO.Directory.Delete(Directory, recursive: true);
    }

    private EventSpool Open() => EventSpool.Open(Directory, options, clock, NullLogger.Instance);

    private void CopyTo(string target)
    {
        System.IO.Directory.CreateDirectory(target);
        foreach (var file in System.IO.Directory.GetFiles(Directory))
            File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
    }
}
