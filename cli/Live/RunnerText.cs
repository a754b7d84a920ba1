using System.Globalization;
using System.Net;
using System.Text.Json;
using Marionette.Cli.Api;
using Marionette.Cli.Output;

namespace Marionette.Cli.Live;

/// <summary>What the session tells of its runner's start and network, in the words of people.</summary>
internal static class RunnerText
{
    private const int Longest = 400, MostHosts = 5, HttpsPort = 443;

    /// <summary>The event as a line of the transcript; null where the status row alone tells it.</summary>
    public static (string Text, Style Style)? Line(SessionEvent entry) => entry.Type switch
    {
        "network.blocked" => (Blocked(entry), Style.Ask),
        "network.changed" => (Changed(entry.Data), Style.Dim),
        "runner.throttled" => ($"! {Cores(entry.Data)} until it is calm: it {Fault(entry.Data.Text("reason"))}", Style.Bad),
        "runner.unthrottled" => ($"~ {Cores(entry.Data)} again", Style.Dim),
        "workspace.ready" => Opened(entry.Data),
        "workspace.restore_failed" => ($"! the workspace is not there: {Format.Fit(entry.Data.Text("reason") ?? "", Longest)}", Style.Bad),
        "checkpoint.failed" => ($"! no checkpoint: {Format.Fit(entry.Data.Text("message") ?? "", Longest)}", Style.Bad),
        // Told once for each reason; a pull's percents would bury everything else.
        "runner.progress" when IsWaiting(entry.Data) => ($"~ {Activity(entry)}", Style.Dim),
        _ => null,
    };

    /// <summary>How far the start is: "pulling node:22, 40 %", "waiting: docker: the engine does not answer".</summary>
    public static string Activity(SessionEvent entry)
    {
        var data = entry.Data;
        var (phase, detail) = (data.Text("phase") ?? "start", data.Text("detail"));
        if (IsWaiting(data))
            return $"waiting: {Format.Fit(detail!, Longest)}";
        if (detail is { Length: > 0 })
            return Format.Fit(detail, Longest);
        var doing = Format.Fit(phase, Longest);
        return data.Number("took_ms") is { } took ? $"starting a runner: {doing} took {Format.Duration(TimeSpan.FromMilliseconds(took))}" : $"starting a runner: {doing}";
    }

    private static bool IsWaiting(JsonElement data) => data.Text("phase") == "queue" && data.Number("took_ms") is null && data.Text("detail") is { Length: > 0 };

    private static string Cores(JsonElement data) => string.Create(CultureInfo.InvariantCulture, $"the runner has {data.Amount("cpus") ?? 0:0.###} cores");

    private static string Fault(string? reason) => reason switch
    {
        "births_refused" => "starts processes without end, beyond its limit",
        _ => Format.Fit((reason ?? "does too much").Replace('_', ' '), Longest),
    };

    private static string Blocked(SessionEvent entry)
    {
        var data = entry.Data;
        var target = Target(data);
        var reason = Format.Fit(data.Text("reason") ?? "", Longest);
        var times = data.Number("count") is > 1 and var count ? $", {count} times" : "";
        var protocol = target is not null && data.Text("protocol") == "udp" ? "udp " : "";
        var line = $"! blocked: {protocol}{target ?? Protocol(data)} ({Words(reason)}{times})";
        return target is not null && IsAllowable(data, reason) && entry.Json.Text("session_id") is { } session
            ? $"{line}; to allow it: marionette sessions allow {Format.Fit(session, Longest)} {target}"
            : line;
    }

    // What was there already, and what never was, is no news.
    private static (string Text, Style Style)? Opened(JsonElement data) => data.Text("source") switch
    {
        "restored" => ($"~ the workspace was restored from its checkpoint: {data.Number("files") ?? 0} files, {Format.Size(data.Number("bytes") ?? 0)}", Style.Dim),
        "lost" => ("! the workspace is lost: its machine is gone, and it had no checkpoint", Style.Bad),
        _ => null,
    };

    private static string Changed(JsonElement data)
    {
        var hosts = data.Items("allowed_hosts").Select(host => Format.Fit(host.ToString(), Longest)).ToArray();
        var shown = string.Join(", ", hosts.Take(MostHosts)) + (hosts.Length > MostHosts ? $" and {hosts.Length - MostHosts} more" : "");
        var list = hosts.Length > 0 ? $" ({shown})" : "";
        return $"~ network policy: {Format.Fit(data.Text("network_policy") ?? "", Longest)}{list}, by {Format.Fit(data.Text("by") ?? "", Longest)}";
    }

    // As allowed_hosts takes it: an IPv6 address stands in brackets where a port follows. What comes from a runner is only printed
    // as a command where nothing of it can mean something else to a shell.
    private static string? Target(JsonElement data)
    {
        if (data.Text("target") is not { Length: > 0 and <= 260 } target || !target.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or ':' or '_'))
            return null;
        // A name that was only asked for has no port of its own: 53 is the resolver's.
        if (data.Number("port") is not ({ } port and > 0 and <= 65535) || data.Text("protocol") == "dns")
            return target;
        return target.Contains(':', StringComparison.Ordinal) ? $"[{target}]:{port}" : $"{target}:{port}";
    }

    private static string Protocol(JsonElement data) => $"{data.Text("protocol")} {data.Text("target")}".Trim() is { Length: > 0 } text ? Format.Fit(text, Longest) : "something";

    // The others are not a matter of the list: other protocols go out with no entry, nor does UDP to a name's port 443, and a listed name whose address is
    // private wants that address listed.
    private static bool IsAllowable(JsonElement data, string reason)
    {
        var isAddress = IPAddress.TryParse(data.Text("target"), out _);
        return (data.Text("protocol") is null or "tcp" or "dns" || (data.Text("protocol") == "udp" && (isAddress || data.Number("port") != HttpsPort)))
            && (reason == "not_listed" || (isAddress && reason is "private" or "metadata"));
    }

    private static string Words(string reason) => reason switch
    {
        "private" => "a private address",
        "metadata" => "the cloud's metadata",
        "protocol" => "not by this protocol",
        "name_mismatch" => "another name than the one that was asked for",
        "limit" => "too many connections",
        "others" => "more than could be told one by one",
        _ => reason.Replace('_', ' '),
    };
}
