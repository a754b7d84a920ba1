using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Marionette.Sessions;
using Npgsql;

namespace Marionette.Log;

/// <summary>
/// Events by binary COPY: PostgreSQL takes rows in this form with less work than from arrays, and what repeats from row to row (tenant, session, type,
/// task, run) is encoded once. The format is that of the chapter on COPY in PostgreSQL's manual.
/// </summary>
internal sealed class EventCopy(Stream target) : IDisposable
{
    private const string Command = "copy session_event (tenant, session, seq, type, task, run, source, at, payload) from stdin (format binary)";
    private const short Columns = 9;
    private const int BufferBytes = 64 * 1024;
    private const int LongestFixedPart = 64;

    /// <summary>"PGCOPY", a line feed, 0xff, carriage return, line feed, NUL.</summary>
    private static ReadOnlySpan<byte> Signature => [0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0x00];

    private static readonly long Epoch = new DateTime(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc).Ticks;

    private readonly byte[] _buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
    private readonly byte[] _head = new byte[512], _kind = new byte[512];
    private (string Type, string? Task, string? Run) _kindOf = ("", null, null);
    private int _used, _headLength, _kindLength;

    /// <summary>Writes the batches' events within the connection's transaction.</summary>
    public static async Task WriteAsync(NpgsqlConnection connection, IEnumerable<LogBatch> batches)
    {
        await using var stream = await connection.BeginRawBinaryCopyAsync(Command);
        using var copy = new EventCopy(stream);
        try
        {
            await copy.WriteAsync(batches);
        }
        catch
        {
            // Disposal would end the COPY in order, and half of the events would be in the transaction.
            await stream.CancelAsync();
            throw;
        }
    }

    public void Dispose() => ArrayPool<byte>.Shared.Return(_buffer);

    private async Task WriteAsync(IEnumerable<LogBatch> batches)
    {
        Put(Signature);
        PutInt32(0); // no flags
        PutInt32(0); // no extension of the header
        foreach (var batch in batches)
        {
            StartBatch(batch);
            foreach (var e in batch.Events)
            {
                if (_used + LongestFixedPart + _headLength + _kind.Length > BufferBytes) await FlushAsync();
                WriteFields(e);
                if (_used + e.Payload.Length <= BufferBytes)
                {
                    Put(e.Payload);
                    continue;
                }

                await FlushAsync();
                await target.WriteAsync(e.Payload);
            }
        }

        if (_used + sizeof(short) > BufferBytes) await FlushAsync();
        PutInt16(-1);
        await FlushAsync();
    }

    private void StartBatch(LogBatch batch)
    {
        BinaryPrimitives.WriteInt16BigEndian(_head, Columns);
        _headLength = Text(_head, Text(_head, sizeof(short), batch.Tenant), batch.Session);
    }

    private void WriteFields(LoggedEvent e)
    {
        if (_kindLength == 0 || !Same(_kindOf.Type, e.Type) || !Same(_kindOf.Task, e.TaskId) || !Same(_kindOf.Run, e.RunId))
        {
            _kindLength = Text(_kind, Text(_kind, Text(_kind, 0, e.Type), e.TaskId), e.RunId);
            _kindOf = (e.Type, e.TaskId, e.RunId);
        }

        Put(_head.AsSpan(0, _headLength));
        PutInt64Field(e.Seq);
        Put(_kind.AsSpan(0, _kindLength));
        PutInt64Field(e.Source);
        PutInt64Field((e.At.UtcTicks - Epoch) / TimeSpan.TicksPerMicrosecond);
        PutInt32(e.Payload.Length);
    }

    private static bool Same(string? a, string? b) => ReferenceEquals(a, b) || a == b;

    /// <summary>A text field, or null; returns where the next one begins. Ids and types are short: the gateway sees to it.</summary>
    private static int Text(byte[] target, int at, string? text)
    {
        var length = text is null ? -1 : Encoding.UTF8.GetBytes(text, target.AsSpan(at + sizeof(int)));
        BinaryPrimitives.WriteInt32BigEndian(target.AsSpan(at), length);
        return at + sizeof(int) + Math.Max(0, length);
    }

    private void Put(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_buffer.AsSpan(_used));
        _used += bytes.Length;
    }

    private void PutInt16(short number)
    {
        BinaryPrimitives.WriteInt16BigEndian(_buffer.AsSpan(_used), number);
        _used += sizeof(short);
    }

    private void PutInt32(int number)
    {
        BinaryPrimitives.WriteInt32BigEndian(_buffer.AsSpan(_used), number);
        _used += sizeof(int);
    }

    private void PutInt64Field(long number)
    {
        PutInt32(sizeof(long));
        BinaryPrimitives.WriteInt64BigEndian(_buffer.AsSpan(_used), number);
        _used += sizeof(long);
    }

    private async ValueTask FlushAsync()
    {
        await target.WriteAsync(_buffer.AsMemory(0, _used));
        _used = 0;
    }
}
