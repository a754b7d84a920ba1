namespace Marionette.Gateway.Workspaces.Upkeep;

/// <summary>A checkpoint as rules of retention see it.</summary>
internal readonly record struct CheckpointMark(string Id, DateTimeOffset CreatedAt);

/// <summary>Which checkpoints of a session stay. The newest one of a session that has not ended always does.</summary>
public sealed record RetentionRules
{
    /// <summary>So many newest checkpoints of each session stay. 1 and more; default 20.</summary>
    public int Newest { get; init; } = 20;

    /// <summary>For so many days (UTC) the last checkpoint of each day stays beside them. 0 and more; default 14.</summary>
    public int Days { get; init; } = 14;

    /// <summary>So long after its end a session's checkpoints go, the last one too. Default 30 days; zero = never.</summary>
    public TimeSpan AfterEnd { get; init; } = TimeSpan.FromDays(30);

    /// <summary>Whether a session that ended then has had its time.</summary>
    public bool IsOver(DateTimeOffset? endedAt, DateTimeOffset now) => endedAt is { } end && AfterEnd > TimeSpan.Zero && end + AfterEnd < now;

    /// <summary>What goes.</summary>
    /// <param name="checkpoints">Of one session, newest first.</param>
    /// <param name="endedAt">When the session ended; null = it has not.</param>
    internal List<string> Choose(IReadOnlyList<CheckpointMark> checkpoints, DateTimeOffset? endedAt, DateTimeOffset now)
    {
        if (IsOver(endedAt, now)) return [.. checkpoints.Select(one => one.Id)];
        var gone = new List<string>();
        var days = new HashSet<DateTime>();
        for (var i = 0; i < checkpoints.Count; i++)
        {
            var day = checkpoints[i].CreatedAt.UtcDateTime.Date;
            var isLastOfDay = days.Add(day);
            if (i < Math.Max(Newest, 1) || isLastOfDay && day > now.UtcDateTime.Date.AddDays(-Days)) continue;
            gone.Add(checkpoints[i].Id);
        }

        return gone;
    }
}
