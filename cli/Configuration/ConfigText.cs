using System.Text;
using System.Text.Json;

namespace Marionette.Cli.Configuration;

/// <summary>
/// The part of YAML that the configuration needs: nested maps of plain or quoted words, and comments. Whatever else YAML knows is
/// refused with its line instead of being half understood.
/// </summary>
internal static class ConfigText
{
    public static CliConfig Parse(string text, string path)
    {
        var config = new CliConfig();
        string? context = null;
        var inContexts = false;
        var contextIndent = -1;
        var number = 0;
        foreach (var line in text.Split('\n'))
        {
            number++;
            var bare = line.TrimEnd('\r', ' ');
            var trimmed = bare.TrimStart(' ');
            if (trimmed.Length == 0 || trimmed[0] == '#' || trimmed is "---" or "{}")
                continue;
            var indent = bare.Length - trimmed.Length;
            var (key, value) = Pair(trimmed, path, number);
            if (indent == 0)
            {
                inContexts = key == "contexts";
                context = null;
                contextIndent = -1;
                if (key == "current-context")
                    config = config with { CurrentContext = value is { Length: > 0 } ? value : null };
                else if (!inContexts || value is not (null or "{}"))
                    throw Bad(path, number, inContexts ? "contexts must be a map" : $"unknown setting '{key}'");
            }
            else if (inContexts && (contextIndent < 0 || indent == contextIndent))
            {
                if (value is not (null or "{}"))
                    throw Bad(path, number, $"context '{key}' must be a map");
                contextIndent = indent;
                context = key;
                config = config.With(context, new ServerContext(null, null));
            }
            else if (context is not null && indent > contextIndent)
            {
                var server = config.Contexts[context];
                config = config.With(context, key switch
                {
                    "server" => server with { Server = value },
                    "api-key" => server with { ApiKey = value },
                    _ => throw Bad(path, number, $"unknown setting '{key}' of context '{context}'"),
                });
            }
            else
            {
                throw Bad(path, number, "this is indented under nothing");
            }
        }
        return config;
    }

    public static string Write(CliConfig config)
    {
        var text = new StringBuilder();
        if (config.CurrentContext is { } current)
            text.Append("current-context: ").Append(Word(current)).Append('\n');
        if (config.Contexts.Count > 0)
            text.Append("contexts:\n");
        foreach (var (name, context) in config.Contexts)
        {
            text.Append("    ").Append(Word(name)).Append(context is { Server: null, ApiKey: null } ? ": {}\n" : ":\n");
            if (context.Server is { } server)
                text.Append("        server: ").Append(Word(server)).Append('\n');
            if (context.ApiKey is { } key)
                text.Append("        api-key: ").Append(Word(key)).Append('\n');
        }
        return text.ToString();
    }

    private static (string Key, string? Value) Pair(string line, string path, int number)
    {
        var rest = line;
        var key = line[0] is '"' or '\'' ? Quoted(ref rest, path, number) : null;
        if (key is null)
        {
            var colon = line.IndexOf(':');
            if (colon <= 0)
                throw Bad(path, number, "expected 'name: value'");
            key = line[..colon].TrimEnd();
            rest = line[colon..];
        }
        if (rest.Length == 0 || rest[0] != ':' || (rest.Length > 1 && rest[1] != ' '))
            throw Bad(path, number, "expected 'name: value'");
        rest = rest[1..].Trim();
        if (rest.Length == 0 || rest[0] == '#')
            return (key, null);
        if (rest[0] is '"' or '\'')
        {
            var value = Quoted(ref rest, path, number);
            if (rest.Trim() is { Length: > 0 } after && after[0] != '#')
                throw Bad(path, number, "text after the closing quote");
            return (key, value);
        }
        if (rest != "{}" && rest[0] is '{' or '[' or '&' or '*' or '!' or '|' or '>' or '%' or '@' or '`')
            throw Bad(path, number, "only plain and quoted values are understood here");
        var comment = rest.IndexOf(" #", StringComparison.Ordinal);
        return (key, comment < 0 ? rest : rest[..comment].TrimEnd());
    }

    private static string Quoted(ref string rest, string path, int number)
    {
        var quote = rest[0];
        for (var i = 1; i < rest.Length; i++)
        {
            if (quote == '"' && rest[i] == '\\')
            {
                i++;
            }
            else if (rest[i] == quote)
            {
                if (quote == '\'' && i + 1 < rest.Length && rest[i + 1] == quote)
                {
                    i++;
                    continue;
                }
                var inside = rest[..(i + 1)];
                rest = rest[(i + 1)..];
                return quote == '\'' ? inside[1..^1].Replace("''", "'") : Unescape(inside, path, number);
            }
        }
        throw Bad(path, number, "a quote is not closed");
    }

    private static string Unescape(string quoted, string path, int number)
    {
        try
        {
            return Output.JsonRead.Parse(quoted).GetString()!;
        }
        catch (JsonException)
        {
            throw Bad(path, number, "an escape that is not understood");
        }
    }

    private static string Word(string value)
    {
        var plain = value.Length > 0 && (char.IsAsciiLetter(value[0]) || value[0] == '_')
            && value.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.' or '/' or ':')
            && !value.EndsWith(':')
            && value.ToLowerInvariant() is not ("true" or "false" or "null" or "yes" or "no" or "on" or "off" or "y" or "n");
        return plain ? value : $"\"{JsonEncodedText.Encode(value)}\"";
    }

    private static CliException Bad(string path, int line, string what) => new($"{path}, line {line}: {what}", "Mend the file, or move it away and set the contexts again.");
}
