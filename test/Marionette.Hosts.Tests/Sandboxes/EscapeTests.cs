using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Marionette.Agent.Hosts.Sandboxes;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Hosts.Tests.Sandboxes;

/// <summary>Programs that try to get out of their sandbox, or to take more than is theirs. None does, and none leaves anything behind.</summary>
public sealed class EscapeTests(ITestOutputHelper output)
{
    private const string Attacker = "evil/run_attacker", Victim = "acme/run_victim";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static string Script => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Sandboxes", "escape.py"));

    [Theory, InlineData("bwrap"), InlineData("runsc")]
    public async Task Attempt_ToLeave_Fails(string kind)
    {
        SandboxTests.Need(kind);
        await using var world = new SandboxWorld();
        await world.RecoverAsync();
        using var server = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp) { DualMode = true };
        server.Bind(new IPEndPoint(IPAddress.IPv6Any, 0));
        server.Listen();
        _ = GreetAsync(server);
        var port = ((IPEndPoint)server.LocalEndPoint!).Port;
        using var outside = new OutsideWorld(await OutsideWorld.WorkspaceAsync(world, Attacker));
        var secret = Path.Combine(Path.GetTempPath(), $"mn-secret-{Environment.ProcessId}");
        await File.WriteAllTextAsync(secret, "secret", Token);
        await world.StartAsync(Victim, "echo secret > /workspace/victim-secret; echo up; exec -a victim sleep 600", kind);
        await world.SaysAsync(Victim, "up");
        var own = NetworkInterface.GetAllNetworkInterfaces().SelectMany(link => link.GetIPProperties().UnicastAddresses)
            .Select(address => address.Address).FirstOrDefault(address => address.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(address))
            ?? IPAddress.Parse(OutsideWorld.Address);
        foreach (var address in new[] { own, IPAddress.Parse(OutsideWorld.Address) })
            Assert.True(await AnswersAsync(address, port), $"{address} does not answer the machine itself");

        await world.StartAsync(
            Attacker, $"cat > /tmp/escape.py <<'END'\n{Script}\nEND\npython3 /tmp/escape.py {kind} {secret} {port} {own} {OutsideWorld.Address} {outside.Device}", kind);
        var ended = await world.EndedAsync(Attacker);
        File.Delete(secret);

