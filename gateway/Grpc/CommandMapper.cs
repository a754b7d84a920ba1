using System.Collections.Immutable;
using Google.Protobuf;
using Marionette.Protocol.V1;
using Marionette.Runners;

namespace Marionette.Gateway.Grpc;

/// <summary>Commands of the domain to those of the wire.</summary>
internal static class CommandMapper
{
    public static Command ToWire(RunnerCommand command) => command switch
    {
        StartRunCommand c => new Command
        {
            Number = c.Number,
            StartRun = new StartRun
            {
                Task = c.TaskId, Run = c.RunId, Attempt = (uint)c.Attempt, Prompt = c.Prompt, Continuation = c.Continuation,
                Attachments = { FilesOf(c.Files) }, OutputSchema = BytesOf(c.OutputSchema), Conversation = c.Conversation ?? "",
            },
        },
        SendMessageCommand c => new Command
        {
            Number = c.Number,
            SendMessage = new SendMessage { Run = c.RunId, Message = c.MessageId, Text = c.Text, Attachments = { FilesOf(c.Files) } },
        },
        ConfigureCommand c => new Command
        {
            Number = c.Number, Configure = new Configure { Model = c.Model ?? "", PermissionMode = c.PermissionMode },
        },
        AnswerPermissionCommand c => new Command
        {
            Number = c.Number,
            AnswerPermission = new AnswerPermission
            {
                Request = c.RequestId, Allow = c.Allow, Reason = c.Reason, Interrupt = c.Interrupt,
                UpdatedInput = BytesOf(c.UpdatedInput),
            },
        },
        InterruptCommand c => new Command { Number = c.Number, Interrupt = new Interrupt { Run = c.RunId, Outcome = c.Outcome } },
        StopCommand c => new Command { Number = c.Number, Stop = new Stop { Reason = c.Reason } },
        PauseCommand c => new Command { Number = c.Number, Pause = new Pause { Reason = c.Reason } },
        _ => throw new NotSupportedException($"A {command.GetType().Name} has no form on the wire."),
    };

    private static ByteString BytesOf(byte[]? bytes) => bytes is null ? ByteString.Empty : ByteString.CopyFrom(bytes);

    private static IEnumerable<Attachment> FilesOf(ImmutableArray<TaskFile> files) => files.IsDefault
        ? []
        : files.Select(f => new Attachment { Name = f.Name, MediaType = f.MediaType, Content = ByteString.CopyFrom(f.Content) });
}
