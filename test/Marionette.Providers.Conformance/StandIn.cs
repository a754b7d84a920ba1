namespace Marionette.Providers.Conformance;

/// <summary>
/// The agent of these cases: a shell script that leaves notes in its workspace and runs until it is told to end. The contract is about the place
/// that an agent runs in, not about agents.
/// </summary>
public static class StandIn
{
    /// <summary>
    /// Files that it leaves in the workspace: <c>note</c>, written by the first runner of the workspace alone; <c>seen</c>, with runner, epoch and
    /// token on a line each; <c>starts</c>, with a line for each start in its state folder.
    /// </summary>
    public const string Script = """
        #!/bin/sh
        case "$1" in
          agents)
            echo '{"agent_version":"1","agents":[{"kind":"claude","program":"claude","path":"/x/claude","version":"2.1.330"},{"kind":"acp","program":"opencode","path":"/x/o"}]}'
            exit 0 ;;
          netd) exec "$0.real" "$@" ;;
        esac
        config="$3"
        trap 'exit 0' TERM
        if [ "$config" = - ]; then
          # A shell that reads hears no signal, and one that waits for a child does.
          config=$(mktemp) && exec 3<&0
          { IFS= read -r line <&3 && printf '%s\n' "$line" > "$config"; } & wait $! || exit 1
        fi
        field() { printf '%s\n' "$(sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p" "$config")"; }
        workspace=$(field workspace_dir)
        state=$(field state_dir)
        mkdir -p "$state"
        echo start >> "$state/starts"
        cp "$state/starts" "$workspace/starts.new" && mv "$workspace/starts.new" "$workspace/starts"
        [ -e "$workspace/note" ] || echo "written by $(field runner)" > "$workspace/note"
        { field runner; field epoch; field token; } > "$workspace/seen.new" && mv "$workspace/seen.new" "$workspace/seen"
        case "${STAND_IN:-}" in
          eats) exec tail /dev/zero ;;
          child-eats) tail /dev/zero || exit 1 ;;
          fills) cat /dev/zero > "$workspace/fill" || exit 1 ;;
          fails) echo "it does not please me"; exit 3 ;;
        esac
        echo "agent is up"
        [ $$ -eq 1 ] || exec sleep 1000
        while :; do sleep 1000 & wait $!; done

        """;
}
