using System.Net.Sockets;
using System.Text.Json;
using Marionette.Agent.Egress;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>
/// The one network helper of this host: a process of its own that outlives the daemon. It keeps nothing: one that was started anew is told of every
/// runner that lives. Until then they have no network.
/// </summary>
/// <param name="living">Every runner that lives, and a process in its network.</param>
/// <param name="heard">Takes notices.</param>
internal sealed class NetdHost(
    HostFolders folders, CgroupTree cgroups, Func<string> binary, Func<IEnumerable<NetdAsk>> living, Action<NetdSays> heard, TimeProvider clock,
    ILogger log) : IAsyncDisposable
{
    // One that runs and leaves so many asks without an answer, with none answered between them, has stopped working.
    private const int MostUnanswered = 3;

    private static readonly TimeSpan Answer = TimeSpan.FromSeconds(20), Again = TimeSpan.FromSeconds(1), Look = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Ending = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim connecting = new(1);
    private readonly CancellationTokenSource life = new();
    private NetdLink? link;
    private int unanswered;

    private string MarkFile => Path.Combine(folders.State, "netd.json");

    private string SocketFile => Path.Combine(folders.State, "netd.sock");

    /// <summary>Asks; starts it where it does not run.</summary>
    /// <exception cref="IOException">It refused, or does not run.</exception>
    public async Task<NetdSays> AskAsync(NetdAsk ask, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(Answer, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            NetdSays said;
            try
            {
                said = await (await LinkAsync(both.Token).ConfigureAwait(false)).AskAsync(ask, both.Token).ConfigureAwait(false);
            }
            catch (IOException)
            {
                // It ended since the last call.
                said = await (await LinkAsync(both.Token).ConfigureAwait(false)).AskAsync(ask, both.Token).ConfigureAwait(false);
            }

            Volatile.Write(ref unanswered, 0);
            return said.Ok ? said : throw new IOException($"the network helper refused to {ask.Op}: {said.Error}");
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            await UnansweredAsync().ConfigureAwait(false);
            throw new IOException($"the network helper did not answer within {Answer.TotalSeconds:0} s", exception);
        }
    }

    /// <summary>Connects, or starts it; one that hangs is given its time and then replaced.</summary>
    /// <exception cref="IOException">There is none.</exception>
    public async Task ReachAsync(CancellationToken cancellationToken)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                await AskAsync(new NetdAsk(0, "list"), cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (IOException exception) when (tries < MostUnanswered)
            {
                log.NetworkAway(exception.Message);
            }
        }
    }

    /// <summary>Takes a runner's network away; one that does not run has none to take away.</summary>
    /// <exception cref="IOException">It refused.</exception>
    public async Task DetachAsync(string key, CancellationToken cancellationToken)
    {
        if (link is { Ended.IsCompleted: false } good)
            await good.AskAsync(new NetdAsk(0, "detach", key), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Ends it, where nobody needs it: at the end of the last sandbox, or for a newer version of it. One that does not end within some seconds is left
    /// to the next try.
    /// </summary>
    public async Task EndAsync()
    {
        if (!await connecting.WaitAsync(Ending).ConfigureAwait(false))
        {
            log.NetworkAway("it is being connected to, and is not ended now");
            return;
        }

        try
        {
            Interlocked.Exchange(ref link, null)?.Dispose();
            if (Mark() is not { } mark || !await KillAsync(mark).ConfigureAwait(false))
                return;
            File.Delete(MarkFile);
            File.Delete(SocketFile);
        }
        finally
        {
            connecting.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await life.CancelAsync().ConfigureAwait(false);
        Interlocked.Exchange(ref link, null)?.Dispose();
    }

    // It runs, and nothing comes from it: the next ask starts another one, and so does whoever watches the link.
    private async Task UnansweredAsync()
    {
        if (Interlocked.Increment(ref unanswered) < MostUnanswered || Mark() is not { } mark || !await connecting.WaitAsync(Ending).ConfigureAwait(false))
            return;
        try
        {
            if (Volatile.Read(ref unanswered) < MostUnanswered || Mark() != mark)
                return; // somebody else was here before
            log.NetworkReplaced(MostUnanswered);
            if (await KillAsync(mark).ConfigureAwait(false))
                Volatile.Write(ref unanswered, 0);
        }
        finally
        {
            connecting.Release();
        }
    }

    private async Task<bool> KillAsync(ProcessMark mark)
    {
        for (var began = Environment.TickCount64; mark.IsAlive(); await Task.Delay(Look).ConfigureAwait(false))
        {
            if (Environment.TickCount64 - began > Ending.TotalMilliseconds)
            {
                log.NetworkAway($"process {mark.Pid} does not end");
                return false;
            }

            mark.Kill();
        }

        return true;
    }

    private async Task<NetdLink> LinkAsync(CancellationToken cancellationToken)
    {
        if (link is { Ended.IsCompleted: false } good)
            return good;
        await connecting.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (link is { Ended.IsCompleted: false } another)
                return another;
            var fresh = new NetdLink(await ConnectAsync(cancellationToken).ConfigureAwait(false), heard);
            try
            {
                await TellAllAsync(fresh, cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                fresh.Dispose();
                throw;
            }

            Interlocked.Exchange(ref link, fresh)?.Dispose();
            _ = RestoreAsync(fresh);
            return fresh;
        }
        finally
        {
            connecting.Release();
        }
    }

    // One that runs already keeps the connections of those that it knows.
    private async Task TellAllAsync(NetdLink fresh, CancellationToken cancellationToken)
    {
        foreach (var ask in living())
        {
            var said = await fresh.AskAsync(ask, cancellationToken).ConfigureAwait(false);
            if (!said.Ok)
                log.NetworkRefused(ask.Key ?? "", said.Error ?? ""); // it ended meanwhile, or stays without a network
        }
    }

    private async Task<Socket> ConnectAsync(CancellationToken cancellationToken)
    {
        ProcessMark? started = null;
        while (true)
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(SocketFile), cancellationToken).ConfigureAwait(false);
                return socket;
            }
            catch (SocketException)
            {
                socket.Dispose();
                if (started is { } mark && !mark.IsAlive())
                    throw new IOException($"the network helper ended: {LastWords()}");
                if (started is null && Mark()?.IsAlive() != true)
                    started = Start();
            }
            catch
            {
                socket.Dispose();
                throw;
            }

            await Task.Delay(Look, cancellationToken).ConfigureAwait(false);
        }
    }

    private ProcessMark? Mark()
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(MarkFile), SandboxJsonContext.Default.ProcessMark);
        }
        catch (Exception exception) when (exception is IOException or JsonException)
        {
            return null;
        }
    }

    private ProcessMark Start()
    {
        using var said = File.OpenHandle(Path.Combine(folders.State, "netd.log"), FileMode.Create, FileAccess.Write, FileShare.ReadWrite);
        using var nothing = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        var output = (int)said.DangerousGetHandle();
        var pid = SystemProgram.Start([binary(), NetdCommand.Verb, "--socket", SocketFile], (int)nothing.DangerousGetHandle(), output, output);
        cgroups.Keep(pid);
        var mark = ProcessMark.Of(pid);
        WholeFile.Write(MarkFile, JsonSerializer.SerializeToUtf8Bytes(mark, SandboxJsonContext.Default.ProcessMark));
        return mark;
    }

    private string LastWords()
    {
        try
        {
            return File.ReadAllText(Path.Combine(folders.State, "netd.log")).Trim().Split('\n')[^1];
        }
        catch (IOException)
        {
            return "";
        }
    }

    /// <summary>A helper that ended took everybody's network along: it is brought back before anybody asks.</summary>
    private async Task RestoreAsync(NetdLink lost)
    {
        await lost.Ended.ConfigureAwait(false);
        while (!life.IsCancellationRequested && ReferenceEquals(link, lost) && living().Any())
        {
            try
            {
                await Task.Delay(Again, clock, life.Token).ConfigureAwait(false);
                await AskAsync(new NetdAsk(0, "list"), life.Token).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is IOException or OperationCanceledException)
            {
                log.NetworkAway(exception.Message);
            }
        }
    }
}
