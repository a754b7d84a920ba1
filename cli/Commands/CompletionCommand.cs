using System.CommandLine;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette completion bash|zsh|fish</c>: scripts that ask the program itself for what may follow.</summary>
internal static class CompletionCommand
{
    public static Command Create(CliContext context)
    {
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh or fish" }.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new Command("completion", "Print a completion script: source <(marionette completion bash)") { shell };
        command.SetAction(result =>
        {
            context.Out.Write(result.GetValue(shell) switch { "bash" => Bash, "zsh" => Zsh, _ => Fish });
            return ExitCode.Ok;
        });
        return command;
    }

    private const string Bash = """
        # marionette completion for bash. Use it with: source <(./marionette completion bash)
        _marionette() {
            local line="${COMP_LINE:0:$COMP_POINT}"
            local rest="${line#"${COMP_WORDS[0]}"}"
            rest="${rest# }"
            local IFS=$'\n'
            COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "[suggest:${#rest}]" "$rest" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _marionette marionette ./marionette

        """;

    private const string Zsh = """
        #compdef marionette ./marionette
        # marionette completion for zsh. Use it with: source <(./marionette completion zsh)
        _marionette() {
            local rest="${(j: :)words[2,CURRENT]}"
            local -a found
            found=("${(@f)$("${words[1]}" "[suggest:${#rest}]" "$rest" 2>/dev/null)}")
            compadd -- "${found[@]}"
        }
        compdef _marionette marionette ./marionette

        """;

    private const string Fish = """
        # marionette completion for fish. Use it with: ./marionette completion fish | source
        function __marionette_complete
            set -l words (commandline -opc) (commandline -ct)
            set -l program $words[1]
            set -l rest (string join ' ' -- $words[2..-1])
            $program "[suggest:"(string length -- "$rest")"]" "$rest" 2>/dev/null
        end
        complete -c marionette -f -a '(__marionette_complete)'

        """;
}
