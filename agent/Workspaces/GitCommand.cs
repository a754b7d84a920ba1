using System.Text;
using System.Text.RegularExpressions;
using Marionette.Agent.Agents;
using Marionette.Agent.Processes;

namespace Marionette.Agent.Workspaces;

/// <summary>What came of a git command.</summary>
/// <param name="Errors">The last lines of its standard error that are no progress, without secrets.</param>
internal sealed record GitEnd(ExitStatus Status, string Output, string Errors);

/// <summary>
/// Runs git so that it hears of nothing but what it is told here: no configuration of the machine or of a user, no hooks, no templates, no credential
/// helper, no terminal. The secret lies in a
/// pipe that only this git and what it starts have; a script gives it to git for the one server that it is for.
/// </summary>
internal sealed partial class GitCommand
{
    private const int MostOutput = 4 * 1024 * 1024, MostErrors = 4 * 1024, MostLine = 4 * 1024, PipeSize = 4096;

    /// <summary>git asks by a prompt that names the server. Whoever redirects it elsewhere asks in vain.</summary>
    private const string AskScript = """
        #!/bin/sh
        case "$1" in
        "Password for '$MARIONETTE_GIT_ORIGIN_SCHEME://"*"@$MARIONETTE_GIT_ORIGIN_HOST': ") IFS= read -r answer <&3 && printf '%s\n' "$answer" ;;
        *) exit 1 ;;
        esac

        """;

    private readonly string _git;
    private readonly GitSeedOptions _options;
    private readonly Dictionary<string, string> _environment;
    private readonly byte[]? _secret;

