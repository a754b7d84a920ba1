using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Marionette.Workspaces.Tests.Support;

namespace Marionette.Workspaces.Tests;

public sealed class SnapshotTests
{
    [Fact]
    public async Task Restore_ATreeOfEverything_IsTheSame()
    {
        using var world = new World();
        world.Tree.Write("empty", []).Write("tiny", "hello").Write("small", Bytes.Text(1, 5000)).Write("large", Bytes.Random(2, 3_000_000)).Write("deep/er/est/file", "x");
        world.Tree.Folder("hollow/inside");
        File.CreateSymbolicLink(world.Tree["link"], "../nowhere");
        File.CreateSymbolicLink(world.Tree["deep/up"], "..");
        File.SetUnixFileMode(world.Tree["small"], UnixFileMode.UserRead);
        File.SetUnixFileMode(world.Tree["hollow"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        File.SetLastWriteTimeUtc(world.Tree["tiny"], new DateTime(1969, 7, 20, 20, 17, 40, DateTimeKind.Utc).AddTicks(1234567));
        var report = await world.SnapshotAsync();
        Assert.Empty(report.Skipped);
        Assert.Equal((5, 6, 2), (report.Files, report.Directories, report.Links));
        var target = await world.RestoreAsync(report.Id);
        Assert.Equal(TreeText.Of(world.Tree.Path), TreeText.Of(target));
    }

    [Fact]
    public async Task Restore_NamesThatAreNoText_Survive()
    {
        using var world = new World();
        var name = new byte[] { 0xff, 0xfe, (byte)'\n', (byte)'"', 0x80 };
        Create(world.Tree.Path, name);
        world.Tree.Write("Case", "1").Write("case", "2").Write(new string('n', 255), "3").Write(" -rf ..", "4");
        var report = await world.SnapshotAsync();
        var target = await world.RestoreAsync(report.Id);
        Assert.True(Exists(target, name));
        Assert.Equal(Directory.GetFileSystemEntries(world.Tree.Path).Length, Directory.GetFileSystemEntries(target).Length);
        Assert.Equal("2", await File.ReadAllTextAsync(Path.Combine(target, "case"), world.Token));
    }

    [Fact]
    public async Task Restore_HardLinks_AreOneFile()
    {
        using var world = new World();
        world.Tree.Write("a", Bytes.Random(1, 100_000)).Write("sub/other", "x");
        Link(world.Tree["a"], world.Tree["sub/b"]);
        Link(world.Tree["a"], world.Tree["z"]);
        var target = await world.RestoreAsync((await world.SnapshotAsync()).Id);
        Assert.Equal(Inode(Path.Combine(target, "a")), Inode(Path.Combine(target, "sub/b")));
        Assert.Equal(Inode(Path.Combine(target, "a")), Inode(Path.Combine(target, "z")));
        Assert.Equal(TreeText.Of(world.Tree.Path), TreeText.Of(target));
    }

    [Fact]
    public async Task Restore_ASparseFile_IsSparseAndTheSame()
    {
        using var world = new World();
        using (var file = File.Create(world.Tree["sparse"]))
        {
            file.Position = 5_000_000;
            file.Write(Bytes.Random(1, 10_000));
            file.SetLength(80_000_000);
        }

        var report = await world.SnapshotAsync();
        Assert.InRange(report.BytesStored, 0, 100_000);
        var target = await world.RestoreAsync(report.Id);
        Assert.Equal(TreeText.Of(world.Tree.Path), TreeText.Of(target));
        EntryStat.Read(Libc.AtCwd, Files.Terminated(Path.Combine(target, "sparse")), 0, out var stat);
        Assert.InRange(stat.Blocks * 512, 0UL, 1_000_000UL);
    }

    [Fact]
    public async Task Restore_UserAttributes_AreKept()
    {
        using var world = new World();
        world.Tree.Write("file", "content");
        var fd = Open(world.Tree["file"]);
        var failed = Xattrs.Write(fd, [("user.colour"u8.ToArray(), "red"u8.ToArray()), ("user.empty"u8.ToArray(), [])]);
        Libc.Close(fd);
        Assert.SkipWhen(failed is not null, "This file system has no attributes.");
        var target = await world.RestoreAsync((await world.SnapshotAsync()).Id);
        fd = Open(Path.Combine(target, "file"));
        var kept = Xattrs.Read(fd, out _);
        Libc.Close(fd);
        Assert.Equal(["user.colour=red", "user.empty="], kept.Select(one => $"{System.Text.Encoding.UTF8.GetString(one.Name)}={System.Text.Encoding.UTF8.GetString(one.Value)}"));
    }

    /// <summary>Files of the kernel are never as long as they say.</summary>
    [Fact]
    public async Task Snapshot_FilesThatDoNotStandStill_AreCountedAsMissed()
    {
        using var world = new World();
        var report = await world.Store.SnapshotAsync("/proc/sys/kernel/random", new SnapshotOptions(), world.Token);
        Assert.Contains(report.Skipped, one => one is { Path: "boot_id", Reason: SkipReason.ChangedWhileRead });
        Assert.Equal(report.SkippedCount, report.MissedCount);
    }

    [Fact]
    public async Task Snapshot_SocketsAndPipes_AreSkippedAndSaid()
    {
        using var world = new World();
        world.Tree.Write("file", "x");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(world.Tree["s"]));
        using (var make = Process.Start("mkfifo", [world.Tree["p"]]))
            await make.WaitForExitAsync(world.Token);
        var report = await world.SnapshotAsync();
        Assert.Equal(["p: Special pipe", "s: Special socket"], report.Skipped.Select(one => $"{one.Path}: {one.Reason} {one.Detail}").Order(StringComparer.Ordinal));
        Assert.Equal(0, report.MissedCount);
        Assert.Equal(["file"], Directory.GetFileSystemEntries(await world.RestoreAsync(report.Id)).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Snapshot_ManySmallFiles_AreFewObjects()
    {
        using var world = new World();
        for (var i = 0; i < 3000; i++)
            world.Tree.Write($"{i % 50}/{i}", Bytes.Text(i, 300));
        await world.SnapshotAsync();
        Assert.InRange(world.Blobs.Objects.Count, 3, 10);
    }

    [Fact]
    public async Task Snapshot_EqualContent_IsStoredOnce()
    {
        using var world = new World();
        var content = Bytes.Random(1, 2_000_000);
        world.Tree.Write("a", content);
        await world.SnapshotAsync();
        world.Tree.Write("b", content).Write("c/d", [1, .. content]);
        var report = await world.SnapshotAsync();
        Assert.InRange(report.BytesStored, 1, 1_100_000); // the first chunk of the shifted copy, and tree nodes
        var target = await world.RestoreAsync(report.Id);
        Assert.Equal(TreeText.Of(world.Tree.Path), TreeText.Of(target));
    }

    [Fact]
    public async Task Snapshot_TheSameTreeTwice_AddsNothingButARecord()
    {
        using var world = new World();
        world.Tree.Write("a/b", Bytes.Random(1, 50_000)).Write("c", "x");
        var first = await world.SnapshotAsync();
        var second = await world.SnapshotAsync();
        Assert.Equal(first.Root, second.Root);
        Assert.Equal(0, second.NewChunks);
        Assert.Equal(2, world.Blobs.Count("snapshots/"));
        Assert.Equal(1, world.Blobs.Count("index/"));
    }

    [Fact]
    public async Task Snapshot_NothingStored_HoldsNoPlaintext()
    {
        using var world = new World();
        world.Tree.Write("canary-name", new string('K', 50) + "canary-content");
        await world.SnapshotAsync();
        foreach (var (_, (content, _)) in world.Blobs.Objects)
        {
            Assert.Equal(-1, content.AsSpan().IndexOf("canary"u8));
            Assert.Equal(-1, content.AsSpan().IndexOf("KKKKKKKK"u8));
        }
    }

    [Fact]
    public async Task Snapshot_TwoTenantsSameContent_ShareNoId()
    {
        using var one = new World();
        using var two = new World();
        foreach (var world in new[] { one, two })
        {
            world.Tree.Write("same", Bytes.Random(1, 1_000_000));
            await world.SnapshotAsync();
        }

        var ids = (await one.Store.Index.ListPacksAsync(one.Token)).SelectMany(pack => pack.Entries).Select(entry => entry.Id);
        Assert.Empty(ids.Intersect((await two.Store.Index.ListPacksAsync(two.Token)).SelectMany(pack => pack.Entries).Select(entry => entry.Id)));
    }

    [Fact]
    public async Task Snapshot_AMissingFolder_IsSaid()
    {
        using var world = new World();
        var fault = await Assert.ThrowsAsync<WorkspaceException>(() => world.Store.SnapshotAsync(world.Temp["none"], new SnapshotOptions(), world.Token));
        Assert.Equal(WorkspaceFault.Missing, fault.Fault);
    }

    [Fact]
    public async Task Snapshot_Cancelled_LeavesNoRecordAndNoLease()
    {
        using var world = new World();
        world.Tree.Write("a", Bytes.Random(1, 5_000_000));
        using var stop = new CancellationTokenSource();
        world.Blobs.Before = (op, _) =>
        {
            if (op == "begin")
                stop.Cancel();
            return ValueTask.CompletedTask;
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => world.Store.SnapshotAsync(world.Tree.Path, new SnapshotOptions(), stop.Token));
        Assert.Equal(0, world.Blobs.Count("snapshots/"));
        Assert.Equal(0, world.Blobs.Count("leases/"));
    }

    [Fact]
    public async Task Snapshot_TheStoreFails_IsSaidAndLeavesNoRecord()
    {
        using var world = new World();
        world.Tree.Write("a", Bytes.Random(1, 500_000));
        world.Blobs.Before = (op, name) => op == "put" && name.StartsWith("packs/", StringComparison.Ordinal) ? throw WorkspaceException.Io("no space") : ValueTask.CompletedTask;
        var fault = await Assert.ThrowsAsync<WorkspaceException>(() => world.SnapshotAsync());
        Assert.Equal(WorkspaceFault.Io, fault.Fault);
        Assert.Equal(0, world.Blobs.Count("snapshots/"));
    }

    [Fact]
    public async Task Snapshot_TooManyEntries_AreRefused()
    {
        using var world = new World();
        for (var i = 0; i < 20; i++)
            world.Tree.Write($"{i}", "x");
        var fault = await Assert.ThrowsAsync<WorkspaceException>(() => world.Store.SnapshotAsync(world.Tree.Path, new SnapshotOptions { MaxEntries = 10 }, world.Token));
        Assert.Equal(WorkspaceFault.Limit, fault.Fault);
    }

    [Fact]
    public async Task Reader_ListsCopiesAndFinds_WithoutRestoring()
    {
        using var world = new World();
        var content = Bytes.Random(4, 3_000_000);
        world.Tree.Write("sub/large", content).Write("sub/small", "hi");
        var report = await world.SnapshotAsync();
        using var reader = await world.Store.OpenAsync(report.Id, world.Token);
        var names = new List<string>();
        await foreach (var entry in reader.ListAsync("sub", world.Token))
            names.Add(entry.NameText);
        Assert.Equal(["large", "small"], names);
        using var copy = new MemoryStream();
        await reader.CopyFileAsync("sub/large", copy, world.Token);
        Assert.Equal(content, copy.ToArray());
        Assert.Equal(WorkspaceFault.Missing, (await Assert.ThrowsAsync<WorkspaceException>(() => reader.GetAsync("sub/none", world.Token))).Fault);
        Assert.Equal(WorkspaceFault.Invalid, (await Assert.ThrowsAsync<WorkspaceException>(() => reader.GetAsync("../etc", world.Token))).Fault);
    }

    [Fact]
    public async Task Diff_OfEachKind_TellsIt()
    {
        using var world = new World();
        world.Tree.Write("same/x", "1").Write("gone", "1").Write("changed", "1").Write("type", "1").Write("mode", "1");
        var before = await world.SnapshotAsync();
        File.Delete(world.Tree["gone"]);
        File.Delete(world.Tree["type"]);
        File.CreateSymbolicLink(world.Tree["type"], "same");
        File.SetUnixFileMode(world.Tree["mode"], UnixFileMode.UserRead);
        world.Tree.Write("changed", "2").Write("new/file", "1");
        var after = await world.SnapshotAsync();
        var changes = new List<string>();
        await foreach (var change in world.Store.DiffAsync(before.Id, after.Id, world.Token))
            changes.Add($"{change.Kind} {change.Path}");
        Assert.Equal(["Changed changed", "Removed gone", "ModeChanged mode", "Added new", "Added new/file", "TypeChanged type"], changes);
    }

    [Fact]
    public async Task Diff_AnUnchangedSubtree_IsNotRead()
    {
        using var world = new World();
        for (var i = 0; i < 500; i++)
            world.Tree.Write($"big/{i}/file", $"{i}");
        world.Tree.Write("one", "1");
        var before = await world.SnapshotAsync();
        world.Tree.Write("one", "2");
        var after = await world.SnapshotAsync();
        var reads = 0;
        world.Blobs.Before = (op, name) =>
        {
            reads += op == "read" && name.StartsWith("packs/", StringComparison.Ordinal) ? 1 : 0;
            return ValueTask.CompletedTask;
        };
        await foreach (var _ in world.Store.DiffAsync(before.Id, after.Id, world.Token))
            Assert.True(reads < 10);
        Assert.InRange(reads, 1, 6);
    }

    private static unsafe void Create(string folder, byte[] name)
    {
        byte[] path = [.. System.Text.Encoding.UTF8.GetBytes(folder), (byte)'/', .. name, 0];
        fixed (byte* start = path)
            Libc.Close(Libc.OpenAt(Libc.AtCwd, start, Libc.WriteOnly | Libc.Create, 0x1a4));
    }

    private static bool Exists(string folder, byte[] name) => EntryStat.Read(Libc.AtCwd, [.. System.Text.Encoding.UTF8.GetBytes(folder), (byte)'/', .. name, 0], 0, out _);

    private static unsafe int Open(string path)
    {
        fixed (byte* start = Files.Terminated(path))
            return Libc.OpenAt(Libc.AtCwd, start, Libc.WriteOnly, 0) is var fd and >= 0 ? fd : throw Libc.Failure(path, Marshal.GetLastPInvokeError());
    }

    private static unsafe void Link(string from, string to)
    {
        fixed (byte* source = Files.Terminated(from), target = Files.Terminated(to))
            Assert.Equal(0, Libc.LinkAt(Libc.AtCwd, source, Libc.AtCwd, target, 0));
    }

    private static ulong Inode(string path) => EntryStat.Read(Libc.AtCwd, Files.Terminated(path), 0, out var stat) ? stat.Inode : throw new FileNotFoundException(path);
}
