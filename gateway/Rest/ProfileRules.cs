using System.Collections.Immutable;
using Marionette.Gateway.Rest.Models;
using Marionette.Profiles;

namespace Marionette.Gateway.Rest;

/// <summary>What a profile may say.</summary>
internal static class ProfileRules
{
    private const int MaxScript = 64 * 1024, MaxHostLabels = 16;

    /// <exception cref="MarionetteException">Invalid, with every wrong field.</exception>
    public static ProfileChange Check(ChangeProfileModel body, bool isNew)
    {
        var errors = new FieldErrors();
        if (isNew ? string.IsNullOrWhiteSpace(body.Name) : body.Name is not null && string.IsNullOrWhiteSpace(body.Name)) errors.Add("name", "is required");
        var change = new ProfileChange
        {
            Name = errors.Text("name", body.Name, 200),
            Description = errors.Text("description", body.Description, 1000),
            Provider = Word(errors, "provider", body.Provider),
            Image = Image(errors, body.Image),
            Cpus = Between(errors, "cpus", body.Cpus, 0.1, 1024),
            MemoryMib = Between(errors, "memory_mib", body.MemoryMib, 64, 4 * 1024 * 1024),
            DiskMib = body.DiskMib is 0 ? 0 : Between(errors, "disk_mib", body.DiskMib, 16, 64 * 1024 * 1024),
            Pids = Between(errors, "pids", body.Pids, 16, 1024 * 1024),
            Sandbox = body.Sandbox is null ? null : errors.Choice("sandbox", body.Sandbox, "auto", "auto", "runc", "runsc", "bwrap"),
            Env = body.Env is null ? null : SessionRules.Env(errors, body.Env),
            InitScript = Script(errors, body.InitScript),
            NetworkPolicy = body.NetworkPolicy is null or "" ? body.NetworkPolicy : NetworkTargets.Policy(errors, body.NetworkPolicy),
            AllowedHosts = body.AllowedHosts is null ? default : NetworkTargets.Check(errors, body.AllowedHosts, body.NetworkPolicy ?? ""),
            Labels = body.Labels is null ? null : errors.Labels("labels", body.Labels),
            HostLabels = body.HostLabels is null ? null : HostLabels(errors, body.HostLabels),
        };
        errors.ThrowIfAny();
        return change;
    }

    private static string? Word(FieldErrors errors, string field, string? text)
    {
        if (text is { Length: > 0 } && (text.Length > 64 || !text.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-'))) errors.Add(field, "must be the name of a provider");
        return text;
    }

    /// <summary>At most 16; keys and values that an operator can write on a command line of a host.</summary>
    private static ImmutableDictionary<string, string> HostLabels(FieldErrors errors, Dictionary<string, string?> labels)
    {
        if (labels.Count > MaxHostLabels) errors.Add("host_labels", $"must have at most {MaxHostLabels} entries");
        var checkedLabels = ImmutableDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in labels)
        {
            if (key.Length is 0 or > 63 || !key.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '_' or '-'))
                errors.Add("host_labels", "keys must have 1 to 63 characters of a-z, 0-9, '.', '_' and '-'");
            else if (value is null) errors.Add($"host_labels.{key}", "must be text");
            else if (errors.Text($"host_labels.{key}", value, 63) is { } text) checkedLabels[key] = text;
        }

        return checkedLabels.ToImmutable();
    }

    // The grammar of an image reference is the backend's; here only what no backend takes is held back.
    private static string? Image(FieldErrors errors, string? image)
    {
        if (image is { Length: > 0 } && (image.Length > 255 || image.Any(c => char.IsWhiteSpace(c) || char.IsControl(c)) || image[0] == '-'))
            errors.Add("image", "must be an image reference of at most 255 characters");
        return image;
    }

    private static string? Script(FieldErrors errors, string? script)
    {
        if (script is null) return null;
        if (FieldErrors.Utf8Length(script) > MaxScript) errors.Add("init_script", $"must have at most {MaxScript} bytes");
        else if (script.Contains('\0')) errors.Add("init_script", "must be text without U+0000");
        return script;
    }

    private static double? Between(FieldErrors errors, string field, double? value, double min, double max)
    {
        if (value is { } given && !(given >= min && given <= max)) errors.Add(field, FormattableString.Invariant($"must be from {min} to {max}"));
        return value;
    }

    private static int? Between(FieldErrors errors, string field, int? value, int min, int max) =>
        value is null ? null : errors.Number(field, value, min, max, min);
}
