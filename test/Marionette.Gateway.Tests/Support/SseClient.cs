using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using Marionette.Gateway.Streams;
using Microsoft.Extensions.Logging.Abstractions;

namespace Marionette.Gateway.Tests.Support;

/// <summary>A reader of a feed over the real sink, behind a pipe as narrow as a bad connection: it takes what it is told to, when it is told to.</summary>
internal sealed class SseClient : IAsyncDisposable
{
    private readonly Pipe pipe = new(new PipeOptions(pauseWriterThreshold: 600, resumeWriterThreshold: 300, useSynchronizationContext: false));
    private readonly CancellationTokenSource stop = new();
    private readonly StringBuilder text = new();
    private readonly Task<StreamPosition> pumping;

    public SseClient(EventFeed feed, GatewayOptions options, TimeProvider clock, long after = 0, TypeFilter? filter = null, long? until = null)
    {
        After = after;
        var pump = new EventPump(feed, new SseSink(pipe.Writer, tenantStream: false), filter ?? TypeFilter.None, options, clock, NullLogger.Instance);
        pumping = Task.Run(() => pump.RunAsync(StreamPosition.OfSeq(after), until is { } seq ? StreamPosition.OfSeq(seq) : null, stop.Token));
    }

    public long After { get; }

    public string Text => text.ToString();

    /// <summary>Seqs as they came.</summary>
    public List<long> Seqs => [.. Text.Split("\n\n").SkipLast(1).Select(frame => frame.Split('\n'))
        .Where(lines => lines.Any(line => line.StartsWith("data: ", StringComparison.Ordinal)))
        .Select(lines => long.Parse(lines.First(line => line.StartsWith("id: ", StringComparison.Ordinal))[4..]))];

    /// <summary>Takes at most so many bytes of what has arrived.</summary>
    public void Take(int bytes)
    {
        if (!pipe.Reader.TryRead(out var read)) return;
        var part = read.Buffer.Slice(0, Math.Min(bytes, read.Buffer.Length));
        text.Append(Encoding.UTF8.GetString(part.ToArray()));
        pipe.Reader.AdvanceTo(part.End);
    }

    public Task<StreamPosition> EndAsync() => pumping;

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await pipe.Reader.CompleteAsync();
        try { await pumping; }
        catch (OperationCanceledException) { /* it was told to */ }
        stop.Dispose();
    }
}
