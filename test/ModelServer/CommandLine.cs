using System.Globalization;

namespace Marionette.ModelServer;

/// <summary>Reads the program's flags.</summary>
internal static class CommandLine
{
    public const string Help = """
        Scripted model server: answers the Anthropic and OpenAI APIs as the prompt's @scenario line says.

          --port N            loopback port, 0 for a free one (default 0)
          --latency-ms N      wait before each model answer (default 0)
          --log FILE          append one JSON line a request
          --require-key KEY   accept this key alone; sha256:HEX keeps the key out of the process list
          --help              show this

        The first line of output is: listening on http://127.0.0.1:PORT
        """;

    /// <summary>The options the flags stand for.</summary>
    /// <exception cref="FormatException">A flag is unknown, or its value missing or out of range.</exception>
    public static ModelServerOptions Parse(IReadOnlyList<string> args)
    {
        var options = new ModelServerOptions();
        for (var i = 0; i < args.Count; i += 2)
        {
            var flag = args[i];
            if (i + 1 == args.Count) throw new FormatException($"{flag}: unknown flag or missing value");
            var value = args[i + 1];
            options = flag switch
            {
                "--port" => options with { Port = Number(flag, value, 65535) },
                "--latency-ms" => options with { Latency = TimeSpan.FromMilliseconds(Number(flag, value, 3_600_000)) },
                "--log" => options with { LogFile = value },
                "--require-key" => options with { RequiredKey = value },
                _ => throw new FormatException($"{flag}: unknown flag"),
            };
        }

        return options;
    }

    private static int Number(string flag, string value, int max) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= max
            ? number
            : throw new FormatException($"{flag}: a whole number from 0 to {max} is expected, not '{value}'");
}
