using Marionette.Schedules;

namespace Marionette.Machines.Tests.Schedules;

public sealed class CronScheduleTests
{
    [Theory]
    [InlineData("*/5 * * * *", "UTC", "2026-03-01T00:00:00Z", "2026-03-01T00:05:00Z")]
    [InlineData("0 9 * * MON-FRI", "Europe/Berlin", "2026-03-27T09:00:00Z", "2026-03-30T07:00:00Z")]
    [InlineData("*/10 * * * * *", "UTC", "2026-03-01T00:00:01Z", "2026-03-01T00:00:10Z")]
    [InlineData("0 0 29 2 *", "UTC", "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z")]
    public void After_IsTheNextTime(string cron, string zone, string from, string next) => Assert.Equal(Time(next), Parse(cron, zone).After(Time(from)));

    [Fact]
    public void ClocksForward_ASkippedTime_ComesRightAfterTheGap()
    {
        // Berlin, 29 March 2026: 02:00 to 03:00 does not exist. 03:00 local is 01:00 UTC.
        var daily = Parse("30 2 * * *", "Europe/Berlin");
        Assert.Equal([Time("2026-03-28T01:30:00Z"), Time("2026-03-29T01:00:00Z"), Time("2026-03-30T00:30:00Z")], Next(daily, "2026-03-28T00:00:00Z", 3));
    }

    [Fact]
    public void ClocksBack_AFixedTime_ComesOnce_AnIntervalInBothHours()
    {
        // Berlin, 25 October 2026: 02:00 to 03:00 comes twice, 00:00 to 01:00 and 01:00 to 02:00 UTC.
        Assert.Equal([Time("2026-10-25T00:30:00Z"), Time("2026-10-26T01:30:00Z")], Next(Parse("30 2 * * *", "Europe/Berlin"), "2026-10-24T12:00:00Z", 2));
        Assert.Equal(
            [Time("2026-10-25T00:00:00Z"), Time("2026-10-25T00:30:00Z"), Time("2026-10-25T01:00:00Z"), Time("2026-10-25T01:30:00Z")],
            Next(Parse("*/30 * * * *", "Europe/Berlin"), "2026-10-24T23:45:00Z", 4));
    }

    [Theory]
    [InlineData("", "UTC", true, false)]
    [InlineData("* * * *", "UTC", true, false)]
    [InlineData("61 * * * *", "UTC", true, false)]
    [InlineData("0 0 31 2 *", "UTC", true, false)]
    [InlineData("* * * * *", "Mars/Olympus", false, true)]
    [InlineData("* * * * *", "../../etc/passwd", false, true)]
    [InlineData("* * * * *", "/etc/localtime", false, true)]
    [InlineData("* * * * *", "", false, true)]
    [InlineData("nonsense", "nonsense", true, true)]
    public void Parse_WhatIsNone_NamesWhatIsWrong(string cron, string zone, bool cronIsWrong, bool zoneIsWrong)
    {
        Assert.False(CronSchedule.TryParse(cron, zone, out _, out var cronError, out var zoneError));
        Assert.Equal((cronIsWrong, zoneIsWrong), (cronError is not null, zoneError is not null));
    }

    private static List<DateTimeOffset> Next(CronSchedule schedule, string from, int count)
    {
        var times = new List<DateTimeOffset>();
        for (var time = Time(from); times.Count < count; times.Add(time)) time = schedule.After(time)!.Value;
        return times;
    }

    private static CronSchedule Parse(string cron, string zone) => CronSchedule.TryParse(cron, zone, out var schedule, out var a, out var b)
        ? schedule
        : throw new InvalidOperationException($"{a} {b}");

    private static DateTimeOffset Time(string text) => DateTimeOffset.Parse(text);
}
