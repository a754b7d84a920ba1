using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Marionette.Agent.Egress.Namespaces;
using Marionette.Agent.Tests.Support;

namespace Marionette.Agent.Tests.Egress.World;

/// <summary>The real <c>marionette-agent netd</c>, as root of a network namespace that plays the machine.</summary>
internal sealed class NetdProcess : IAsyncDisposable
{
    private readonly Process process;
    private readonly ConcurrentDictionary<long, TaskCompletionSource<JsonObject>> waiting = new();
    private readonly StringBuilder log = new();
    private readonly Task reading;
    private long last;

    private NetdProcess(Process process)
    {
        this.process = process;
        reading = Task.Run(ReadAsync);
        process.ErrorDataReceived += (_, line) =>
        {
            lock (log)
                log.AppendLine(line.Data);
        };
        process.BeginErrorReadLine();
    }

    public ConcurrentQueue<JsonObject> Notices { get; } = new();

    public ConcurrentQueue<JsonObject> Unasked { get; } = new();

    public int Pid => process.Id;

    public bool HasEnded => process.HasExited;

    public string Log
    {
        get
        {
            lock (log)
                return log.ToString();
        }
    }

    public static NetdProcess Start(NetNamespace machine, params string[] options)
    {
        string[] arguments = [$"--net=/proc/{Environment.ProcessId}/fd/{machine.Descriptor}", AgentProcess.Binary, "netd", .. options];
        return new NetdProcess(Process.Start(new ProcessStartInfo("nsenter", arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = new UTF8Encoding(false),
        })!);
    }

    public async Task<JsonObject> AskAsync(JsonObject request)
    {
        var id = Interlocked.Increment(ref last);
        var answer = waiting[id] = new TaskCompletionSource<JsonObject>(TaskCreationOptions.RunContinuationsAsynchronously);
        request["id"] = id;
        Say(request.ToJsonString());
        try
        {
            return await answer.Task.WaitAsync(TimeSpan.FromSeconds(30));
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"no answer to {request.ToJsonString()}; log:\n{Log}");
        }
    }

    public void Say(string line)
    {
        lock (process)
        {
            process.StandardInput.Write(line + "\n");
            process.StandardInput.Flush();
        }
    }

    public void CloseInput() => process.StandardInput.Close();

    public async Task<JsonObject> AttachAsync(string key, int pid, JsonObject policy)
    {
        var request = (JsonObject)policy.DeepClone();
        request["op"] = "attach";
        request["key"] = key;
        request["pid"] = pid;
        return await AskAsync(request);
    }

    public async Task PolicyAsync(string key, JsonObject policy)
    {
        var request = (JsonObject)policy.DeepClone();
        request["op"] = "policy";
        request["key"] = key;
        var answer = await AskAsync(request);
        Assert.True((bool)answer["ok"]!, answer.ToJsonString());
    }

    /// <summary>Waits for the notice of a denial.</summary>
    public async Task<JsonObject> BlockedAsync(string key, string target, int port, string protocol = "tcp")
    {
        JsonObject? Found() => Notices.FirstOrDefault(notice =>
            (string?)notice["notice"] == "blocked" && (string?)notice["key"] == key && (string?)notice["target"] == target
            && (int?)notice["port"] == port && (string?)notice["protocol"] == protocol);
        await Eventually.TrueAsync(() => Found() is not null, $"{key}: a notice of {protocol} {target}:{port} among {All()}");
        return Found()!;

        string All() => string.Join(' ', Notices.Select(notice => notice.ToJsonString()));
    }

    public async Task KillAsync()
    {
        process.Kill();
        await process.WaitForExitAsync();
    }

    public async Task<int> TerminateAsync()
    {
        Process.Start("kill", ["-TERM", Pid.ToString()])!.WaitForExit();
        return await ExitAsync();
    }

    public async Task<int> ExitAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        await process.WaitForExitAsync(limit.Token);
        return process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
            await KillAsync();
        await reading;
        process.Dispose();
    }

    private async Task ReadAsync()
    {
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            var said = JsonNode.Parse(line)!.AsObject();
            if (said["notice"] is not null)
                Notices.Enqueue(said);
            else if (said["id"]?.GetValueKind() == JsonValueKind.Number && waiting.TryRemove((long)said["id"]!, out var answer))
                answer.SetResult(said);
            else
                Unasked.Enqueue(said);
        }
    }
}
