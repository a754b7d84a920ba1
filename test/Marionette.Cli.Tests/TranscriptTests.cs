using Marionette.Cli.Api;
using Marionette.Cli.Live;
using Marionette.Cli.Tests.Support;

namespace Marionette.Cli.Tests;

public sealed class TranscriptTests
{
    [Fact]
    public void Show_WholeTask_ReadsAsAStory()
    {
        Assert.Equal("""
            I will look first.
            ● Bash  ls -la; echo done
              │ total 0
              │ a
              │ b
              … 2 more lines
            Now I write the file.
            ● Write  /w/hello.txt
            ? Write needs permission (risk: medium)
              file_path: /w/hello.txt
              content:
                  Hello
                  world
              allowed by key_1, with changed input (fine)
              │ written
            ● mcp__x__y  {"a":1,"b":[2]}
              ✗ no such thing
            ! overloaded; tried again in 1.5 s (attempt 2)
            ~ the runner was lost: killed (signal 9)
            ~ interrupted: runner lost; a new run follows
            Done.

            """, Draw(new TranscriptOptions(),
            ("task.created", new { prompt = "do it" }),
            ("text.delta", new { message_id = "m1", index = 0, text = "I will " }),
            ("text.delta", new { message_id = "m1", index = 0, text = "look first." }),
            ("text", new { message_id = "m1", index = 0, text = "I will look first." }),
            ("thinking", new { message_id = "m1", index = 1, text = "hidden" }),
            ("tool_use", new { tool_use_id = "t1", name = "Bash", input = new { command = "ls -la;\necho done", description = "Look" } }),
            ("tool_result", new { tool_use_id = "t1", content = "total 0\na\nb\nc\nd\n", is_error = false }),
            ("text", new { message_id = "m2", index = 0, text = "Now I write the file." }),
            ("tool_use", new { tool_use_id = "t2", name = "Write", input = new { file_path = "/w/hello.txt", content = "Hello\nworld" } }),
            ("permission.requested", new { permission_id = "p1", tool = "Write", risk_level = "medium", input = new { file_path = "/w/hello.txt", content = "Hello\nworld" } }),
            ("permission.approved", new { permission_id = "p1", by = "key_1", reason = "fine", updated_input = new { } }),
            ("tool_result", new { tool_use_id = "t2", content = "written", is_error = false }),
            ("tool_use", new { tool_use_id = "t3", name = "mcp__x__y", input = new { a = 1, b = new[] { 2 } } }),
            ("tool_result", new { tool_use_id = "t3", content = "no such thing", is_error = true }),
            ("error", new { code = "model_error", message = "overloaded", retryable = true, attempt = 2, retry_in_ms = 1500 }),
            ("runner.lost", new { cause = "killed", detail = "signal 9" }),
            ("task.interrupted", new { reason = "runner lost" }),
            ("text", new { message_id = "m3", index = 0, text = "Done." }),
            ("something.new", new { text = "from a later version" })));
    }

    [Fact]
    public void Pause_IsTold_AndWhyThereIsNone()
    {
        Assert.Equal("""
            ~ the runner is paused, with all that it has in memory
            ~ suspended: idle
            ~ resuming: A task waits.
            ~ the runner is not paused: The freezer is broken.

            """, Draw(new TranscriptOptions(),
            ("runner.pausing", new { runner_id = "run_1" }),
            ("runner.paused", new { runner_id = "run_1" }),
            ("session.suspended", new { reason = "idle" }),
            ("session.resuming", new { reason = "A task waits." }),
            ("runner.unpausing", new { runner_id = "run_1" }),
            ("runner.pause_failed", new { reason = "The freezer is broken." })));
    }

    [Fact]
    public void Show_RunnerThatIsThrottled_AndItsEnd()
    {
        Assert.Equal("""
            ! the runner has 0.1 cores until it is calm: it starts processes without end, beyond its limit
            ~ the runner has 1 cores again

            """, Draw(new TranscriptOptions(),
            ("runner.throttled", new { runner_id = "run_1", epoch = 1, cpus = 0.1, reason = "births_refused", count = 1 }),
            ("runner.unthrottled", new { runner_id = "run_1", epoch = 1, cpus = 1, count = 1 })));
    }

    [Fact]
    public void Show_PromptsAndThinking_WhenAskedFor()
    {
        Assert.Equal("> do it\nhmm\nyes\n", Draw(new TranscriptOptions { Prompts = true, Thinking = true },
            ("task.created", new { prompt = "do it" }),
            ("thinking.delta", new { message_id = "m1", index = 0, text = "hm" }),
            ("thinking", new { message_id = "m1", index = 0, text = "hmm" }),
            ("text.delta", new { message_id = "m1", index = 1, text = "yes" })));
    }

