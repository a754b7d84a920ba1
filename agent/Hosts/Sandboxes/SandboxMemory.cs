using System.Text.Json;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>
/// What was found of each kind of sandbox, and for how long it counts. A kind that gives all it can is remembered, beyond this process, for as long as
/// the subject is the same. One that fails or lacks something may do better in a moment: that is remembered for minutes, and by this process alone.
/// </summary>
/// <param name="path">The file.</param>
internal sealed class SandboxMemory(string path, TimeProvider clock)
{
    /// <summary>For one that does not work. Less than the minute between two looks of the daemon, so that each of them tries.</summary>
    public static readonly TimeSpan Failing = TimeSpan.FromSeconds(50);

    /// <summary>For one that works and lacks something: to try it takes some seconds of a machine that is in use.</summary>
    public static readonly TimeSpan Lacking = TimeSpan.FromSeconds(290);

    private readonly Dictionary<string, (SandboxFinding Finding, string Of, long At)> found = new(StringComparer.Ordinal);
    private bool isRead;
    private volatile IReadOnlyList<SandboxFinding>? known;

    /// <summary>The last that was found of every kind; null before.</summary>
    public IReadOnlyList<SandboxFinding>? Known => known;

    /// <summary>The kinds that are to be tried now.</summary>
    /// <param name="subject">The machine and the programs.</param>
    public IReadOnlyList<string> Due(string subject)
    {
        if (!isRead)
            Read();
        isRead = true;
        Tell();
        return [.. SandboxKinds.All.Where(kind => !found.TryGetValue(kind, out var last) || last.Of != subject || IsOld(last.Finding, last.At))];
    }

    /// <summary>Takes what was found just now.</summary>
    /// <returns>Those that are other than before.</returns>
    /// <exception cref="IOException">It could not be kept; this process knows it.</exception>
    public IReadOnlyList<SandboxFinding> Take(string subject, IReadOnlyList<SandboxFinding> fresh)
    {
        var changed = fresh
            .Where(finding => !found.TryGetValue(finding.Kind, out var last) || !last.Finding.ToFacts().Equals(finding.ToFacts())).ToList();
        foreach (var finding in fresh)
            found[finding.Kind] = (finding, subject, clock.GetTimestamp());
        Tell();
        var kept = new SandboxFindings
        {
            Of = subject, Kinds = [.. found.Values.Where(one => one.Of == subject && one.Finding.IsWhole).Select(one => one.Finding)],
        };
        WholeFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(kept, SandboxJsonContext.Default.SandboxFindings));
        return changed;
    }

    private bool IsOld(SandboxFinding finding, long at) => !finding.IsWhole && clock.GetElapsedTime(at) >= (finding.Works ? Lacking : Failing);

    private void Tell()
    {
        if (SandboxKinds.All.All(found.ContainsKey))
            known = [.. SandboxKinds.All.Select(kind => found[kind].Finding)];
    }

    private void Read()
    {
        try
        {
            if (JsonSerializer.Deserialize(File.ReadAllBytes(path), SandboxJsonContext.Default.SandboxFindings) is not { } kept)
                return;
            foreach (var finding in kept.Kinds.Where(finding => finding.IsWhole))
                found[finding.Kind] = (finding, kept.Of, clock.GetTimestamp());
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            // Then all of it is tried.
        }
    }
}
