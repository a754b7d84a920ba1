namespace Marionette.Sessions;

/// <content>The end of a session's life: warnings, an extension, and an end that loses nothing.</content>
internal static partial class SessionMachine
{
    private const string ExpiredReason = "Its time to live is over.";

    /// <summary>Longest life, and longest extension.</summary>
    public const int MaxTtlSeconds = 365 * 24 * 3600;

    /// <summary>Seconds before the end at which there is a warning, the earliest first.</summary>
    private static readonly int[] Warnings = [24 * 3600, 3600, 600];

    /// <summary>How far the end is put off for files that are in no checkpoint.</summary>
    private static readonly TimeSpan Respite = TimeSpan.FromDays(1);

    public static Decision Extend(SessionState state, ExtendSession c, DecisionContext context)
    {
        MustBeOpen(state);
        if (state.Expiry is { Commands.IsDefault: false } told && told.Commands.Contains(c.CommandId)) return new(state);
        var from = state.View.ExpiresAt > context.Now ? state.View.ExpiresAt.Value : context.Now;
        DateTimeOffset? until = c.Never ? null : c.Until ?? from.AddSeconds(c.Seconds ?? 0);
        if (until <= context.Now) throw new MarionetteException([new FieldError("expires_at", "must be in the future")]);
        if (until > context.Now.AddSeconds(MaxTtlSeconds))
            throw new MarionetteException([new FieldError(c.Until is null ? "seconds" : "expires_at", "must leave it at most a year; use never for a session without an end")]);
        var scribe = new Scribe(state, context);
        scribe.Write(new SessionExtended(c.By, until, null, c.CommandId));
        return scribe.Decide();
    }

    /// <summary>Warns; at the end, has its runner store its files and go.</summary>
    private static void TickExpiry(Scribe scribe)
    {
        var state = scribe.State;
        if (state.View.ExpiresAt is not { } end) return;
        if (end > scribe.Now)
        {
            // One that slept through several warnings hears the last of them.
            if (NextWarning(state) is { } due && end.AddSeconds(-due) <= scribe.Now)
                scribe.Write(new SessionExpiring(end, Warnings.Last(left => left <= due && end.AddSeconds(-left) <= scribe.Now)));
        }
        else if (IsPaused(state))
        {
            LetGo(scribe, ExpiredReason);
        }
        else if (state.View.RunnerId is not null && state.Stop == StopIntent.None)
        {
            if (state.View.Status == SessionStatus.Active || state.Pause is { Step: PauseStep.Waking }) scribe.Write(new SessionSuspending(ExpiredReason));
            else Release(scribe, ExpiredReason, suspend: true); // Its runner has never called: there is nothing to store.
        }
    }

    /// <summary>A session whose life is over ends once it has no runner, unless what its last runner wrote is in no checkpoint.</summary>
    private static void SettleExpiry(Scribe scribe)
    {
        if (scribe.State is not { IsClosed: false, View: { RunnerId: null, ExpiresAt: { } end } } state || end > scribe.Now) return;
        if (state.WorkspaceEpoch == 0 || IsWhole(state))
            Close(scribe, ExpiredReason);
        else
            scribe.Write(new SessionExtended(
                "marionette", scribe.Now + Respite, "Its last runner left no checkpoint of its end: resume and suspend it so that its files are stored, or terminate it.", null));
    }

    private static DateTimeOffset? ExpiryDeadline(SessionState state) =>
        state.View.ExpiresAt is not { } end || state.Stop == StopIntent.Suspend ? null : NextWarning(state) is { } left ? end.AddSeconds(-left) : end;

    /// <summary>Seconds before the end of the next warning; null = none is left.</summary>
    private static int? NextWarning(SessionState state)
    {
        if (state is not { Expiry: { } told, View.ExpiresAt: { } end }) return null;
        foreach (var left in Warnings)
            if (left < told.Warned && end.AddSeconds(-left) > told.SetAt) return left;
        return null;
    }
}
