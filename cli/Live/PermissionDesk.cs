using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Marionette.Cli.Api;
using Marionette.Cli.Output;

namespace Marionette.Cli.Live;

/// <summary>Who answers permission requests.</summary>
internal enum AnswerMode
{
    /// <summary>Nobody here: they are shown, and somebody else answers.</summary>
    Show,

    /// <summary>The person at this terminal.</summary>
    Ask,

    /// <summary>Everything is allowed.</summary>
    Allow,

    /// <summary>Nobody can be asked, and no answer means no.</summary>
    Deny,
}

/// <summary>Answers the permission requests of a live view, one at a time, while events go on arriving.</summary>
internal sealed class PermissionDesk : IAsyncDisposable
{
    private readonly ApiClient api;
    private readonly LiveScreen screen;
    private readonly AnswerMode mode;
    private readonly IKeyboard? keyboard;
    private readonly InputEditor editor;
    private readonly Channel<Question> questions = Channel.CreateUnbounded<Question>();
    private readonly Dictionary<string, Question> open = [];
    private readonly CancellationTokenSource leaving = new();
    private readonly Task work;

    public PermissionDesk(ApiClient api, LiveScreen screen, AnswerMode mode, IKeyboard? keyboard, InputEditor editor)
    {
        this.api = api;
        this.screen = screen;
        this.mode = mode == AnswerMode.Ask && keyboard is null ? AnswerMode.Deny : mode;
        this.keyboard = keyboard;
        this.editor = editor;
        work = Task.Run(WorkAsync);
    }

    /// <summary>A person is typing an answer at this moment.</summary>
    public bool IsAsking { get; private set; }

    /// <summary>Takes note of what an event opens or closes. Call it after the event has been shown.</summary>
    public void Observe(SessionEvent entry)
    {
        if (mode == AnswerMode.Show || entry.Data.Text("permission_id") is not { } id)
            return;
        if (entry.Type == "permission.requested")
        {
            // Neither money nor another try is what --yes allows, and a no would cancel the task: what the session itself asks waits for a person.
            var own = entry.Data.IsOwnQuestion();
            if (own && mode != AnswerMode.Ask)
                return;
            var question = new Question(id, entry.Data.Member("input"), own ? entry.Data.Text("category") : null, new CancellationTokenSource());
            lock (open)
                open[id] = question;
            questions.Writer.TryWrite(question);
        }
        else if (entry.Type is "permission.approved" or "permission.denied" or "permission.expired" or "permission.canceled")
        {
            lock (open)
            {
                if (open.Remove(id, out var question))
                    question.Closed.Cancel();
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        questions.Writer.TryComplete();
        await leaving.CancelAsync().ConfigureAwait(false);
        await work.ConfigureAwait(false);
        leaving.Dispose();
    }

    private async Task WorkAsync()
    {
        try
        {
            await foreach (var question in questions.Reader.ReadAllAsync(leaving.Token).ConfigureAwait(false))
                await AnswerAsync(question).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The view has ended; what was not answered here can be answered elsewhere.
        }
    }

    private async Task AnswerAsync(Question question)
    {
        using var both = CancellationTokenSource.CreateLinkedTokenSource(question.Closed.Token, leaving.Token);
        try
        {
            switch (mode)
            {
                case AnswerMode.Allow:
                    await SendAsync(question, "approve", new JsonObject { ["reason"] = "--yes" }, both.Token).ConfigureAwait(false);
                    break;
                case AnswerMode.Deny:
                    await SendAsync(question, "deny", new JsonObject { ["reason"] = "no terminal" }, both.Token).ConfigureAwait(false);
                    break;
                default:
                    await AskAsync(question, both.Token).ConfigureAwait(false);
                    break;
            }
        }
        catch (OperationCanceledException) when (!leaving.IsCancellationRequested)
        {
            // Answered elsewhere, or void: the event that said so has been shown.
        }
        catch (CliException error)
        {
            screen.Line($"! the answer was not taken: {error.ToLine()}", Style.Bad);
        }
        finally
        {
            IsAsking = false;
        }
    }

    private async Task AskAsync(Question question, CancellationToken cancellationToken)
    {
        // In a replay the answer may stand a few events further on.
        var now = await api.GetAsync($"/api/v1/permissions/{Uri.EscapeDataString(question.Id)}", cancellationToken).ConfigureAwait(false);
        if (now.Text("status") is { } status && status != "pending")
            return;
        IsAsking = true;
        while (true)
        {
            screen.Text(question.Own switch
            {
                "budget" => "  [a]s much again  [d]eny and cancel the task › ",
                "failover" => "  [a]llow it to go on  [d]eny and cancel the task › ",
                _ => "  [a]llow  [d]eny  [e]dit the input › ",
            }, Style.Ask);
            var key = await keyboard!.ReadKeyAsync(cancellationToken).ConfigureAwait(false);
            screen.Text(char.IsControl(key.KeyChar) ? "\n" : $"{key.KeyChar}\n");
            switch (char.ToLowerInvariant(key.KeyChar))
            {
                case 'a' or 'y':
                    await SendAsync(question, "approve", [], cancellationToken).ConfigureAwait(false);
                    return;
                case 'd' or 'n':
                    var reason = await LinePrompt.ReadAsync(keyboard, screen, "  reason (Enter for none) › ", "", cancellationToken).ConfigureAwait(false);
                    if (reason is null)
                        continue;
                    await SendAsync(question, "deny", reason.Length == 0 ? [] : new JsonObject { ["reason"] = reason }, cancellationToken).ConfigureAwait(false);
                    return;
                case 'e' when question.Own is null:
                    var edited = await editor.EditAsync(question.Input ?? JsonRead.Parse("{}"), keyboard, screen, cancellationToken).ConfigureAwait(false);
                    if (edited is null)
                        continue;
                    await SendAsync(question, "approve", new JsonObject { ["updated_input"] = edited }, cancellationToken).ConfigureAwait(false);
                    return;
            }
        }
    }

    private async Task SendAsync(Question question, string verb, JsonObject body, CancellationToken cancellationToken)
    {
        try
        {
            await api.PostAsync($"/api/v1/permissions/{Uri.EscapeDataString(question.Id)}/{verb}", body, cancellationToken).ConfigureAwait(false);
        }
        catch (ApiException error) when (error.Status == HttpStatusCode.Conflict)
        {
            screen.Line($"  {TerminalText.OneLine(error.Message)}", Style.Dim);
        }
    }

    /// <param name="Own">"budget", "failover": the session itself asks; null = its agent does.</param>
    private sealed record Question(string Id, JsonElement? Input, string? Own, CancellationTokenSource Closed);
}
