namespace Marionette.Sessions;

/// <summary>How sessions behave on this installation.</summary>
public sealed class SessionOptions
{
    /// <summary>Provider of sessions that name none. Default "process".</summary>
    public string DefaultProvider { get; set; } = "process";

    /// <summary>How long an agent has to end a run that it was asked to end before its runner is taken away. Default 30 s.</summary>
    public TimeSpan InterruptGrace { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a runner has to stop for a suspend. Default 30 s.</summary>
    public TimeSpan StopGrace { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a runner has from its order, or from the end of its pause, to its call. Default 60 s.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a runner that lives may be without a stream before it is given up. Default 5 min.</summary>
    public TimeSpan RunnerLease { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// After so long without a word from a gateway no gateway has a runner's stream: all of them may have died at once, and none lived to say so. A gateway says every 15 s that it has
    /// it. Default 60 s.
    /// </summary>
    public TimeSpan RunnerSilence { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a suspended session's runner may be paused before its memory is given back; its checkpoint is there. Default 1 h.</summary>
    public TimeSpan PauseLimit { get; set; } = TimeSpan.FromHours(1);

    /// <summary>How often commands that show no effect are sent again. Default 5 s.</summary>
    public TimeSpan CommandRepeat { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Prices by the beginning of the model's name, for the estimate of a run under way. Default none: then a run is estimated by what
    /// the session's earlier runs cost a token.
    /// </summary>
    public Dictionary<string, ModelPrice> Prices { get; } = [];
}
