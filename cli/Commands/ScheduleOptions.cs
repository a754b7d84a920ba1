using System.CommandLine;
using System.Text.Json.Nodes;

namespace Marionette.Cli.Commands;

/// <summary>The options that describe a scheduled task; shared by <c>create</c> and <c>update</c>.</summary>
internal sealed class ScheduleOptions
{
    public Option<string?> Name { get; } = new("--name") { Description = "A name for people" };

    public Option<string?> Description { get; } = new("--description") { Description = "More about it" };

    public Option<string?> Cron { get; } = new("--cron") { Description = "Minute, hour, day, month, weekday; six fields: seconds first", HelpName = "EXPRESSION" };

    public Option<string?> Timezone { get; } = new("--timezone") { Description = "IANA time zone (UTC)", HelpName = "ZONE" };

    public Option<string?> Prompt { get; } = new("--prompt", "-p") { Description = "What to do; {{scheduled_at}}, {{last_result}} and others are filled in" };

    public Option<string?> PromptFile { get; } = new("--prompt-file") { Description = "A file with the prompt; - is stdin", HelpName = "FILE" };

    public Option<string?> Session { get; } = new("--session") { Description = "Session to run in", HelpName = "ID" };

    public Option<string?> AfterRun { get; } = new Option<string?>("--after-run") { Description = "A session of its own is then: terminated (default), suspended, kept" }
        .AcceptOnlyFromAmong("terminate", "suspend", "keep");

    public Option<int?> Timeout { get; } = new("--timeout") { Description = "A task may take this many seconds (3600)", HelpName = "SECONDS" };

    public Option<int?> MaxRetries { get; } = new("--max-retries") { Description = "A failed run is tried again this many times (0)", HelpName = "N" };

    public Option<string?> OnFailure { get; } = new Option<string?>("--on-failure") { Description = "What failures in a row do (continue)" }
        .AcceptOnlyFromAmong("continue", "pause_on_failure", "disable_on_failure");

    public Option<int?> MaxFailures { get; } = new("--max-consecutive-failures") { Description = "How many it takes (3)", HelpName = "N" };

    public Option<string?> Overlap { get; } = new Option<string?>("--overlap") { Description = "An occurrence that is due while another one runs (skip)" }
        .AcceptOnlyFromAmong("skip", "queue", "cancel_running");

    public Option<string?> CatchUp { get; } = new Option<string?>("--catch-up") { Description = "What downtime made it miss (last)" }.AcceptOnlyFromAmong("last", "all", "none");

    public Option<int?> CatchUpWindow { get; } = new("--catch-up-window") { Description = "How far back (86400)", HelpName = "SECONDS" };

    public Option<int?> Jitter { get; } = new("--jitter") { Description = "Spread the occurrences over so many seconds (0)", HelpName = "SECONDS" };

    public Option<string?> StartAt { get; } = new("--start-at") { Description = "Not before this time", HelpName = "TIME" };

    public Option<string?> EndAt { get; } = new("--end-at") { Description = "Not after this time", HelpName = "TIME" };

    public Option<string[]> Labels { get; } = Arguments.Pairs("--labels", "Labels, of its tasks too", "--label");

    public void AddTo(Command command)
    {
        Option[] all =
        [
            Name, Description, Cron, Timezone, Prompt, PromptFile, Session, AfterRun, Timeout, MaxRetries, OnFailure, MaxFailures, Overlap, CatchUp,
            CatchUpWindow, Jitter, StartAt, EndAt, Labels,
        ];
        foreach (var option in all)
            command.Add(option);
        command.Validators.Add(result =>
        {
            if (result.GetValue(Prompt) is not null && result.GetValue(PromptFile) is not null)
                result.AddError("Only one of --prompt and --prompt-file");
        });
    }

    /// <exception cref="CliException">The file cannot be read.</exception>
    public async Task<JsonObject> BodyAsync(ParseResult result, CliContext context, CancellationToken cancellationToken)
    {
        var prompt = result.GetValue(PromptFile) switch
        {
            null => result.GetValue(Prompt),
            "-" => await context.In.ReadToEndAsync(cancellationToken).ConfigureAwait(false),
            var file => await File.ReadAllTextAsync(file, cancellationToken).ConfigureAwait(false),
        };
        return new JsonObject()
            .Put("name", result.GetValue(Name))
            .Put("description", result.GetValue(Description))
            .Put("cron_expression", result.GetValue(Cron))
            .Put("timezone", result.GetValue(Timezone))
            .Put("prompt_template", prompt)
            .Put("session_id", result.GetValue(Session))
            .Put("after_run", result.GetValue(AfterRun))
            .Put("timeout_seconds", result.GetValue(Timeout))
            .Put("max_retries", result.GetValue(MaxRetries))
            .Put("on_failure", result.GetValue(OnFailure))
            .Put("max_consecutive_failures", result.GetValue(MaxFailures))
            .Put("overlap_policy", result.GetValue(Overlap))
            .Put("catch_up", result.GetValue(CatchUp))
            .Put("catch_up_window_seconds", result.GetValue(CatchUpWindow))
            .Put("jitter_seconds", result.GetValue(Jitter))
            .Put("start_at", result.GetValue(StartAt))
            .Put("end_at", result.GetValue(EndAt))
            .Put("labels", Arguments.Map(result.GetValue(Labels), "--labels"));
    }
}
