using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Marionette.Log;

/// <summary>
/// Group commit: the appends of all sessions of this silo that wait at the same moment go to PostgreSQL in one statement and one commit. While
/// one commit is under way the next group gathers, so the group grows with the load and a lone append waits for nobody.
/// </summary>
internal sealed partial class GroupCommitter(NpgsqlDataSource source, ILogger<GroupCommitter> logger) : BackgroundService
{
    /// <summary>Commits under way at once: one is written while another flushes.</summary>
    private const int Lanes = 2;

    /// <summary>Bounds of one commit. A batch of a session that is larger alone still goes through, alone.</summary>
    private const int MaxBatches = 512;
    private const long MaxBytes = 16 << 20;

    /// <summary>
    /// From so many events on a group goes by COPY in a transaction: three round trips more, and less work for each event. An estimate of
    /// where the two meet; it was not measured.
    /// </summary>
    private const int CopyFrom = 128;

    private const int MaxAttempts = 5;

    private readonly Channel<Waiting> _queue = Channel.CreateUnbounded<Waiting>(new UnboundedChannelOptions { SingleReader = false });

    /// <summary>
    /// Enqueues; the queue needs no bound of its own, because every grain waits for its append before it takes the next.
    /// </summary>
    public Task<bool> AppendAsync(LogBatch batch)
    {
        var waiting = new Waiting(batch, new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously));
        if (!_queue.Writer.TryWrite(waiting))
            return Task.FromException<bool>(new MarionetteException(FaultCode.Unavailable, "The silo is shutting down; try again."));
        return waiting.Done.Task;
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(Enumerable.Range(0, Lanes).Select(_ => Task.Run(() => LaneAsync(stoppingToken), CancellationToken.None)));

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        _queue.Writer.TryComplete();
        await base.StopAsync(cancellationToken);
    }

    private async Task LaneAsync(CancellationToken stoppingToken)
    {
        var group = new List<Waiting>();
        try
        {
            while (await _queue.Reader.WaitToReadAsync(stoppingToken))
            {
                Gather(group);
                if (group.Count > 0) await CommitAsync(group);
                group.Clear();
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            while (_queue.Reader.TryRead(out var left))
                left.Done.TrySetException(new MarionetteException(FaultCode.Unavailable, "The silo is shutting down; try again."));
        }
    }

    private void Gather(List<Waiting> group)
    {
        long bytes = 0;
        while (group.Count < MaxBatches && bytes < MaxBytes && _queue.Reader.TryRead(out var waiting))
        {
            group.Add(waiting);
            bytes += waiting.Batch.Bytes;
        }
    }

    private async Task CommitAsync(List<Waiting> group)
    {
        try
        {
            var won = await ExecuteAsync(group);
            for (var i = 0; i < group.Count; i++) group[i].Done.TrySetResult(won[i]);
        }
        catch (PostgresException e) when (!e.IsTransient && group.Count > 1)
        {
            // A row that PostgreSQL refuses fails its own session alone.
            Log.GroupSplit(logger, group.Count, e.SqlState);
            foreach (var waiting in group) await CommitAsync([waiting]);
        }
        catch (Exception e)
        {
            Log.CommitFailed(logger, e, group.Count);
            var fault = FaultOf(e);
            foreach (var waiting in group) waiting.Done.TrySetException(fault);
        }
    }

    /// <summary>Whether each batch of the group was stored.</summary>
    private async Task<bool[]> ExecuteAsync(List<Waiting> group)
    {
        for (var attempt = 1; ; attempt++)
        {
            var opened = false;
            try
            {
                await using var connection = await source.OpenConnectionAsync();
                opened = true;
                var batches = group.ConvertAll(w => w.Batch);
                return batches.Sum(b => b.Events.Count) < CopyFrom ? await InsertAsync(connection, batches) : await CopyAsync(connection, batches);
            }
            catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure && attempt < MaxAttempts)
            {
                // Rolled back for certain: the same group goes again.
            }
            catch (Exception e) when (!opened && e is NpgsqlException or TimeoutException)
            {
                throw new MarionetteException(FaultCode.Unavailable, "The database cannot be reached; nothing was done. Try again.", e);
            }
        }
    }

    private static async Task<bool[]> InsertAsync(NpgsqlConnection connection, List<LogBatch> batches)
    {
        await using var command = AppendStatement.Create(connection, batches);
        return await WonAsync(command, batches.Count);
    }

    private static async Task<bool[]> CopyAsync(NpgsqlConnection connection, List<LogBatch> batches)
    {
        await using var transaction = await connection.BeginTransactionAsync();
        bool[] won;
        await using (var command = AppendStatement.CreateOpening(connection, batches)) won = await WonAsync(command, batches.Count);
        if (!won.Contains(true)) return won; // and the transaction, which has changed nothing, is rolled back
        await EventCopy.WriteAsync(connection, batches.Where((_, i) => won[i]));
        await transaction.CommitAsync();
        return won;
    }

    private static async Task<bool[]> WonAsync(NpgsqlCommand command, int count)
    {
        var won = new bool[count];
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync()) won[reader.GetInt64(0) - 1] = true;
        return won;
    }

    private static MarionetteException FaultOf(Exception e) => e switch
    {
        MarionetteException fault => fault,
        PostgresException { IsTransient: false } => new MarionetteException(FaultCode.Internal, "The database refused the append.", e),
        _ => new MarionetteException(FaultCode.OutcomeUnknown, "The connection to the database broke: the change may or may not be stored.", e),
    };

    private sealed record Waiting(LogBatch Batch, TaskCompletionSource<bool> Done);

    private static partial class Log
    {
        [LoggerMessage(1050, LogLevel.Warning, "A group of {Count} appends was refused with {SqlState} and goes one by one", EventName = "session.log.group_split")]
        public static partial void GroupSplit(ILogger logger, int count, string sqlState);

        [LoggerMessage(1051, LogLevel.Warning, "A commit of {Count} appends failed; its sessions read the log again", EventName = "session.log.commit_failed")]
        public static partial void CommitFailed(ILogger logger, Exception exception, int count);
    }
}
