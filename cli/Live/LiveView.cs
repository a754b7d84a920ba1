using System.Runtime.InteropServices;
using Marionette.Cli.Api;
using Marionette.Cli.Output;

namespace Marionette.Cli.Live;

/// <summary>What to follow, and how.</summary>
internal sealed record FollowOptions
{
    public required string SessionId { get; init; }

    /// <summary>Follow until this task ends; null: until the session ends.</summary>
    public string? TaskId { get; init; }

    /// <summary>Events after this one are read.</summary>
    public long After { get; init; }

    public AnswerMode Answer { get; init; } = AnswerMode.Show;

    public TranscriptOptions Transcript { get; init; } = new();

    /// <summary>Ctrl-C asks the server to cancel the task before it leaves. Default: it just leaves.</summary>
    public bool CancelOnInterrupt { get; init; }

    /// <summary>Nothing of the events is drawn; <see cref="OnEvent"/> has them.</summary>
    public bool Silent { get; init; }

    /// <summary>Gets each event beside the screen; null: nobody.</summary>
    public Action<SessionEvent>? OnEvent { get; init; }
}

/// <summary>How following ended.</summary>
/// <param name="Interrupted">The user pressed Ctrl-C (or the process was told to end), whether or not the task was over by then.</param>
internal sealed record FollowResult(TaskProgress Progress, bool Interrupted)
{
    public int ExitCode => Interrupted ? Cli.ExitCode.Interrupted : Progress.Outcome is { } outcome ? Cli.ExitCode.ForTask(outcome) : Cli.ExitCode.Failure;
}

/// <summary>Shows a session live: its events as text, a status row, questions answered in place, Ctrl-C.</summary>
internal sealed class LiveView(ApiClient api, CliContext context, LiveScreen screen)
{
    private static readonly TimeSpan StatusPeriod = TimeSpan.FromMilliseconds(500);

    private TaskProgress progress = new();
    private int interrupts;

    /// <summary>Follows until the task (or the session) ends or the user leaves.</summary>
    public async Task<FollowResult> FollowAsync(FollowOptions options, CancellationToken cancellationToken)
    {
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var signals = context.ListenForSignals(signal => OnSignal(signal, options, leave));
        var transcript = new Transcript(screen, options.Transcript);
        var notices = new FeedNotices
        {
            Lost = why => screen.Line($"~ reconnecting: {TerminalText.OneLine(why)}", Style.Dim),
            Restored = () => screen.Line("~ connected again; nothing was lost", Style.Dim),
        };
        await using var desk = new PermissionDesk(api, screen, options.Answer, context.Keyboard, InputEditor.From(context));
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(leave.Token);
        var status = KeepStatusAsync(desk, ended.Token);
        try
        {
            await foreach (var entry in new EventFeed(api, context.Clock, notices).ReadAsync(options.SessionId, options.After, leave.Token).ConfigureAwait(false))
            {
                if (options.TaskId is not null && entry.TaskId is not null && entry.TaskId != options.TaskId)
                    continue;
                progress = progress.Apply(entry);
                options.OnEvent?.Invoke(entry);
                if (!options.Silent)
                    transcript.Show(entry);
                desk.Observe(entry);
                if (await IsLastAsync(entry, options, leave.Token).ConfigureAwait(false))
                    break;
            }
        }
        catch (OperationCanceledException) when (leave.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // The user left.
        }
        finally
        {
            await ended.CancelAsync().ConfigureAwait(false);
            await status.ConfigureAwait(false);
            screen.EndLine();
            screen.Release();
        }
        return new FollowResult(progress, interrupts > 0);
    }

    // A failed run may be tried again by the server; only the task itself says whether it is over.
    private async Task<bool> IsLastAsync(SessionEvent entry, FollowOptions options, CancellationToken cancellationToken)
    {
        var sessionOver = entry.Type is "session.terminated" or "session.failed";
        if (options.TaskId is null)
            return sessionOver;
        if (!sessionOver && progress.Outcome is null)
            return false;
        var task = await api.GetAsync($"/api/v1/tasks/{Uri.EscapeDataString(options.TaskId)}", cancellationToken).ConfigureAwait(false);
        return sessionOver || task.Text("status") is "completed" or "failed" or "canceled" or "timed_out";
    }

    private void OnSignal(PosixSignal signal, FollowOptions options, CancellationTokenSource leave)
    {
        if (signal == PosixSignal.SIGINT && Interlocked.Increment(ref interrupts) == 1 && options is { CancelOnInterrupt: true, TaskId: { } task })
        {
            screen.Line("~ canceling the task; Ctrl-C again leaves without waiting", Style.Dim);
            _ = CancelTaskAsync(task, leave);
            return;
        }
        Interlocked.Exchange(ref interrupts, 2);
        leave.Cancel();
    }

    private async Task CancelTaskAsync(string task, CancellationTokenSource leave)
    {
        try
        {
            await api.PostAsync($"/api/v1/tasks/{Uri.EscapeDataString(task)}/cancel", null, leave.Token).ConfigureAwait(false);
        }
        catch (CliException error)
        {
            screen.Line($"! the task was not canceled: {error.ToLine()}", Style.Bad);
        }
        catch (OperationCanceledException)
        {
        }
    }

    private async Task KeepStatusAsync(PermissionDesk desk, CancellationToken cancellationToken)
    {
        var began = context.Clock.GetTimestamp();
        using var timer = new PeriodicTimer(StatusPeriod, context.Clock);
        try
        {
            do
            {
                // While somebody types, the row stands still.
                if (!desk.IsAsking)
                    screen.Status(progress.StatusLine(context.Clock.GetElapsedTime(began)));
            }
            while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
        }
    }
}
