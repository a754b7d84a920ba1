using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Marionette.Agent.Agents.Permissions;
using Marionette.Agent.Events;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Replay;

/// <summary>
/// Plays the tasks of a recorded session one after another: the same events in the same rhythm, its permission requests asked
/// again, the same ends. The place in the recording is its conversation, so a run that was cut off is played again from its start.
/// </summary>
internal sealed class ReplayDriver : IAgentDriver
{
    private const string Place = "replay:";

    private static readonly HashSet<string> Said = new(StringComparer.Ordinal)
    {
        "text.delta", "text", "thinking.delta", "thinking", "tool_use", "tool_result", "usage", "progress", "log", "state", "error", "raw",
    };

    private readonly AgentServices services;
    private readonly OpenRequests permissions;
    private readonly ConcurrentDictionary<string, TaskCompletionSource<AnswerPermission>> answers = new(StringComparer.Ordinal);
    private Recording? recording;
    private double speed;
    private int next;

    public ReplayDriver(AgentServices services)
    {
        this.services = services;
        permissions = new OpenRequests(services.Sink);
        var setup = services.Setup.Current.Conversation;
        next = PlaceOf(setup.Length > 0 ? setup : services.Journal.Record.Conversation ?? "") ?? 0;
    }

    public string? ConversationId => Place + next.ToString(CultureInfo.InvariantCulture);

    public string? AgentVersion => null;

    public bool Converses => false;

    public async Task<RunResult> RunAsync(StartRun run, CancellationToken interrupted)
    {
        try
        {
            Open();
            if (run.Conversation.Length > 0)
                next = PlaceOf(run.Conversation) ?? 0; // "new" is its beginning
            services.Journal.Conversation(ConversationId!);
            if (next >= recording!.Tasks.Count)
                return RunResult.Failed(
                    ErrorCodes.OptionsInvalid, $"The recording has {recording.Tasks.Count} tasks that came to an end, and all were played.");
            var result = await PlayAsync(recording.Tasks[next], Encoding.UTF8.GetBytes(run.Run), interrupted).ConfigureAwait(false);
            next++;
            return result;
        }
        catch (AgentStartException exception)
        {
            return RunResult.Failed(exception.Code, exception.Message);
        }
        catch (OperationCanceledException)
        {
            return new RunResult { Outcome = Outcomes.Interrupted };
        }
        finally
        {
            answers.Clear();
            permissions.WithdrawAll("the run ended");
            services.Sink.Commit();
        }
    }

    public Task<bool> AnswerAsync(AnswerPermission answer)
    {
        if (permissions.Take(answer.Request) is not { } question)
            return Task.FromResult(false);
        if (answer.Allow && !answer.UpdatedInput.IsEmpty)
            services.Sink.System(question.Run, LogSeverity.Warn, "A recording cannot run a tool with changed input: it is played on as it was.");
        permissions.Received(question, answer.Request);
        if (answers.TryGetValue(answer.Request, out var waiter))
            waiter.TrySetResult(answer);
        return Task.FromResult(true);
    }

    public Task<string?> SendAsync(SendMessage message) => Task.FromResult<string?>("A recording takes no messages.");

    public Task<string?> ConfigureAsync(Configure change) => Task.FromResult<string?>("A recording has neither model nor permission mode.");

    public Task StopAsync() => Task.CompletedTask;

