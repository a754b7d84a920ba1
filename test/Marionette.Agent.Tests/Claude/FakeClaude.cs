namespace Marionette.Agent.Tests.Claude;

/// <summary>
/// A program in the place of Claude Code that says what a test wants said, through real pipes. What it was told lies in
/// <see cref="Heard"/>.
/// </summary>
internal sealed class FakeClaude : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("marionette-fake-claude-").FullName;

    /// <param name="lines">Printed after the initialize request and the prompt have come.</param>
    /// <param name="then">Shell text run after that; by default it listens until its input ends.</param>
    public FakeClaude(IEnumerable<byte[]> lines, string then = "exec cat >> heard")
    {
        using (var file = File.Create(Path.Combine(folder, "lines")))
        {
            foreach (var line in lines)
            {
                file.Write(line);
                file.WriteByte((byte)'\n');
            }
        }

        File.WriteAllText(Binary, $"""
            #!/bin/sh
            cd {folder}
            env > environment
            printf '%s\n' "$@" > arguments
            echo started >> starts
            IFS= read -r first && printf '%s\n' "$first" >> heard
            IFS= read -r second && printf '%s\n' "$second" >> heard
            cat lines
            {then}

            """);
        File.SetUnixFileMode(Binary, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    public FakeClaude(string then, params string[] lines)
        : this(lines.Select(System.Text.Encoding.UTF8.GetBytes), then)
    {
    }

    public string Binary => Path.Combine(folder, "claude");

    /// <summary>Lines of its standard input so far.</summary>
    public string[] Heard => Read("heard");

    public string[] Arguments => Read("arguments");

    public string[] Environment => Read("environment");

    /// <summary>How often it was started.</summary>
    public int Starts => Read("starts").Length;

    /// <summary>A line that ends a turn well.</summary>
    public static string Result(string text = "done") =>
        $$$"""{"type":"result","subtype":"success","is_error":false,"result":"{{{text}}}","num_turns":1,"total_cost_usd":0.5,"usage":{"input_tokens":1,"output_tokens":2}}""";

    /// <summary>Lines that the real Claude Code 2.1.330 printed.</summary>
    public static IEnumerable<byte[]> Recorded(string name) =>
        File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Claude", "Recorded", name + ".jsonl"))
            .Select(System.Text.Encoding.UTF8.GetBytes);

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string[] Read(string file) =>
        File.Exists(Path.Combine(folder, file)) ? File.ReadAllLines(Path.Combine(folder, file)) : [];
}
