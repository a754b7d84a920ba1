using System.CommandLine;
using System.Text.Json.Nodes;

namespace Marionette.Cli.Commands;

/// <summary>The options that make a task; shared by <c>tasks run</c> and <c>tasks create</c>.</summary>
internal sealed class TaskOptions
{
    public Argument<string?> Words { get; } = new("PROMPT") { Description = "What to do; - reads it from stdin", Arity = ArgumentArity.ZeroOrOne };

    public Option<string?> Session { get; } = new("--session") { Description = "Session to run in; default: a new one", HelpName = "ID" };

    public Option<string?> Prompt { get; } = new("--prompt", "-p") { Description = "The prompt, instead of the argument" };

    public Option<string?> PromptFile { get; } = new("--prompt-file") { Description = "A file with the prompt; - is stdin", HelpName = "FILE" };

    public Option<int?> Timeout { get; } = new("--timeout") { Description = "The task may take this many seconds (3600)", HelpName = "SECONDS" };

    public Option<int?> MaxRetries { get; } = new("--max-retries") { Description = "A failed run is tried again this many times (0)", HelpName = "N" };

    public Option<string?> Continue { get; } = new("--continue") { Description = "Go on from this task", HelpName = "TASK" };

    public Option<string[]> Labels { get; } = Arguments.Pairs("--labels", "Labels of the task", "--label");

    public Option<string[]> Files { get; } = FileArguments.Option();

    public Option<string?> Schema { get; } = new("--output-schema") { Description = "A file with the JSON Schema that the result has to meet", HelpName = "FILE" };

    public Option<bool> NewConversation { get; } = new("--new-conversation") { Description = "Begin a conversation of its own instead of going on with the session's" };

    public BudgetOptions Budget { get; } = new();

    public Option<string?> IdempotencyKey { get; } = Arguments.IdempotencyKey();

    public SessionOptions NewSession { get; } = new();

    public void AddTo(Command command)
    {
        command.Add(Words);
        command.Add(Session);
        command.Add(Prompt);
        command.Add(PromptFile);
        command.Add(Timeout);
        command.Add(MaxRetries);
        command.Add(Continue);
        command.Add(Labels);
        command.Add(Files);
        command.Add(Schema);
        command.Add(NewConversation);
        Budget.AddTo(command);
        command.Add(IdempotencyKey);
        NewSession.AddTo(command, withLabels: false);
        command.Validators.Add(result =>
        {
            foreach (var option in NewSession.Placement.All.Where(option => result.GetValue(Session) is not null && result.GetResult(option) is { Implicit: false }))
                result.AddError($"{option.Name} is for a new session; it does not go with --session");
            var given = (result.GetValue(Words) is null ? 0 : 1) + (result.GetValue(Prompt) is null ? 0 : 1) + (result.GetValue(PromptFile) is null ? 0 : 1);
            if (given != 1)
                result.AddError(given == 0 ? "A prompt is needed: an argument, --prompt or --prompt-file" : "Only one of the argument, --prompt and --prompt-file");
        });
    }

    /// <exception cref="CliException">The file cannot be read, or there is nothing in it.</exception>
    public async Task<string> PromptAsync(ParseResult result, CliContext context, CancellationToken cancellationToken)
    {
        var file = result.GetValue(Words) == "-" ? "-" : result.GetValue(PromptFile);
        var prompt = file switch
        {
            null => result.GetValue(Words) ?? result.GetValue(Prompt)!,
            "-" => await context.In.ReadToEndAsync(cancellationToken).ConfigureAwait(false),
            _ => await File.ReadAllTextAsync(file, cancellationToken).ConfigureAwait(false),
        };
        return prompt.Trim().Length > 0 ? prompt : throw new CliException("the prompt is empty", null, ExitCode.Usage);
    }

    public async Task<JsonObject> BodyAsync(ParseResult result, string sessionId, string prompt, CancellationToken cancellationToken) =>
        new JsonObject { ["session_id"] = sessionId, ["prompt"] = prompt }
            .Put("files", await FileArguments.ReadAsync(result.GetValue(Files), cancellationToken).ConfigureAwait(false))
            .Put("output_schema", await SchemaAsync(result.GetValue(Schema), cancellationToken).ConfigureAwait(false))
            .Put("conversation", result.GetValue(NewConversation) ? "new" : null)
            .Put("budget", Budget.Body(result))
            .Put("timeout_seconds", result.GetValue(Timeout))
            .Put("max_retries", result.GetValue(MaxRetries))
            .Put("continue_from", result.GetValue(Continue))
            .Put("labels", Arguments.Map(result.GetValue(Labels), "--labels"));

    private static async Task<JsonNode?> SchemaAsync(string? path, CancellationToken cancellationToken)
    {
        if (path is null)
            return null;
        try
        {
            return JsonNode.Parse(await File.ReadAllTextAsync(path, cancellationToken).ConfigureAwait(false));
        }
        catch (System.Text.Json.JsonException error)
        {
            throw new CliException($"{path} is not JSON: {error.Message}", null, ExitCode.Usage);
        }
    }
}
