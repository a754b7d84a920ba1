using System.Globalization;
using Marionette.Agent.Hosting;

namespace Marionette.Agent.Hosts;

/// <summary>What is asked of <c>marionette-agent host</c>.</summary>
internal enum HostVerb
{
    /// <summary>To be a host.</summary>
    Run,

    /// <summary>What it could be, as JSON.</summary>
    Check,

    /// <summary>The same for people.</summary>
    Doctor,

    /// <summary>To be none any more.</summary>
    Leave,
}

/// <summary>The arguments of <c>marionette-agent host</c>. What is null was not said: what the state folder keeps holds then.</summary>
internal sealed class HostOptions
{
    public const string DefaultState = "/var/lib/marionette-host";

    /// <summary>Environment variable that may hold the join token.</summary>
    public const string TokenVariable = "MARIONETTE_JOIN_TOKEN";

    private const int MostLabels = 32;
    private const int LongestLabel = 63;
    private const int LongestName = 80;

    public HostVerb Verb { get; private set; }

    public Uri? Server { get; private set; }

    public string? Pool { get; private set; }

    /// <summary>Join token; empty when none was given.</summary>
    public string Token { get; private set; } = "";

    /// <summary>State folder, absolute.</summary>
    public string State { get; private set; } = DefaultState;

    public string? Name { get; private set; }

    public SortedDictionary<string, string>? Labels { get; private set; }

    /// <summary>Cores for runners, above 0, at most 4096.</summary>
    public double? Cpus { get; private set; }

    /// <summary>MiB for runners, 64 to 2^30.</summary>
    public long? MemoryMib { get; private set; }

    /// <summary>MiB of disk for runners, 64 to 2^40.</summary>
    public long? DiskMib { get; private set; }

    /// <summary>Folders with programs for runners, absolute, in order of preference.</summary>
    public IReadOnlyList<string>? Tools { get; private set; }

    /// <summary>Reads the arguments, and the token from where they say.</summary>
    /// <param name="arguments">Those after the verb <c>host</c>.</param>
    /// <param name="environment">This process's; <see cref="TokenVariable"/> alone is read.</param>
    /// <param name="problem">Every complaint in one line; empty when there is none. It holds no token.</param>
    public static HostOptions? Parse(IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment, out string problem)
    {
        var options = new HostOptions();
        var complaints = new List<string>();
        var verbs = 0;
        string? token = null;
        string? tokenFile = null;
        for (var at = 0; at < arguments.Count; at++)
        {
            var option = arguments[at];
            if (VerbOf(option) is { } verb)
            {
                options.Verb = verb;
                verbs++;
            }
            else if (!Known.Contains(option))
            {
                complaints.Add($"{option} is not an option");
            }
            else if (at + 1 == arguments.Count)
            {
                complaints.Add($"{option} needs a value");
            }
            else if (option == "--token")
            {
                token = arguments[++at];
            }
            else if (option == "--token-file")
            {
                tokenFile = arguments[++at];
            }
            else if (options.Take(option, arguments[++at]) is { } complaint)
            {
                complaints.Add(complaint);
            }
        }

        if (verbs > 1)
            complaints.Add("only one of --check, --doctor and --leave");
        if (token is not null && tokenFile is not null)
            complaints.Add("only one of --token and --token-file");
        else if (tokenFile is not null)
            token = ReadToken(tokenFile, complaints);
        options.Token = token ?? environment.GetValueOrDefault(TokenVariable, "");
        if (options.Token.Any(c => c is < '!' or > '~'))
            complaints.Add("the join token may hold printable characters alone");
        problem = string.Join("; ", complaints);
        return complaints.Count == 0 ? options : null;
    }

    private static readonly HashSet<string> Known =
    [
        "--server", "--pool", "--token", "--token-file", "--state", "--name", "--label", "--cpus", "--memory-mib", "--disk-mib", "--tools",
    ];

    private static HostVerb? VerbOf(string option) => option switch
    {
        "--check" => HostVerb.Check,
        "--doctor" => HostVerb.Doctor,
        "--leave" => HostVerb.Leave,
        _ => null,
    };

    private static string? ReadToken(string path, List<string> complaints)
    {
        try
        {
            var text = File.ReadAllText(path).Trim();
            if (text.Length == 0)
                complaints.Add($"--token-file: {path} is empty");
            return text;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            complaints.Add($"--token-file: {exception.Message}");
            return null;
        }
    }

    private string? Take(string option, string value)
    {
        switch (option)
        {
            case "--server":
                Server = AgentConfig.TryHttpUri(value, out var uri) ? uri : null;
                return Server is { UserInfo: "", AbsolutePath: "/", Query: "" } ? null : "--server must be an http or https URL without a path";
            case "--pool":
                Pool = value;
                return IsPool(value) ? null : "--pool must be 1 to 40 characters of a-z, 0-9 and -, and start with a letter or a digit";
            case "--state":
                State = Path.IsPathRooted(value) ? Path.TrimEndingDirectorySeparator(value) : DefaultState;
                return Path.IsPathRooted(value) ? null : "--state must be an absolute path";
            case "--name":
                Name = value;
                return value.Length is > 0 and <= LongestName && !value.Any(char.IsControl) ? null : $"--name must be 1 to {LongestName} characters";
            case "--label":
                return TakeLabel(value);
            case "--cpus":
                Cpus = double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var cpus) ? cpus : null;
                return Cpus is > 0 and <= 4096 ? null : "--cpus must be a number above 0, at most 4096";
            case "--memory-mib":
                MemoryMib = Mib(value, 1L << 30);
                return MemoryMib is null ? "--memory-mib must be 64 to 2^30" : null;
            case "--disk-mib":
                DiskMib = Mib(value, 1L << 40);
                return DiskMib is null ? "--disk-mib must be 64 to 2^40" : null;
            default:
                Tools = [.. Tools ?? [], value];
                return Path.IsPathRooted(value) && !value.Contains(':', StringComparison.Ordinal) ? null : "--tools must be an absolute path without a colon";
        }
    }

    private string? TakeLabel(string text)
    {
        const string Rule = "--label must be KEY=VALUE, a key of 1 to 63 characters of A-Z, a-z, 0-9, '.', '_', '-' and '/', a value of at most 63";
        var at = text.IndexOf('=', StringComparison.Ordinal);
        if (at is < 1 or > LongestLabel)
            return Rule;
        var (key, value) = (text[..at], text[(at + 1)..]);
        if (!key.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' or '/') || value.Length > LongestLabel || value.Any(char.IsControl))
            return Rule;
        Labels ??= new SortedDictionary<string, string>(StringComparer.Ordinal);
        if (!Labels.TryAdd(key, value))
            return $"--label {key} is given twice";
        return Labels.Count > MostLabels ? $"at most {MostLabels} labels" : null;
    }

    private static long? Mib(string text, long most) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var mib) && mib >= 64 && mib <= most ? mib : null;

    private static bool IsPool(string text) =>
        text.Length is > 0 and <= 40 && text[0] != '-' && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');
}
