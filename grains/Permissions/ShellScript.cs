using System.Collections.Immutable;

namespace Marionette.Permissions;

/// <summary>A command line taken apart into simple commands.</summary>
/// <param name="Commands">Every simple command that can be made out, also where the whole is not understood.</param>
/// <param name="NotUnderstood">Why the text cannot be vouched for; null = each command stands there exactly as it would run.</param>
internal sealed record ShellScript(ImmutableArray<ShellCommand> Commands, string? NotUnderstood)
{
    public bool IsUnderstood => NotUnderstood is null;
}

/// <summary>A program with its arguments, without quotes.</summary>
/// <param name="Words">Program first.</param>
/// <param name="Oddity">Something beside the words that acts as well (a redirection, a variable set for it); null = nothing.</param>
/// <param name="Targets">Files that it is redirected to or from.</param>
/// <param name="ReadsPipe">Its input is another command's output.</param>
internal sealed record ShellCommand(ImmutableArray<string> Words, string? Oddity, ImmutableArray<string> Targets, bool ReadsPipe)
{
    public string Text => string.Join(' ', Words);
}