        var said = world.Said(Attacker);
        output.WriteLine(said);
        Assert.Contains("tried", said, StringComparison.Ordinal);
        Assert.DoesNotContain("ESCAPED", said, StringComparison.Ordinal);
        Assert.Contains("# setuid program ran as 1000", said, StringComparison.Ordinal);
        Assert.Equal("exited", ended.Cause);
        Assert.Equal(RunnerState.Running, (await world.Keeper.ObserveAsync(SandboxWorld.Ref(Victim), Token)).State);
        await AssertBlockedAsync(world, "169.254.169.254", "metadata");
        await LeavesNothingAsync(world, Attacker, Victim);
    }

    [Theory, InlineData("bwrap"), InlineData("runsc")]
    public async Task ForkBomb_StaysInItsSandbox(string kind)
    {
        SandboxTests.Need(kind);
        await using var world = new SandboxWorld();
        await world.RecoverAsync();
        await world.StartAsync(Victim, "while [ ! -e /workspace/end ]; do date +%s%N; sleep 0.1; done", kind);

        await world.StartAsync(Attacker, "bomb() { bomb | bomb & }; echo up; bomb; while true; do sleep 1 || true; done", kind);
        await world.SaysAsync(Attacker, "up");
        // The neighbour goes on for a while beside it, and other programs still start on this machine.
        for (var round = 0; round < 5; round++)
        {
            var before = world.Said(Victim).Length;
            await SandboxWorld.UntilAsync(() => Task.FromResult(world.Said(Victim).Length > before), "the neighbour to go on");
            Assert.True(world.ProcessesOf(Attacker).Count <= (2 * 64) + 128);
        }

        await LeavesNothingAsync(world, Attacker, Victim);
    }

    [Fact]
    public async Task ForkBomb_IsThrottledUntilItIsCalm_WhateverIsStartedAnew()
    {
        SandboxTests.Need("bwrap");
        await using var world = new SandboxWorld();
        await world.RecoverAsync();
        const string bomb = "exec python3 -c \"import os, time\nwhile True:\n  try:\n    if os.fork() == 0: time.sleep(600)\n  except OSError: pass\"";
        await world.StartAsync(Attacker, bomb);

        var told = await ThrottleAsync(world);
        Assert.Equal((Attacker, 1, false, 0.1, "births_refused", 1), (told.Runner, told.Epoch, told.Over, told.Cpus, told.Reason, told.Count));
        Assert.Equal(10_000, Quota(world));
        // As a daemon leaves it that ends between the group and the record.
        world.GroupOf(Attacker).LimitProcessors(1);
        await world.RestartAsync();
        Assert.Equal(10_000, Quota(world));
        world.GroupOf(Attacker).Kill();
        await world.EndedAsync(Attacker);
        await world.StartAsync(Attacker, "exec sleep 600");
        Assert.Equal(10_000, Quota(world));

        told = await ThrottleAsync(world);
        Assert.Equal((true, 1, 1), (told.Over, told.Cpus, told.Count));
        Assert.Equal(100_000, Quota(world));
        await world.RestartAsync();
        Assert.Equal(100_000, Quota(world));
        await LeavesNothingAsync(world, Attacker);
    }

    [Theory, InlineData("bwrap"), InlineData("runsc")]
    public async Task EatenMemory_EndsTheRunnerAlone(string kind)
    {
        SandboxTests.Need(kind);
        await using var world = new SandboxWorld();
        await world.RecoverAsync();
        await world.StartAsync(Victim, "echo up; exec sleep 600", kind);

        await world.StartAsync(Attacker, "exec python3 -c \"held = []\nwhile True: held.append(bytearray(b'x' * 1048576))\"", kind);
        var ended = await world.EndedAsync(Attacker);

        Assert.Equal("out_of_memory", ended.Cause);
        Assert.Equal(RunnerState.Running, (await world.Keeper.ObserveAsync(SandboxWorld.Ref(Victim), Token)).State);
        await LeavesNothingAsync(world, Attacker, Victim);
    }

    [Theory, InlineData("bwrap"), InlineData("runsc")]
    public async Task FilledDisk_IsTheRunnersOwn(string kind)
    {
        SandboxTests.Need(kind);
        await using var world = new SandboxWorld();
        await world.RecoverAsync();

        await world.StartAsync(Attacker, "for place in /tmp /workspace ~; do dd if=/dev/zero of=$place/full bs=1M count=200 2>&1 | tail -1; done; cat /tmp/full > /tmp/more", kind);
        var ended = await world.EndedAsync(Attacker);

        output.WriteLine(world.Said(Attacker));
        Assert.Equal("disk_full", ended.Cause);
        // What the images take of the host's disk, not what they could hold; their own tables are within the limit.
        var used = Directory.GetFiles(world.State, "*.img", SearchOption.AllDirectories).Sum(Allocated);
        Assert.InRange(used, 48L << 20, 2 * 48L << 20);
        await LeavesNothingAsync(world, Attacker);
    }

    [Theory, InlineData("bwrap"), InlineData("runsc")]
    public async Task HeldProcessor_LeavesTheNeighbourHalfItsSpeed(string kind)
    {
        SandboxTests.Need(kind);
        await using var world = new SandboxWorld();
        await world.RecoverAsync();
        const string count = "python3 -c \"import time\nwhile True:\n  end = time.time() + 1; n = 0\n  while time.time() < end: n += 1\n  print('n', n, flush=True)\"";
        await world.StartAsync(Victim, count, kind);
        var alone = await SpeedAsync(world);

        await world.StartAsync(Attacker, "for i in 1 2 3 4 5 6 7 8; do while :; do :; done & done; echo up; wait", kind);
        await world.SaysAsync(Attacker, "up");
        var beside = await SpeedAsync(world);

        output.WriteLine($"{alone} alone, {beside} beside");
        Assert.True(beside >= alone / 2, $"{alone} alone, {beside} beside");
        await LeavesNothingAsync(world, Attacker, Victim);
    }

    [Theory, InlineData("bwrap"), InlineData("runsc")]
    public async Task Killing_Everything_KillsNobodyElse(string kind)
    {
        SandboxTests.Need(kind);
        await using var world = new SandboxWorld();
        await world.RecoverAsync();
        await world.StartAsync(Victim, "echo up; exec sleep 600", kind);

        await world.StartAsync(Attacker, "kill -9 -1; kill -9 1; for p in $(seq 2 4000); do [ $p = $$ ] || kill -9 $p; done 2> /dev/null; echo over; exit 3", kind);
        var ended = await world.EndedAsync(Attacker);

        Assert.Contains(ended.ExitCode, new int?[] { 3, 137 });
        Assert.Equal(RunnerState.Running, (await world.Keeper.ObserveAsync(SandboxWorld.Ref(Victim), Token)).State);
        await LeavesNothingAsync(world, Attacker, Victim);
    }

    [Theory, InlineData("bwrap"), InlineData("runsc")]
    public async Task Agent_BesideAProgramOfTheSameUser_KeepsItsToken(string kind)
    {
        SandboxTests.Need(kind);
        await using var world = new SandboxWorld();
        await world.RecoverAsync();
        var config = """
            {"server_url":"http://gateway.marionette.internal:9","runner":"acme/run_1","epoch":1,"token":"toktok","state_dir":"/var/lib/marionette/state","workspace_dir":"/workspace","home_dir":"/home/agent"}
            """;
        const string look = """
            import glob, re, sys
            pid = sys.argv[1]
            word = b"tok" + b"tok"
            for part in ("environ", "cmdline", "mem", "fd/0"):
                try:
                    if part == "mem":
                        maps = open(f"/proc/{pid}/maps").read()
                        memory = open(f"/proc/{pid}/mem", "rb", 0)
                        for line in maps.splitlines():
                            low, high = (int(x, 16) for x in line.split()[0].split("-"))
                            try:
                                memory.seek(low)
                                if word in memory.read(high - low): print("ESCAPED mem")
                            except (OSError, OverflowError, ValueError): pass
                    elif part != "fd/0" and word in open(f"/proc/{pid}/{part}", "rb").read(): print("ESCAPED", part)
                except OSError as problem: print("held", part, problem)
            print("tried")
            """;

        await world.StartAsync(
            Attacker, $"cat > /tmp/look.py <<'END'\n{look}\nEND\n/opt/marionette/bin/marionette-agent run --config - <<< '{config.Trim()}' & agent=$!\n"
                + "until [ -d /var/lib/marionette/state/spool ]; do sleep 0.1; done; sleep 1; python3 /tmp/look.py $agent; kill -9 $agent",
            kind, order => order.Profile.MemoryMib = 512);
        await world.EndedAsync(Attacker);

        output.WriteLine(world.Said(Attacker));
        Assert.Contains("tried", world.Said(Attacker), StringComparison.Ordinal);
        Assert.DoesNotContain("ESCAPED", world.Said(Attacker), StringComparison.Ordinal);
    }

    private static async Task LeavesNothingAsync(SandboxWorld world, params string[] runners)
    {
        foreach (var runner in runners)
            await world.Keeper.ReleaseAsync(SandboxWorld.Ref(runner), Token);
        Assert.Empty(world.Left());
    }

    private static async Task AssertBlockedAsync(SandboxWorld world, string target, string reason)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(SandboxWorld.Patience);
        await foreach (var notice in world.Keeper.Notices.ReadAllAsync(limit.Token))
        {
            if (notice.Blocked is { } blocked && blocked.Target == target)
            {
                Assert.Equal((Attacker, 1, reason), (blocked.Runner, blocked.Epoch, blocked.Reason));
                return;
            }
        }
    }

    private static async Task<RunnerThrottled> ThrottleAsync(SandboxWorld world)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(SandboxWorld.Patience);
        await foreach (var notice in world.Keeper.Notices.ReadAllAsync(limit.Token))
        {
            if (notice.Throttled is { } throttled)
                return throttled;
        }

        throw new InvalidOperationException("The keeper has ended.");
    }

    // Microseconds of each tenth of a second.
    private static int Quota(SandboxWorld world) => world.GroupOf(Attacker).Folders
        .SelectMany(folder => new[] { Path.Combine(folder, "cpu.cfs_quota_us"), Path.Combine(folder, "cpu.max") }).Where(File.Exists)
        .Select(file => int.Parse(File.ReadAllText(file).Split([' ', '\n'])[0], System.Globalization.CultureInfo.InvariantCulture)).Single();

    // The best of eight seconds: other work on the machine is not what is measured.
    private static async Task<long> SpeedAsync(SandboxWorld world)
    {
        var before = Lines().Length;
        await SandboxWorld.UntilAsync(() => Task.FromResult(Lines().Length >= before + 9), "nine seconds");
        return Lines().Skip(before + 1).Max(line => long.Parse(line.AsSpan(2), System.Globalization.CultureInfo.InvariantCulture));

        string[] Lines() => [.. world.Said(Victim).Split('\n').Where(line => line.StartsWith("n ", StringComparison.Ordinal))];
    }

    private static long Allocated(string file) =>
        512 * long.Parse(SystemProgram.Run(TimeSpan.FromSeconds(30), "stat", "--format=%b", file), System.Globalization.CultureInfo.InvariantCulture);

    private static async Task<bool> AnswersAsync(IPAddress address, int port)
    {
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(address, port, Token);
        return await client.ReceiveAsync(new byte[16], Token) > 0;
    }

    private static async Task GreetAsync(Socket server)
    {
        try
        {
            while (true)
            {
                using var client = await server.AcceptAsync(Token);
                await client.SendAsync("hello"u8.ToArray(), Token);
            }
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The test is over.
        }
    }
}