    public void Kill()
    {
        // Nothing of it is outside of this process.
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static int? PlaceOf(string conversation) =>
        conversation.StartsWith(Place, StringComparison.Ordinal)
        && int.TryParse(conversation.AsSpan(Place.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var place)
            ? place
            : null;

    private void Open()
    {
        if (recording is not null)
            return;
        var options = ReplayOptions.Read(services.Setup.Current.Options.Memory);
        speed = options.Speed;
        recording = Recording.Open(options.Recording, services.Config.WorkspaceDir);
    }

    private async Task<RunResult> PlayAsync(IReadOnlyList<RecordedEvent> events, byte[] run, CancellationToken interrupted)
    {
        var requests = new Dictionary<string, string>(StringComparer.Ordinal);
        var before = (DateTimeOffset?)null;
        foreach (var played in events)
        {
            interrupted.ThrowIfCancellationRequested();
            var id = played.Data.Text("permission_id"u8) ?? "";
            switch (played.Type)
            {
                case "permission.requested" when played.Data.Text("budget"u8) is null:
                    await PauseAsync(played.Time - before, interrupted).ConfigureAwait(false);
                    requests[id] = Ask(run, played.Data);
                    break;
                case "permission.canceled" when requests.TryGetValue(id, out var request):
                    await PauseAsync(played.Time - before, interrupted).ConfigureAwait(false);
                    permissions.Withdraw(request, played.Data.Text("reason"u8) ?? "the agent does not ask any more");
                    break;
                case "permission.approved" or "permission.denied" or "permission.expired" when requests.TryGetValue(id, out var request):
                    // Not the recorded time: the answer comes when this session's people give it.
                    services.Sink.Commit();
                    var answer = await answers[request].Task.WaitAsync(interrupted).ConfigureAwait(false);
                    if (answer is { Allow: false, Interrupt: true })
                        return new RunResult { Outcome = Outcomes.Canceled };
                    break;
                case var said when Said.Contains(said):
                    await PauseAsync(played.Time - before, interrupted).ConfigureAwait(false);
                    Say(run, played);
                    break;
                case var end when ReplayEnd.IsEnd(end):
                    return ReplayEnd.Of(played);
                default:
                    continue; // what the session itself wrote, it writes again
            }

            before = played.Time;
            await services.Sink.WaitForSpaceAsync(interrupted).ConfigureAwait(false);
        }

        return RunResult.Failed(ErrorCodes.OptionsInvalid, "The recorded task has no end."); // the reader lets none through
    }

    private async Task PauseAsync(TimeSpan? pause, CancellationToken interrupted)
    {
        services.Sink.Commit();
        if (speed > 0 && pause is { } time && time > TimeSpan.Zero)
            await Task.Delay(time / speed, services.Clock, interrupted).ConfigureAwait(false);
    }

    private void Say(byte[] run, RecordedEvent said) =>
        services.Sink.Emit(Encoding.UTF8.GetBytes(said.Type), run, said.Data, static (json, data) =>
        {
            if (data.ValueKind != JsonValueKind.Object)
                return;
            foreach (var member in data.EnumerateObject())
                member.WriteTo(json);
        });

    private string Ask(byte[] run, JsonElement data)
    {
        var request = data.Text("request_id"u8) ?? Guid.NewGuid().ToString();
        answers[request] = new TaskCompletionSource<AnswerPermission>(TaskCreationOptions.RunContinuationsAsynchronously);
        var input = data.Member("input"u8);
        permissions.Ask(run, request, new PermissionAsk
        {
            Tool = data.Text("tool"u8) ?? "unknown",
            Input = input.ValueKind == JsonValueKind.Object ? Encoding.UTF8.GetBytes(input.GetRawText()) : "{}"u8.ToArray(),
            Category = data.Text("category"u8) ?? PermissionCategory.Other,
            Title = data.Text("title"u8),
            Command = data.Text("command"u8),
            Paths = Texts(data.Member("paths"u8)),
            Hosts = Texts(data.Member("hosts"u8)),
            Diff = data.Text("diff"u8),
            Description = data.Text("description"u8),
            Reason = data.Text("reason"u8),
            TakesInput = data.Flag("takes_input"u8),
        });
        services.Sink.Commit();
        return request;
    }

    private static string[] Texts(JsonElement list) =>
        [.. list.Items().Where(item => item.ValueKind == JsonValueKind.String).Select(item => item.GetString()!)];
}