    /// <param name="environment">PATH and what tells how to reach the outside: proxies, certificates.</param>
    /// <param name="own">An existing folder of this clone's own, for the script and as an empty home.</param>
    /// <exception cref="GitSeedException">GitMissing.</exception>
    public GitCommand(GitSeedOptions options, IReadOnlyDictionary<string, string> environment, string own)
    {
        _options = options;
        _git = ChildEnvironment.Find("git", environment.GetValueOrDefault("PATH", ""))
            ?? throw new GitSeedException(GitSeedFault.GitMissing, "There is no git on this runner: put it into the runner's image.");
        _environment = environment.Where(pair => !pair.Key.StartsWith("GIT_", StringComparison.Ordinal)
            && !pair.Key.StartsWith("SSH_ASKPASS", StringComparison.Ordinal)).ToDictionary(StringComparer.Ordinal);
        var script = Path.Combine(own, "ask");
        foreach (var (name, value) in new[]
                 {
                     ("LC_ALL", "C"), ("HOME", own), ("XDG_CONFIG_HOME", own), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"),
                     ("GIT_TERMINAL_PROMPT", "0"), ("GIT_ASKPASS", script),
                     ("GIT_ALLOW_PROTOCOL", string.Join(':', options.Protocols)), ("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"), ("GIT_LFS_SKIP_SMUDGE", "1"),
                 })
            _environment[name] = value;
        // What tells other programs of certificates tells git nothing.
        foreach (var (name, known) in new[] { ("GIT_SSL_CAINFO", "SSL_CERT_FILE"), ("GIT_SSL_CAPATH", "SSL_CERT_DIR") })
            if (environment.GetValueOrDefault(known) is { Length: > 0 } path)
                _environment[name] = path;
        Configure(options);
        File.WriteAllText(script, AskScript);
        File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        if (options.Credential is { } credential)
        {
            // Each connection asks once, and a clone may need several: as often as fits.
            var line = credential.Secret + "\n";
            _secret = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(line, PipeSize / line.Length)));
        }
    }

    /// <summary>Runs it to its end.</summary>
    /// <param name="progress">Told of each step and of each percent.</param>
    /// <param name="input">What it reads; for commands that print nothing before they have read it.</param>
    /// <exception cref="OperationCanceledException">It was killed, with all that it had started.</exception>
    public async Task<GitEnd> RunAsync(string folder, IReadOnlyList<string> arguments, IProgress<GitSeedProgress>? progress,
        CancellationToken cancellationToken, string input = "")
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var child = await ChildProcess.StartAsync(new ChildSpec
        {
            File = _git, Arguments = arguments, Environment = _environment, WorkingDirectory = folder, Descriptor3 = _secret,
        }).ConfigureAwait(false);
        var registration = cancellationToken.UnsafeRegister(static state => ((ChildProcess)state!).KillTree(), child);
        await using (registration.ConfigureAwait(false))
        {
            try
            {
                var output = OutputAsync(child.Output);
                var said = ErrorsAsync(child.Error, progress);
                await GiveAsync(child.Input, input).ConfigureAwait(false);
                var errors = await said.ConfigureAwait(false);
                var end = new GitEnd(await child.Exited.ConfigureAwait(false), await output.ConfigureAwait(false), errors);
                cancellationToken.ThrowIfCancellationRequested();
                return end;
            }
            catch
            {
                // Nobody reads it any more: it must not write on.
                child.KillTree();
                throw;
            }
        }
    }

    private void Configure(GitSeedOptions options)
    {
        var settings = new List<(string Key, string Value)>
        {
            ("core.hooksPath", "/dev/null"), ("core.fsmonitor", "false"), ("credential.helper", ""), ("gc.auto", "0"), ("maintenance.auto", "false"),
            ("transfer.unpackLimit", "1"), // whatever little comes is a pack: a mirror is made of packs
            ("advice.detachedHead", "false"),
            ("init.defaultBranch", "main"), ("submodule.fetchJobs", "1"), ("protocol.version", "2"), ("core.protectNTFS", "true"),
            ("core.protectHFS", "true"), ("safe.directory", "*"),
        };
        if (options.Credential is { } credential)
        {
            // As it is written there: that is how git asks for the password.
            var uri = new Uri(options.Url);
            var host = options.Url[(options.Url.IndexOf("://", StringComparison.Ordinal) + 3)..].Split('/', 2)[0];
            settings.Add(($"credential.{uri.Scheme}://{host}.username", credential.User));
            (_environment["MARIONETTE_GIT_ORIGIN_SCHEME"], _environment["MARIONETTE_GIT_ORIGIN_HOST"]) = (uri.Scheme, host);
        }

        _environment["GIT_CONFIG_COUNT"] = settings.Count.ToString(System.Globalization.CultureInfo.InvariantCulture);
        for (var i = 0; i < settings.Count; i++)
            (_environment[$"GIT_CONFIG_KEY_{i}"], _environment[$"GIT_CONFIG_VALUE_{i}"]) = settings[i];
    }

    private static async Task GiveAsync(Stream stream, string input)
    {
        await using (stream.ConfigureAwait(false))
        {
            try
            {
                await stream.WriteAsync(Encoding.ASCII.GetBytes(input)).ConfigureAwait(false);
            }
            catch (IOException)
            {
                // It ended before it had read all: its end says why.
            }
        }
    }

    private static async Task<string> OutputAsync(Stream stream)
    {
        var (all, buffer) = (new MemoryStream(), new byte[16 * 1024]);
        while (await stream.ReadAsync(buffer).ConfigureAwait(false) is var count and > 0)
            all.Write(buffer, 0, (int)Math.Min(count, MostOutput - all.Length)); // the rest is read, and not kept
        return Encoding.UTF8.GetString(all.GetBuffer(), 0, (int)all.Length);
    }

    /// <summary>Reads lines that end in a line feed, or in a carriage return where git writes over them.</summary>
    private async Task<string> ErrorsAsync(Stream stream, IProgress<GitSeedProgress>? progress)
    {
        var (line, kept, buffer, last) = (new List<byte>(), new StringBuilder(), new byte[4096], "");
        while (await stream.ReadAsync(buffer).ConfigureAwait(false) is var count and > 0)
        {
            foreach (var one in buffer.AsSpan(0, count))
            {
                if (one is (byte)'\n' or (byte)'\r')
                    Take();
                else if (line.Count < MostLine)
                    line.Add(one);
            }
        }

        Take();
        return kept.ToString();

        void Take()
        {
            var text = Hidden(Encoding.UTF8.GetString([.. line])).TrimEnd();
            line.Clear();
            if (ProgressLine().Match(text) is { Success: true } match)
            {
                var percent = match.Groups["percent"] is { Success: true } found ? int.Parse(found.Value, System.Globalization.CultureInfo.InvariantCulture)
                    : (int?)null;
                var step = match.Groups["step"].Value;
                if (last != (last = $"{step} {percent}"))
                    progress?.Report(new GitSeedProgress(step, percent, text));
                return;
            }

            if (text.Length > 0)
                kept.AppendLine(text);
            if (kept.Length > 2 * MostErrors)
                kept.Remove(0, kept.Length - MostErrors);
        }
    }

    private string Hidden(string text) => _options.Credential is { } credential ? text.Replace(credential.Secret, "***", StringComparison.Ordinal) : text;

    [GeneratedRegex(@"^(remote: )?(?<step>[A-Z][a-z]+ [a-z ]+): +((?<percent>[0-9]{1,3})% )?\(?[0-9]")]
    private static partial Regex ProgressLine();
}
