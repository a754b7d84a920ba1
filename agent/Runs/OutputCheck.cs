using Google.Protobuf;
using Marionette.Agent.Agents;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Runs;

/// <summary>
/// A run whose result must meet a JSON Schema, whatever the agent: it is told the schema, its answer is checked here, and a wrong
/// one is asked for again in the same conversation.
/// </summary>
internal static class OutputCheck
{
    private const int MaxAsks = 2;

    public static async Task<RunResult> RunAsync(IAgentDriver driver, StartRun run, CancellationToken interrupted)
    {
        if (run.OutputSchema.IsEmpty)
            return await driver.RunAsync(run, interrupted).ConfigureAwait(false);
        if (OutputSchema.Read(run.OutputSchema.Memory, out var problem) is not { } schema)
            return RunResult.Failed(ErrorCodes.OutputInvalid, $"The output schema itself is not valid: {problem}");
        var asked = run;
        if (driver.Converses)
        {
            asked = run.Clone();
            asked.Prompt = $"{run.Prompt}\n\n{Demand(schema)}";
        }

        var result = await driver.RunAsync(asked, interrupted).ConfigureAwait(false);
        for (var asks = 0; result.Outcome == Outcomes.Completed; asks++)
        {
            if (schema.Find(result.StructuredOutput, result.Result, out var errors) is { } output)
                return result with { StructuredOutput = output };
            if (asks == MaxAsks || !driver.Converses)
                return Invalid(result, errors, asks);
            var again = await driver.RunAsync(Again(run, schema, errors), interrupted).ConfigureAwait(false);
            result = again.After(result);
        }

        return result;
    }

    private static string Demand(OutputSchema schema) =>
        "End with an answer that is one JSON value and nothing else: no words around it, no code fence. "
        + $"It must meet this JSON Schema:\n{schema.Text}";

    private static StartRun Again(StartRun run, OutputSchema schema, IReadOnlyList<string> errors) => new()
    {
        Task = run.Task,
        Run = run.Run,
        Attempt = run.Attempt,
        OutputSchema = ByteString.Empty,
        Prompt = $"Your answer does not meet the JSON Schema:\n- {string.Join("\n- ", errors)}\n\n"
            + $"Do no further work. Give the answer again. {Demand(schema)}",
    };

    private static RunResult Invalid(RunResult result, IReadOnlyList<string> errors, int asks) => result with
    {
        Outcome = Outcomes.Failed,
        StructuredOutput = null,
        ErrorCode = ErrorCodes.OutputInvalid,
        ErrorMessage = "The result does not meet the output schema" + (asks > 0 ? $", also after {asks} more attempts: " : ": ")
            + string.Join("; ", errors),
    };
}
