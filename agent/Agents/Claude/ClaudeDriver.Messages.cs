using Marionette.Agent.Agents.Input;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Claude;

/// <content>What reaches a running Claude: answers, more to work with, another model or mode.</content>
internal sealed partial class ClaudeDriver
{
    private static readonly TimeSpan MailPatience = TimeSpan.FromSeconds(10);

    public async Task<bool> AnswerAsync(AnswerPermission answer)
    {
        if (permissions.Take(answer.Request) is not { } question || process is not { } asker)
            return false;
        var line = answer switch
        {
            { Allow: false } => ClaudeMessages.Deny(answer.Request, DenialOf(answer), answer.Interrupt),
            _ when ClaudeInput.TryChoose(question.Input, answer.UpdatedInput.Memory, out var input) =>
                ClaudeMessages.Allow(answer.Request, input),
            _ => ClaudeMessages.Deny(answer.Request, "The changed input is not a JSON object.", interrupt: false),
        };
        if (answer is { Allow: false, Interrupt: true } && turn is { } current)
            current.DeniedWithInterrupt = true;
        stall.Touch();
        try
        {
            await asker.WriteAsync(line).ConfigureAwait(false);
            permissions.Received(question, answer.Request);
        }
        catch (IOException)
        {
            permissions.Lost(question, answer.Request);
        }

        return true;
    }

    /// <summary>Claude reads it after the tool call at hand, or in a further turn of the same run.</summary>
    public async Task<string?> SendAsync(SendMessage message)
    {
        if (turn is not { Process: { } running } current || current.Completion.IsCompleted)
            return "No turn is under way.";
        var id = Guid.NewGuid().ToString();
        Task<string?> taken;
        try
        {
            var files = AttachmentStore.Store(services.Config.WorkspaceDir, message.Run, message.Attachments);
            taken = current.Mail.Expect(id);
            await running.WriteAsync(ClaudeMessages.User(id, ClaudePrompt.Blocks(message.Text, files))).ConfigureAwait(false);
            return await taken.WaitAsync(MailPatience, clock).ConfigureAwait(false);
        }
        catch (AgentStartException exception)
        {
            return exception.Message;
        }
        catch (Exception exception) when (exception is IOException or TimeoutException)
        {
            if (current.Mail.GiveUp(id) is { } held)
                current.Complete(held);
            return exception is IOException ? "Claude Code does not read any more." : "Claude Code did not take the message in time.";
        }
    }

    /// <summary>A process that works is told at once; one that waits is told with the next prompt.</summary>
    public async Task<string?> ConfigureAsync(Configure change)
    {
        if (turn is not { Process: { } running } || running.Ended.IsCompleted)
            return null;
        return await TellSettingsAsync(running, change.Model, ClaudeLaunch.ModeOf(services.Setup.Current)).ConfigureAwait(false);
    }

    // Null when the process works with that model in that mode from now on; otherwise nothing has changed.
    private async Task<string?> TellSettingsAsync(ClaudeProcess running, string model, string mode)
    {
        var before = running.Mode;
        if (mode != before)
        {
            var answer = await running.Control.AskAsync(running, id => ClaudeMessages.SetMode(id, mode)).ConfigureAwait(false);
            if (answer.Error is not null)
                return answer.Error;
            Entered(running, mode);
        }

        if (model == running.Model)
            return null;
        var told = await running.Control.AskAsync(running, id => ClaudeMessages.SetModel(id, model)).ConfigureAwait(false);
        if (told.Error is null)
        {
            running.Model = model;
            return null;
        }

        if (mode != before
            && (await running.Control.AskAsync(running, id => ClaudeMessages.SetMode(id, before)).ConfigureAwait(false)).Error is null)
            Entered(running, before);
        return told.Error;
    }
}
