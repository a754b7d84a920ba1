using Marionette.Cli.Output;

namespace Marionette.Cli.Live;

/// <summary>The last lines of a live view: how the task ended, what it took, why it failed.</summary>
internal static class Ending
{
    public static void Show(LiveScreen screen, TaskProgress progress)
    {
        if (progress.Outcome is null)
        {
            screen.Line("~ left; the task goes on without this view", Style.Dim);
            return;
        }
        var good = progress.Outcome == "completed";
        screen.Line($"{(good ? "✓" : "✗")} {progress.Summary()}", good ? Style.Good : Style.Bad);
        if (progress.ErrorCode is not null || progress.ErrorMessage is not null)
            screen.Line($"  {TerminalText.OneLine(progress.ErrorCode ?? "error")}: {TerminalText.OneLine(progress.ErrorMessage ?? "")}", Style.Bad);
    }
}
