using System.Text.Json;
using System.Text.Json.Serialization;
using Marionette.Agent.Processes;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>A process that outlives the daemon: a pid alone names nothing for long.</summary>
/// <param name="Start">Clock ticks since boot.</param>
internal sealed record ProcessMark(int Pid, long Start)
{
    /// <summary>Marks a process that was just started.</summary>
    public static ProcessMark Of(int pid) => new(pid, ProcessTree.StartTime(pid) ?? 0);

    /// <summary>Whether it runs. A child of this process that has ended is reaped.</summary>
    public bool IsAlive()
    {
        if (Pid <= 1 || ProcessTree.StartTime(Pid) != Start)
            return false;
        if (!ProcessTree.HasEnded(Pid))
            return true;
        _ = Libc.TryReap(Pid);
        return false;
    }

    /// <summary>Ends it, if it is still the one that is meant.</summary>
    public void Kill() => ProcessTree.KillIfSame(Pid, Start);
}

/// <summary>What this host knows of a runner, in the runner's folder. It holds no secret.</summary>
internal sealed record RunnerRecord
{
    public const string FileName = "record.json";

    /// <summary>"tenant/run_…".</summary>
    public string Runner { get; set; } = "";

    public long Epoch { get; set; }

    /// <summary>"runsc" or "bwrap".</summary>
    public string Sandbox { get; set; } = "";

    /// <summary>The runner's user on this host; the next one is its sandbox's.</summary>
    public int User { get; set; }

    /// <summary>"ws_…", of the same tenant.</summary>
    public string Workspace { get; set; } = "";

    public double Cpus { get; set; }

    public long MemoryMib { get; set; }

    /// <summary>0 = no limit.</summary>
    public long DiskMib { get; set; }

    /// <summary>0 = no limit.</summary>
    public int Pids { get; set; }

    /// <summary>Its births were refused again and again: it has a part of its processors until it is calm.</summary>
    public bool Throttled { get; set; }

    /// <summary>Times that it came to that, from the runner's first start on.</summary>
    public int Throttles { get; set; }

    public string EgressMode { get; set; } = "deny";

    public IReadOnlyList<string> Allowed { get; set; } = [];

    /// <summary>The gateway that its network leads to.</summary>
    public string Gateway { get; set; } = "";

    /// <summary>Folder in which its program lies.</summary>
    public string Binaries { get; set; } = "";

    /// <summary>The first process of its sandbox; null before its first start.</summary>
    public ProcessMark? Init { get; set; }

    /// <summary>Its network was asked for; while it starts, that is all that tells.</summary>
    [JsonIgnore]
    public bool WantsNetwork { get; set; }

    /// <summary>What its refused births tell, and when they were looked at; null before this process has.</summary>
    [JsonIgnore]
    public (BirthWatch Watch, long At)? Births { get; set; }

    /// <summary>Boot of the machine that <see cref="Init"/> belongs to.</summary>
    public string Boot { get; set; } = "";

    public RunnerState State { get; set; }

    /// <summary>How it ended; empty while it lives.</summary>
    public string Cause { get; set; } = "";

    public int? ExitCode { get; set; }

    public string Detail { get; set; } = "";

    public bool HasEnded => State is RunnerState.Exited or RunnerState.Unknown;

    /// <summary>Processors that it may use now.</summary>
    [JsonIgnore]
    public double CpusNow => CpusIf(Throttled);

    /// <summary>Processors that it may use when it is throttled, or not.</summary>
    public double CpusIf(bool throttled) => throttled ? Math.Round(Cpus * BirthWatch.Part, 4) : Cpus;

    /// <summary>What the gateway is told.</summary>
    public RunnerReport ToReport()
    {
        var report = new RunnerReport
        {
            Runner = Runner, Epoch = Epoch, State = State, Cause = Cause, Detail = Detail, Cpus = Cpus, MemoryMib = MemoryMib, DiskMib = DiskMib,
            Sandbox = Sandbox, Workspace = Workspace,
        };
        if (ExitCode is { } code)
            report.ExitCode = code;
        return report;
    }

    /// <summary>Reads one.</summary>
    /// <returns>Null when it is not there, or is none.</returns>
    public static RunnerRecord? Load(string folder)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(Path.Combine(folder, FileName)), SandboxJsonContext.Default.RunnerRecord);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    public void Save(string folder) =>
        WholeFile.Write(Path.Combine(folder, FileName), JsonSerializer.SerializeToUtf8Bytes(this, SandboxJsonContext.Default.RunnerRecord));
}
