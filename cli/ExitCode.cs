namespace Marionette.Cli;

/// <summary>What the process ends with. A contract with scripts: documented in <c>docs/guides/cli.md</c>, never renumbered.</summary>
internal static class ExitCode
{
    public const int Ok = 0;

    /// <summary>It did not work: the server refused it, could not be reached, or a check failed.</summary>
    public const int Failure = 1;

    /// <summary>The command line itself is wrong; nothing was sent.</summary>
    public const int Usage = 2;

    public const int TaskFailed = 3;

    public const int TaskCanceled = 4;

    public const int TaskTimedOut = 5;

    /// <summary>The server does not know the API key, or the key lacks the scope.</summary>
    public const int NotAuthorized = 6;

    /// <summary>Ctrl-C: 128 + SIGINT, as shells count.</summary>
    public const int Interrupted = 130;

    /// <summary>The code for a task's final status; <see cref="Failure"/> for a status this version does not know.</summary>
    public static int ForTask(string status) => status switch
    {
        "completed" => Ok,
        "failed" => TaskFailed,
        "canceled" => TaskCanceled,
        "timed_out" => TaskTimedOut,
        _ => Failure,
    };
}
