namespace Marionette.Agent.Processes;

/// <summary>How a process ended: by an exit code or by a signal, never both. Neither when nobody could tell.</summary>
/// <param name="Code">0 to 255.</param>
/// <param name="Signal">Signal number.</param>
internal readonly record struct ExitStatus(int? Code, int? Signal)
{
    /// <summary>The signal's name, such as <c>SIGKILL</c>; null when it ended by itself.</summary>
    public string? SignalName => Signal switch
    {
        null => null,
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        var number => "SIG" + number,
    };

    public override string ToString() => (Code, Signal) switch
    {
        ({ } code, _) => "exit code " + code,
        (_, not null) => "signal " + SignalName,
        _ => "unknown end",
    };
}
