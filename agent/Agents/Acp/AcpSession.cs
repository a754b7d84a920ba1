using System.Text.Json;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Acp;

/// <summary>A request that chooses a model or a mode.</summary>
/// <param name="Done">Called when the agent has taken it.</param>
internal sealed record AcpChoice(string Method, IReadOnlyList<(string Name, string Value)> Parameters, Action Done);

/// <summary>
/// An open session and what may be chosen in it. Agents offer modes and models as such, or as options of the categories
/// <c>mode</c> and <c>model</c>.
/// </summary>
internal sealed class AcpSession
{
    // Our modes by the names that agents give to the same thing.
    private static readonly Dictionary<string, string[]> ModeNames = new(StringComparer.Ordinal)
    {
        ["default"] = ["default", "ask", "build", "normal", "auto"],
        ["acceptEdits"] = ["acceptEdits", "accept-edits", "autoEdit", "auto_edit", "auto-edit"],
        ["plan"] = ["plan", "read-only"],
        ["bypassPermissions"] = ["bypassPermissions", "yolo", "full-access", "danger-full-access"],
    };

    private readonly List<string> modes = [];
    private readonly List<string> models = [];
    private string? modeOption;
    private string? modelOption;

    public string Id { get; private init; } = "";

    /// <summary>The model that answers; null when the agent does not say.</summary>
    public string? Model { get; private set; }

    /// <summary>The agent's name of its mode; null when it has none.</summary>
    public string? ModeId { get; private set; }

    /// <param name="answer">The answer to <c>session/new</c>, <c>load</c> or <c>resume</c>.</param>
    public static AcpSession Read(string id, JsonElement answer)
    {
        var session = new AcpSession
        {
            Id = id,
            ModeId = answer.Member("modes"u8).Text("currentModeId"u8),
            Model = answer.Member("models"u8).Text("currentModelId"u8),
        };
        session.modes.AddRange(answer.Member("modes"u8).Member("availableModes"u8).Items().Select(mode => mode.Text("id"u8)).OfType<string>());
        session.models.AddRange(answer.Member("models"u8).Member("availableModels"u8).Items().Select(model => model.Text("modelId"u8)).OfType<string>());
        foreach (var option in answer.Member("configOptions"u8).Items())
            session.ReadOption(option);
        return session;
    }

    /// <summary>The agent changed its mode, by itself or because it was told.</summary>
    public void ModeIs(string? mode) => ModeId = mode ?? ModeId;

    /// <summary>Whether the agent itself has a mode of this meaning.</summary>
    public bool HasMode(string mode) => FindMode(mode) is not null;

    /// <summary>What must be asked for to have this model and mode.</summary>
    /// <param name="model">Empty for the agent's own choice.</param>
    /// <param name="missing">Set when the agent does not offer the model; a mode that it does not offer we keep ourselves.</param>
    public IReadOnlyList<AcpChoice> Choose(string model, string mode, out string? missing)
    {
        missing = null;
        var calls = new List<AcpChoice>();
        if (model.Length > 0 && model != Model)
        {
            if (models.FirstOrDefault(name => name == model || name.EndsWith("/" + model, StringComparison.Ordinal)) is { } found)
            {
                if (found != Model)
                    calls.Add(new AcpChoice(Method(modelOption, "session/set_model"), Choice(modelOption, "modelId", found), () => Model = found));
            }
            else
            {
                missing = $"The agent does not offer the model {model}.";
            }
        }

        // Without a wish the agent's own default stays, unless an earlier wish of ours is in its place.
        if (FindMode(mode) is { } wanted && wanted != ModeId && (mode is not ("" or "default") || ModeId is not null))
            calls.Add(new AcpChoice(Method(modeOption, "session/set_mode"), Choice(modeOption, "modeId", wanted), () => ModeId = wanted));
        return calls;
    }

    private static string Method(string? option, string otherwise) => option is null ? otherwise : "session/set_config_option";

    private static List<(string Name, string Value)> Choice(string? option, string name, string value) =>
        option is null ? [(name, value)] : [("configId", option), ("value", value)];

    private string? FindMode(string mode) => ModeNames.GetValueOrDefault(mode.Length == 0 ? "default" : mode, [mode])
        .Select(name => modes.FirstOrDefault(offered => offered.Equals(name, StringComparison.OrdinalIgnoreCase)))
        .FirstOrDefault(found => found is not null);

    private void ReadOption(JsonElement option)
    {
        var values = option.Member("options"u8).Items()
            .SelectMany(item => item.Member("options"u8).ValueKind == JsonValueKind.Array ? item.Member("options"u8).EnumerateArray().ToArray() : [item])
            .Select(item => item.Text("value"u8)).OfType<string>().ToList();
        var current = option.Text("currentValue"u8);
        switch (option.Text("category"u8))
        {
            case "mode" when modes.Count == 0:
                modes.AddRange(values);
                (modeOption, ModeId) = (option.Text("id"u8), current);
                break;
            case "model" when models.Count == 0:
                models.AddRange(values);
                (modelOption, Model) = (option.Text("id"u8), current);
                break;
        }
    }
}
