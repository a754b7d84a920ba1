using Marionette.Runners;
using Marionette.Sessions;
using Marionette.Tasks;

namespace Marionette.Machines.Tests;

/// <summary>Messages into a turn, the order of the queue, and changes of the session.</summary>
public sealed class MessageTests
{
    [Fact]
    public void Message_GoesIntoTheTurn_Once()
    {
        var walk = new Walk().Created();
        var task = walk.Running();
        var id = walk.Send(task);
        var command = Assert.IsType<SendMessageCommand>(Assert.Single(PendingCommands.Of(walk.State, 0)));
        Assert.Equal((id, "and this", walk.State.Current!.RunId), (command.MessageId, command.Text, command.RunId));
        walk.Take(SessionMachine.Send(walk.State, null, new SendMessage(task, id, "and this", "ann"), walk.Context));
        walk.Say("message.received", new { message_id = id });
        Assert.Empty(PendingCommands.Of(walk.State, 0));
        walk.Take(SessionMachine.Send(walk.State, null, new SendMessage(task, id, "and this", "ann"), walk.Context));
        Assert.Single(walk.Log, e => e.Type == "message.sent");
        walk.Finish();
        Assert.Single(walk.EndedTasks);
        Assert.Empty(walk.State.Tasks);
    }

    [Fact]
    public void Message_ThatTheTurnDidNotTake_BecomesATaskRightBehindIt()
    {
        var walk = new Walk().Created();
        var task = walk.Running();
        var later = walk.Submit();
        var (one, two) = (walk.Send(task), walk.Send(task));
        walk.Finish();
        Assert.Equal([SessionMachine.TaskOf(one), SessionMachine.TaskOf(two), later], walk.State.Tasks.Select(t => t.View.Id));
        Assert.Equal(task, walk.State.Tasks[0].View.ContinueFrom);
        Assert.Equal("and this", walk.State.Tasks[0].View.Prompt);
    }

    [Fact]
    public void Message_Refused_BecomesATask()
    {
        var walk = new Walk().Created();
        var task = walk.Running();
        var id = walk.Send(task);
        walk.Say("message.refused", new { message_id = id, reason = "A command takes none." });
        Assert.Equal([task, SessionMachine.TaskOf(id)], walk.State.Tasks.Select(t => t.View.Id));
    }

    [Fact]
    public void Message_ToAnEndedTask_IsAFollowUp_AndWakesASuspendedSession()
    {
        var walk = new Walk().Created();
        var task = walk.Running();
        walk.Finish();
        walk.Take(SessionMachine.Suspend(walk.State, "asked", walk.Context));
        walk.Say("runner.stopped", new { reason = "suspend" });
        var id = walk.Send(task);
        Assert.Equal(SessionStatus.Resuming, walk.State.View.Status);
        Assert.Equal(SessionMachine.TaskOf(id), Assert.Single(walk.State.Tasks).View.Id);
    }

    [Fact]
    public void Move_ChangesTheOrder_OfTasksThatWait()
    {
        var walk = new Walk().Created();
        var running = walk.Running();
        var (a, b, c) = (walk.Submit(), walk.Submit(), walk.Submit());
        walk.Take(SessionMachine.Move(walk.State, new MoveTask(c, a), walk.Context));
        walk.Take(SessionMachine.Move(walk.State, new MoveTask(a, null), walk.Context));
        Assert.Equal([running, c, b, a], walk.State.Tasks.Select(t => t.View.Id));
        Assert.Equal(FaultCode.Conflict, Assert.Throws<MarionetteException>(() => SessionMachine.Move(walk.State, new MoveTask(a, running), walk.Context)).Code);
        Assert.Equal(FaultCode.NotFound, Assert.Throws<MarionetteException>(() => SessionMachine.Move(walk.State, new MoveTask(a, "task_x"), walk.Context)).Code);
    }

    [Fact]
    public void Move_LetsAnotherTaskPassOneThatWaits()
    {
        var walk = new Walk().Created();
        var held = walk.Running();
        walk.Fail("usage_limit");
        var other = walk.Submit();
        Assert.Equal(TaskState.Queued, walk.Task(other).Status);
        walk.Take(SessionMachine.Move(walk.State, new MoveTask(other, held), walk.Context));
        Assert.Equal(TaskState.Running, walk.Task(other).Status);
    }

    [Fact]
    public void Change_OfTheModel_IsToldToTheAgent_AndTakenBackWhenRefused()
    {
        var walk = new Walk().Created();
        walk.Running();
        walk.Take(SessionMachine.Change(walk.State, new ChangeSession("ann", Model: "opus"), walk.Context));
        Assert.Equal(("opus", true), (walk.State.View.Model, walk.State.View.IsChanging));
        var command = Assert.IsType<ConfigureCommand>(Assert.Single(PendingCommands.Of(walk.State, 0)));
        Assert.Equal(("opus", "default"), (command.Model, command.PermissionMode));
        walk.Say("configure.refused", new { model = "opus", permission_mode = "default", reason = "No such model." });
        Assert.Equal(((string?)null, false), (walk.State.View.Model, walk.State.View.IsChanging));
        Assert.Empty(PendingCommands.Of(walk.State, 0));
    }

    [Fact]
    public void Change_WithoutARunner_HoldsAtOnce()
    {
        var walk = new Walk().Created();
        walk.Take(SessionMachine.Change(walk.State, new ChangeSession("ann", Name: "n", PermissionMode: "plan"), walk.Context));
        Assert.Equal(("n", "plan", false), (walk.State.View.Name, walk.State.View.PermissionMode, walk.State.View.IsChanging));
    }

    [Fact]
    public void Progress_ShowsInTheTask_AndSurvivesAnActivation()
    {
        var walk = new Walk().Created();
        walk.Running();
        walk.Say("progress", new { step = "tests", percent = 40, todos = new[] { new { content = "a", status = "completed" } } });
        walk.Say("progress", new { step = "docs" });
        walk.SayRaw("progress", "[1]"u8.ToArray());
        var progress = walk.State.Current!.View.Progress!;
        Assert.Equal(("docs", 40d, "a"), (progress.Step, progress.Percent, progress.Todos[0].Content));
    }

    [Fact]
    public void Result_HasStructuredOutputAndFiles()
    {
        var walk = new Walk().Created();
        var task = walk.Running();
        walk.Say("run.finished", new
        {
            outcome = "completed", result = "{}", structured_output = new { n = 1 }, duration_ms = 7, model_ms = 3, turns = 2,
            files_changed = new[] { new { path = "a.txt", change = "added" } },
        });
        var view = walk.Task(task);
        Assert.Equal(("{\"n\":1}", "a.txt"), (view.StructuredOutput, view.FilesChanged.Single().Path));
        Assert.Equal((7, 3, 2), (view.Usage.WallMs, view.Usage.ModelMs, view.Usage.Turns));
        Assert.Equal(view.Usage, walk.State.View.Usage);
    }
}
