using System.Text.Json;
using Marionette.Permissions;
using Marionette.Runners;
using Marionette.Sessions;
using Marionette.Tasks;

namespace Marionette.Machines.Tests.Permissions;

public sealed class PermissionMachineTests
{
    private static readonly PolicyRule AllowLs = new() { Id = "pol_ls", Effect = PolicyEffect.Allow, Commands = ["ls *"] };
    private static readonly PolicyRule DenyRm = new() { Id = "pol_rm", Name = "no rm", Effect = PolicyEffect.Deny, Commands = ["rm *"], Reason = "use the bin" };

    [Fact]
    public void Rule_Allows_TheAgentIsAnsweredAndNobodyIsAsked()
    {
        var walk = Running(out var task, AllowLs);
        var id = walk.AskCommand("ls -l");
        Assert.Equal(["permission.requested", "permission.approved"], walk.Log.Skip(walk.Log.Count - 2).Select(e => e.Type));
        Assert.Equal(("pol_ls", TaskState.Running), (walk.Row(id)!.RuleId, walk.Task(task).Status));
        Assert.True(Assert.IsType<AnswerPermissionCommand>(Assert.Single(PendingCommands.Of(walk.State, 0))).Allow);
    }

    [Fact]
    public void Rule_Denies_TheAgentIsToldWhichAndWhy()
    {
        var walk = Running(out _, AllowLs, DenyRm);
        walk.AskCommand("ls; rm x");
        var answer = Assert.IsType<AnswerPermissionCommand>(Assert.Single(PendingCommands.Of(walk.State, 0)));
        Assert.False(answer.Allow);
        Assert.Contains("no rm", answer.Reason, StringComparison.Ordinal);
        Assert.Contains("use the bin", answer.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Rules_ThatCannotBeRead_AllowNothing()
    {
        var walk = Running(out _);
        walk.Policy = null;
        var id = walk.AskCommand("ls");
        Assert.Equal(PermissionStatus.Pending, walk.Row(id)!.Status);
        Assert.Empty(PendingCommands.Of(walk.State, 0));
    }

    [Fact]
    public void Request_CarriesWhatIsAsked()
    {
        var walk = Running(out _);
        walk.Say("permission.request", new
        {
            request_id = "r", tool = "Edit", category = "edit", title = "Edit a file", paths = new[] { "/etc/hosts" }, hosts = new[] { "x.example" }, diff = "+x",
            description = "so that", reason = "outside", takes_input = true, input = new { file_path = "/etc/hosts" },
        });
        var view = walk.State.Permissions[0].View;
        Assert.Equal(("edit", "Edit a file", "+x", "outside", true), (view.Category, view.Title, view.Diff, view.Why, view.TakesInput));
        Assert.Equal(["/etc/hosts"], view.Paths);
        Assert.Equal(["x.example"], view.Hosts);
        Assert.Equal("critical", view.RiskLevel);
        Assert.Contains("writes to the system", view.RiskReasons);
    }

    [Fact]
    public void Request_OfBytesWithoutEnd_IsCutForPeopleAndNotAllowed()
    {
        var walk = Running(out _, AllowLs);
        var id = walk.AskCommand("ls " + new string('x', 1_000_000));
        var view = walk.Row(id)!;
        Assert.Equal(PermissionStatus.Pending, view.Status);
        Assert.True(view.Command!.Length < 70_000);
        Assert.Equal(FaultCode.Conflict, Fault(() => walk.Answer(id, "ann", remember: "session")).Code);
    }

    [Theory]
    [InlineData("session")]
    [InlineData("task")]
    public void Remember_MakesANarrowRule_ThatTheNextQuestionMeets(string scope)
    {
        var walk = Running(out _);
        var first = walk.AskCommand("npm test -- --grep 'a b*'", "r1");
        walk.Answer(first, "ann", remember: scope);
        Assert.Equal(scope, walk.Row(first)!.Remembered?.Scope);
        Assert.Contains("\"remembered\"", System.Text.Encoding.UTF8.GetString(walk.Log[^1].Payload), StringComparison.Ordinal);

        Assert.Equal(PermissionStatus.Approved, walk.Row(walk.AskCommand("npm test -- --grep 'a b*'", "r2"))!.Status);
        Assert.Equal(PermissionStatus.Pending, walk.Row(walk.AskCommand("npm test -- --grep 'a bc'", "r3"))!.Status);
        Assert.Equal(PermissionStatus.Pending, walk.Row(walk.AskCommand("npm test -- --grep 'a b*'; x", "r4"))!.Status);
    }

    [Fact]
    public void Remember_Task_EndsWithTheTask()
    {
        var walk = Running(out _);
        walk.Answer(walk.AskCommand("npm test", "r1"), "ann", remember: "task");
        walk.Finish();
        walk.Submit();
        walk.Say("run.started", new { });
        Assert.Equal(PermissionStatus.Pending, walk.Row(walk.AskCommand("npm test", "r2"))!.Status);
    }

    [Theory]
    [InlineData("sudo x", "critical")]
    [InlineData("ls $(x)", "expansion")]
    [InlineData("ls > x", "redirected")]
    public void Remember_WhatARuleCannotStandFor_IsRefusedAndNotAnswered(string command, string why)
    {
        var walk = Running(out _);
        var id = walk.AskCommand(command);
        var fault = Fault(() => walk.Answer(id, "ann", remember: "tenant"));
        Assert.Equal(FaultCode.Conflict, fault.Code);
        Assert.Contains(why, fault.Message, StringComparison.Ordinal);
        Assert.Equal(PermissionStatus.Pending, walk.Row(id)!.Status);
    }

    [Fact]
    public void TwoPeople_OneActorIsNotTwo()
    {
        var walk = Running(out _, Ask(new() { RequiredApprovals = 2, RequiredApprovalsRisk = "high" }));
        var id = walk.AskCommand("deploy");
        walk.Answer(id, "ann", command: "c1");
        Assert.Equal((PermissionStatus.Pending, 1), (walk.Row(id)!.Status, walk.Row(id)!.Approvals.Length));
        Assert.Empty(PendingCommands.Of(walk.State, 0));
        walk.Answer(id, "ann", command: "c1"); // The same command again is no second approval.
        Assert.Equal(FaultCode.Conflict, Fault(() => walk.Answer(id, "ann", command: "c2")).Code);
        Assert.Equal(FaultCode.Conflict, Fault(() => walk.Take(SessionMachine.Decide(
            walk.State, null, new DecidePermission(id, "c3", true, "ann", null, null, false, null, "ann", "ann"), walk.Context))).Code);
        walk.Answer(id, "bob");
        Assert.Equal(PermissionStatus.Approved, walk.Row(id)!.Status);
        Assert.Equal(["requested", "approval", "approved"], walk.Row(id)!.History.Select(n => n.What));
    }

    [Fact]
    public void TwoPeople_OneNoIsANo_AndLowerRisksNeedOne()
    {
        var walk = Running(out _, Ask(new() { RequiredApprovals = 2, RequiredApprovalsRisk = "high" }));
        var id = walk.AskCommand("deploy", "r1");
        walk.Answer(id, "ann");
        walk.Answer(id, "ann", allow: false);
        Assert.Equal(PermissionStatus.Denied, walk.Row(id)!.Status);
        var low = walk.AskCommand("ls", "r2");
        walk.Answer(low, "ann", command: "other");
        Assert.Equal(PermissionStatus.Approved, walk.Row(low)!.Status);
    }

    [Fact]
    public void Input_IsChangedOnlyWhereTheAgentTakesIt_AndBothAgree()
    {
        var walk = Running(out _);
        var fixedInput = walk.AskCommand("x", "r1", takesInput: false);
        Assert.Equal("updated_input", Assert.Single(Fault(() => walk.Answer(fixedInput, "ann", input: "{}")).Errors).Field);
        walk.Answer(walk.AskCommand("x", "r2"), "ann", input: "{\"command\":\"y\"}");
        walk.Policy = new TenantPolicy { Rules = [Ask(new() { RequiredApprovals = 2 })] };
        Assert.Equal(FaultCode.Conflict, Fault(() => walk.Answer(walk.AskCommand("x", "r3"), "ann", input: "{}")).Code);
    }

    [Fact]
    public void Approvers_OthersAreRefused_UntilItIsHandedOn()
    {
        var walk = Running(out _, Ask(new() { Approvers = ["ann", "key_kim"] }));
        var id = walk.AskCommand("x");
        Assert.Equal(FaultCode.Forbidden, Fault(() => walk.Answer(id, "bob")).Code);
        Assert.Equal(FaultCode.Forbidden, Fault(() => walk.Answer(id, "bob", allow: false)).Code);
        Assert.Equal(FaultCode.Forbidden, Fault(() => Delegate(walk, id, "bob", "eve")).Code);
        Delegate(walk, id, "ann", "bob");
        Delegate(walk, id, "ann", "bob"); // The same command again.
        Assert.Equal(["key_kim", "bob"], walk.Row(id)!.Approvers);
        Assert.Single(walk.Log, e => e.Type == "permission.delegated");
        Assert.Equal(FaultCode.Forbidden, Fault(() => walk.Answer(id, "ann")).Code);
        walk.Answer(id, "bob");
        Assert.Equal(FaultCode.AlreadyDecided, Fault(() => Delegate(walk, id, "kim", "eve", "late")).Code);
    }

    [Fact]
    public void Escalation_RemindsThenTellsTheNextThenDenies()
    {
        var walk = Running(out _, Ask(new()
        {
            TimeoutSeconds = 100, Approvers = ["ann"],
            Escalation = [new() { AfterSeconds = 20, Remind = true }, new() { AfterSeconds = 50, Notify = ["bob"] }],
        }));
        var id = walk.AskCommand("x");
        Assert.Equal(walk.Now + TimeSpan.FromSeconds(20), SessionMachine.NextDeadline(walk.State, Walk.Timings));
        walk.Pass(TimeSpan.FromSeconds(20));
        walk.Tick();
        walk.Tick();
        Assert.Equal(FaultCode.Forbidden, Fault(() => walk.Answer(id, "bob")).Code);
        walk.Pass(TimeSpan.FromSeconds(30));
        walk.Tick();
        var steps = walk.Log.Where(e => e.Type == "permission.escalated").Select(e => JsonDocument.Parse(e.Payload).RootElement).ToList();
        Assert.Equal([("ann", 1), ("bob", 2)], steps.Select(s => (s.GetProperty("notify")[0].GetString(), s.GetProperty("step").GetInt32())));
        Assert.Equal(["ann", "bob"], walk.Row(id)!.Approvers);
        walk.Pass(TimeSpan.FromSeconds(50));
        walk.Tick();
        Assert.Equal(PermissionStatus.Expired, walk.Row(id)!.Status);
        Assert.False(Assert.IsType<AnswerPermissionCommand>(Assert.Single(PendingCommands.Of(walk.State, 0))).Allow);
    }

    [Fact]
    public async Task Escalation_AfterARestart_GoesOnWhereItStood()
    {
        var walk = Running(out _, Ask(new() { TimeoutSeconds = 100, Escalation = [new() { AfterSeconds = 20, Remind = true }, new() { AfterSeconds = 50, Remind = true }] }));
        walk.AskCommand("x");
        walk.Pass(TimeSpan.FromSeconds(30));
        walk.Tick();
        var reloaded = await walk.ReloadedAsync();
        Assert.Equal(1, reloaded.Permissions[0].View.EscalationStep);
        Assert.Equal(walk.Now + TimeSpan.FromSeconds(20), SessionMachine.NextDeadline(reloaded, Walk.Timings));
    }

    [Fact]
    public void Suspend_WhileARequestIsOpen_EndsItClearly_AndItIsAskedAnew()
    {
        var walk = Running(out var task);
        var id = walk.AskCommand("x", "r1");
        walk.Take(SessionMachine.Suspend(walk.State, "lunch", walk.Context));
        walk.Finish("interrupted");
        walk.Say("runner.stopped", new { reason = "suspend" });
        Assert.Equal(PermissionStatus.Canceled, walk.Row(id)!.Status);
        Assert.Equal(FaultCode.AlreadyDecided, Fault(() => walk.Answer(id, "ann")).Code);
        walk.Take(SessionMachine.Resume(walk.State, "back", walk.Context));
        walk.Attach();
        walk.Say("run.started", new { });
        var again = walk.AskCommand("x", "r1");
        Assert.NotEqual(id, again);
        walk.Answer(again, "ann");
        Assert.Equal(TaskState.Running, walk.Task(task).Status);
    }

    [Fact]
    public void Hooks_AreAskedWhereTheyWant_AndWherePeopleAre()
    {
        var walk = Running(out _, AllowLs);
        walk.Policy = walk.Policy! with { Hooks = [new() { Id = "phk_1", Url = "https://x", RiskAtLeast = "high" }, new() { Id = "phk_2", Url = "https://x", Categories = ["edit"] }, new() { Id = "phk_3", Url = "https://x", Paused = true }] };
        Assert.Equal(["phk_1"], walk.Row(walk.AskCommand("x y", "r1"))!.Hooks);
        Assert.Empty(walk.Row(walk.AskCommand("cat x", "r2"))!.Hooks);
        Assert.Empty(walk.Row(walk.AskCommand("ls x", "r3"))!.Hooks);
    }

    private static void Delegate(Walk walk, string id, string who, string to, string command = "d1") => walk.Take(SessionMachine.Delegate(
        walk.State, walk.Row(id), new DelegatePermission(id, command, who, "key_" + who, who, to, null), walk.Context));

    private static PolicyRule Ask(PermissionTerms terms) => new() { Id = "pol_ask", Effect = PolicyEffect.Ask, Ask = terms };

    private static MarionetteException Fault(Action action) => Assert.Throws<MarionetteException>(action);

    private static Walk Running(out string task, params PolicyRule[] rules)
    {
        var walk = new Walk { Policy = new TenantPolicy { Rules = [.. rules] } }.Created();
        task = walk.Running();
        return walk;
    }
}
