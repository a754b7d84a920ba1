using Google.Protobuf;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.Support;

/// <summary>Commands in one line.</summary>
internal static class Commands
{
    public static Command Start(string run, string prompt, bool continuation = false) => new()
    {
        StartRun = new StartRun { Task = "task_" + run, Run = run, Attempt = 1, Prompt = prompt, Continuation = continuation },
    };

    public static Command Allow(string request, string? input = null) => new()
    {
        AnswerPermission = new AnswerPermission
        {
            Request = request, Allow = true, UpdatedInput = input is null ? ByteString.Empty : ByteString.CopyFromUtf8(input),
        },
    };

    public static Command Deny(string request, string reason, bool interrupt = false) => new()
    {
        AnswerPermission = new AnswerPermission { Request = request, Allow = false, Reason = reason, Interrupt = interrupt },
    };

    public static Command Interrupt(string run, string outcome) =>
        new() { Interrupt = new Interrupt { Run = run, Outcome = outcome } };

    public static Command Message(string run, string message, string text) =>
        new() { SendMessage = new SendMessage { Run = run, Message = message, Text = text } };

    public static Command Configure(string model, string mode) => new() { Configure = new Configure { Model = model, PermissionMode = mode } };

    public static Command Pause(string reason = "test") => new() { Pause = new Pause { Reason = reason } };

    public static Command Stop(string reason = "test") => new() { Stop = new Stop { Reason = reason } };
}