    [Fact]
    public void Show_ReaderWhoCameInTheMiddleOfABlock_GetsTheWholeBlockOnce()
    {
        // The first pieces were before the reader's time: the block is longer than what was streamed to it.
        Assert.Equal("abcdef\n", Draw(new TranscriptOptions(),
            ("text.delta", new { message_id = "m1", index = 0, text = "abc" }),
            ("text", new { message_id = "m1", index = 0, text = "abcdef" })));
    }

    [Fact]
    public void Show_ToolBetweenPieces_StartsANewLineAndGoesOn()
    {
        Assert.Equal("abc\n● Read  f\ndef\n", Draw(new TranscriptOptions(),
            ("text.delta", new { message_id = "m1", index = 0, text = "abc" }),
            ("tool_use", new { name = "Read", input = new { file_path = "f" } }),
            ("text.delta", new { message_id = "m1", index = 0, text = "def" }),
            ("text", new { message_id = "m1", index = 0, text = "abcdef" })));
    }

    [Fact]
    public void Show_AgentThatPlaysWithTheTerminal_ShowsOnlyText()
    {
        var drawn = Draw(new TranscriptOptions { Prompts = true, Thinking = true },
            ("task.created", new { prompt = "p\e[2J\nq" }),
            ("text.delta", new { message_id = "m1", index = 0, text = "a\e]52;c;" }),
            ("text.delta", new { message_id = "m1", index = 0, text = "c3RvbGVu\ab" }),
            ("tool_use", new { name = "Ba\e[1msh", input = new { command = "x\e[8m\r; rm -rf /" } }),
            ("tool_result", new { content = "\e[31mred\e[0m\a" }),
            ("permission.requested", new { permission_id = "p1", tool = "Bash", risk_level = "hi\e[mgh", description = "\e]0;t\a d", input = new { command = "a\u202eb\e[2Kc" } }),
            ("permission.denied", new { permission_id = "p1", by = "k\e[1mey", reason = "no\e[2J" }),
            ("log", new { stream = "stdout", content = "l\e[2Jog" }),
            ("error", new { code = "c", message = "m\e[2J" }),
            ("session.failed", new { code = "c", reason = "r\e[2J" }));
        Assert.DoesNotContain(drawn, c => char.IsControl(c) && c != '\n');
        Assert.DoesNotContain('\u202e', drawn);
        Assert.Contains("● Bash  x ; rm -rf /", drawn);
        Assert.Contains("ab\n", drawn);
        Assert.Contains("command: abc", drawn);
    }

    [Fact]
    public void Progress_WholeTask_FoldsToWhatItCost()
    {
        var progress = new TaskProgress();
        string[] events =
        [
            EventStream.Event(1, "tool_use", new { name = "Write", input = new { file_path = "/w/a" } }),
            EventStream.Event(2, "tool_use", new { name = "Edit", input = new { file_path = "/w/a" } }),
            EventStream.Event(3, "usage", new { input_tokens = 10, cache_read_tokens = 5, cache_write_tokens = 2, output_tokens = 7 }),
        ];
        foreach (var each in events)
            progress = progress.Apply(SessionEvent.Parse(each));
        Assert.Equal("running Edit · 1 min 05 s · 17 in, 7 out", progress.StatusLine(TimeSpan.FromSeconds(65.4)));
        Assert.Equal(["/w/a"], progress.WrittenFiles);
        Assert.Null(progress.Outcome);

        progress = progress.Apply(SessionEvent.Parse(EventStream.Event(4, "task.completed",
            new { usage = new { input_tokens = 1200, output_tokens = 56, cache_read_tokens = 34 }, cost_usd = 0.0123, duration_ms = 12345, turns = 2, result = "ok" })));
        Assert.Equal("completed in 12.3 s · 1234 tokens in, 56 out · $0.0123 · 2 turns", progress.Summary());
    }

