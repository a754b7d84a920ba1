using System.Text.Json;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Replay;

/// <summary>What a session says of the recording that it plays.</summary>
/// <param name="Recording">The recording itself, or the path of its file in the workspace.</param>
/// <param name="Speed">1 = as it was, 2 = twice as fast; 0 = without pauses.</param>
internal sealed record ReplayOptions(string Recording, double Speed)
{
    private const double Fastest = 1000;

    private static readonly string[] Known = ["recording", "speed"];

    /// <exception cref="AgentStartException">options_invalid.</exception>
    public static ReplayOptions Read(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json.IsEmpty ? "{}"u8.ToArray() : json);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
                throw Invalid("they are not a JSON object");
            foreach (var member in root.EnumerateObject().Where(member => !Known.Contains(member.Name)))
                throw Invalid($"{member.Name} is unknown (known are {string.Join(", ", Known)})");
            if (root.Text("recording"u8) is not { Length: > 0 } recording)
                throw Invalid("recording must be an exported session or the path of one in the workspace");
            if (!root.TryGetProperty("speed", out var given))
                return new ReplayOptions(recording, 1);
            return root.Fraction("speed"u8) is { } speed and (0 or >= 0.01 and <= Fastest)
                ? new ReplayOptions(recording, speed)
                : throw Invalid($"speed must be 0 or a number from 0.01 to {Fastest}, not {given.GetRawText()}");
        }
        catch (JsonException)
        {
            throw Invalid("they are not valid JSON");
        }
    }

    private static AgentStartException Invalid(string what) =>
        new(ErrorCodes.OptionsInvalid, $"The session's options for its recording cannot be used: {what}.");
}
