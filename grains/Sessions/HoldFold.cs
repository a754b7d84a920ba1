using System.Text.Json;
using Marionette.Json;
using Marionette.Tasks;

namespace Marionette.Sessions;

/// <summary>The part of the fold that concerns tasks that wait for quota, the model or a budget, and what agents say while they work.</summary>
internal static class HoldFold
{
    public static (SessionState State, LiveTask Task) Held(SessionState state, LiveTask task, Entry e, TaskHeld f)
    {
        var view = task.View;
        if (f.Run is { } run)
        {
            var usage = TaskFold.UsageOf(run);
            view = TaskFold.WithRunEnded(view, e, run, RunStatus.Interrupted) with
            {
                Usage = view.Usage + usage, ConversationId = run.ConversationId ?? view.ConversationId,
            };
            state = state with
            {
                LossesInARow = 0,
                View = state.View with { Usage = state.View.Usage + usage, ConversationId = run.ConversationId ?? state.View.ConversationId },
            };
        }

        var status = f.Kind switch
        {
            "quota" => TaskState.WaitingForQuota,
            "model" => TaskState.WaitingForModel,
            "failover" => TaskState.WaitingForFailover,
            _ => TaskState.WaitingForBudget,
        };
        return (state, task with
        {
            RunId = null, Started = false, DispatchSeq = 0, CancelSeq = 0, CancelOutcome = null, CancelRequestedAt = null, Live = UsageData.None,
            Hold = new Hold(f.Kind, f.Scope, f.Until, f.Auto), ModelHolds = f.Kind == "model" ? task.ModelHolds + 1 : 0,
            View = view with { Status = status, Reason = f.Reason, ResumesAt = f.Until, UpdatedAt = e.At },
        });
    }

    /// <summary>Output that the task shows or its budget counts. What cannot be read changes nothing.</summary>
    public static LiveTask Noted(LiveTask task, Output f)
    {
        try
        {
            return f.Type switch
            {
                "usage" when JsonSerializer.Deserialize(f.Payload, GrainsJsonContext.Default.UsageReport) is { } used => task with
                {
                    ModelHolds = 0, Live = new UsageData(
                        task.Live.InputTokens + Math.Max(0, used.InputTokens), task.Live.OutputTokens + Math.Max(0, used.OutputTokens),
                        task.Live.CacheReadTokens + Math.Max(0, used.CacheReadTokens), task.Live.CacheWriteTokens + Math.Max(0, used.CacheWriteTokens)),
                },
                "progress" when JsonSerializer.Deserialize(f.Payload, GrainsJsonContext.Default.ProgressReport) is { } said => task with
                {
                    View = task.View with
                    {
                        Progress = new TaskProgress(
                            said.Step ?? task.View.Progress?.Step, said.Percent ?? task.View.Progress?.Percent,
                            said.Todos is null ? task.View.Progress?.Todos ?? [] : [.. said.Todos]),
                    },
                },
                _ => task,
            };
        }
        catch (JsonException)
        {
            return task;
        }
    }
}