    [Fact]
    public void Show_WhatTheNetworkPolicyHeldBack_WithTheCommandThatAllowsIt()
    {
        Assert.Equal("""
            ! blocked: api.example.com:443 (not listed); to allow it: marionette sessions allow sess_1 api.example.com:443
            ! blocked: data.example.org (not listed, 3 times); to allow it: marionette sessions allow sess_1 data.example.org
            ! blocked: [2001:db8::1]:22 (not listed); to allow it: marionette sessions allow sess_1 [2001:db8::1]:22
            ! blocked: 10.0.0.7:5432 (a private address); to allow it: marionette sessions allow sess_1 10.0.0.7:5432
            ! blocked: db.example:5432 (a private address)
            ! blocked: udp api.example.com:443 (not by this protocol)
            ! blocked: udp api.example.com:443 (not listed)
            ! blocked: udp time.example.com:123 (not listed); to allow it: marionette sessions allow sess_1 time.example.com:123
            ! blocked: udp 1.1.1.1:443 (not listed); to allow it: marionette sessions allow sess_1 1.1.1.1:443
            ! blocked: 1.1.1.1 (not listed)
            ! blocked: tcp $(reboot) x;y (not listed)
            ! blocked: something (more than could be told one by one, 70 times)
            ~ network policy: allow_list (a.example:443, *.b.example), by key_1
            ~ network policy: deny, by ann

            """, Draw(new TranscriptOptions(),
            ("network.blocked", new { target = "api.example.com", port = 443, protocol = "tcp", reason = "not_listed", count = 1 }),
            ("network.blocked", new { target = "data.example.org", port = 53, protocol = "dns", reason = "not_listed", count = 3 }),
            ("network.blocked", new { target = "2001:db8::1", port = 22, protocol = "tcp", reason = "not_listed", count = 1 }),
            ("network.blocked", new { target = "10.0.0.7", port = 5432, protocol = "tcp", reason = "private", count = 1 }),
            // The name is listed already; what would help is its address, which nobody knows here.
            ("network.blocked", new { target = "db.example", port = 5432, protocol = "tcp", reason = "private", count = 1 }),
            ("network.blocked", new { target = "api.example.com", port = 443, protocol = "udp", reason = "protocol", count = 1 }),
            // Nor would UDP to a name's port 443 go out with it listed.
            ("network.blocked", new { target = "api.example.com", port = 443, protocol = "udp", reason = "not_listed", count = 1 }),
            ("network.blocked", new { target = "time.example.com", port = 123, protocol = "udp", reason = "not_listed", count = 1 }),
            ("network.blocked", new { target = "1.1.1.1", port = 443, protocol = "udp", reason = "not_listed", count = 1 }),
            ("network.blocked", new { target = "1.1.1.1", port = 0, protocol = "icmp", reason = "not_listed", count = 1 }),
            // No command that a shell would take for another one.
            ("network.blocked", new { target = "$(reboot)\e[2J x;y", port = 443, protocol = "tcp", reason = "not_listed", count = 1 }),
            ("network.blocked", new { target = "", port = 0, protocol = "", reason = "others", count = 70 }),
            ("network.changed", new { by = "key_1", network_policy = "allow_list", allowed_hosts = new[] { "a.example:443", "*.b.example" } }),
            ("network.changed", new { by = "ann", network_policy = "deny", allowed_hosts = Array.Empty<string>() })));
    }

    [Fact]
    public void Workspace_ThatCameBack_IsTold()
    {
        Assert.Equal(
            """
            ~ the workspace was restored from its checkpoint: 1200 files, 3.5 MiB
            ! the workspace is lost: its machine is gone, and it had no checkpoint
            ! the workspace is not there: The chunk store: not now
            ! no checkpoint: disk full

            """, Draw(new TranscriptOptions(),
            ("workspace.ready", new { epoch = 1, source = "new", took_ms = 3 }),
            ("workspace.ready", new { epoch = 2, source = "kept", took_ms = 3 }),
            ("workspace.ready", new { epoch = 3, source = "restored", files = 1200, bytes = 3670016, took_ms = 3 }),
            ("workspace.ready", new { epoch = 4, source = "lost", took_ms = 3 }),
            ("workspace.restore_failed", new { reason = "The chunk store: not now", tried_again = true }),
            ("checkpoint.failed", new { reason = "stop", message = "disk full" })));
    }

    [Theory]
    [InlineData("image", null, "pulling node:22, 40 %", "pulling node:22, 40 %", "")]
    [InlineData("queue", null, "docker: the engine does not answer", "waiting: docker: the engine does not answer", "~ waiting: docker: the engine does not answer\n")]
    [InlineData("image", 5100, null, "starting a runner: image took 5.1 s", "")]
    [InlineData("create", null, null, "starting a runner: create", "")]
    [InlineData("queue", 61000, null, "starting a runner: queue took 1 min 01 s", "")]
    public void Progress_OfARunnersStart_IsTheWaitingLine(string phase, int? took, string? detail, string activity, string drawn)
    {
        var data = new { runner_id = "run_1", epoch = 1, phase, took_ms = took, detail };
        var progress = new TaskProgress().Apply(SessionEvent.Parse(EventStream.Event(1, "runner.progress", data)));
        Assert.Equal(activity, progress.Activity);
        Assert.Equal(drawn, Draw(new TranscriptOptions(), ("runner.progress", data)));
        // What the agent does comes after it.
        Assert.Equal("thinking", progress.Apply(SessionEvent.Parse(EventStream.Event(2, "thinking", new { text = "x" }))).Activity);
    }

    private static string Draw(TranscriptOptions options, params (string Type, object? Data)[] events)
    {
        var output = new StringWriter();
        using (var screen = new LiveScreen(output, color: false, hasStatus: false, () => (80, 24)))
        {
            var transcript = new Transcript(screen, options);
            foreach (var each in EventStream.Log(events))
                transcript.Show(SessionEvent.Parse(each));
        }
        return output.ToString();
    }
}
