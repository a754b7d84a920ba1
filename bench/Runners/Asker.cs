using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Marionette.Bench.Runners;

/// <summary>
/// The program that the command agent runs for <c>permission</c>: asks over the line protocol, waits for the answer, and says how long it waited.
/// </summary>
internal static class Asker
{
    public static int Run(int questions)
    {
        using var output = Console.OpenStandardOutput();
        Console.In.ReadLine(); // the prompt
        for (var i = 0; i < questions; i++)
        {
            var began = Stopwatch.GetTimestamp();
            Say(output, $$"""{"type":"permission.request","data":{"request_id":"q{{i}}","tool":"Shell","category":"command","command":"true","input":{} } }""");
            while (Console.In.ReadLine() is { } line && !IsAnswer(line, $"q{i}"))
            {
            }

            var waited = Stopwatch.GetElapsedTime(began).TotalMilliseconds.ToString(CultureInfo.InvariantCulture);
            Say(output, $$"""{"type":"text","data":{"text":"waited {{waited}}"} }""");
        }

        return 0;
    }

    private static bool IsAnswer(string line, string question)
    {
        using var document = JsonDocument.Parse(line);
        return document.RootElement.GetProperty("type").GetString() == "permission.answer"
            && document.RootElement.GetProperty("data").GetProperty("request_id").GetString() == question;
    }

    private static void Say(Stream output, string line) => output.Write(System.Text.Encoding.UTF8.GetBytes(line + "\n"));
}
