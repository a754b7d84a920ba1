namespace Marionette.Cli.Configuration;

/// <summary>A named server. Members are null where the file does not set them.</summary>
internal sealed record ServerContext(string? Server, string? ApiKey);

/// <summary>The user's file of servers: <c>$XDG_CONFIG_HOME/marionette/config.yaml</c>, the original's place and shape.</summary>
internal sealed record CliConfig
{
    public string? CurrentContext { get; init; }

    public IReadOnlyDictionary<string, ServerContext> Contexts { get; init; } = new SortedDictionary<string, ServerContext>(StringComparer.Ordinal);

    /// <summary>Where the file is: <c>--config</c>, or the user's configuration folder.</summary>
    public static string PathFor(CliContext context, string? option)
    {
        if (option is not null)
            return option;
        var folder = context.Variable("XDG_CONFIG_HOME") ?? Path.Combine(context.Variable("HOME") ?? "/", ".config");
        return Path.Combine(folder, "marionette", "config.yaml");
    }

    /// <summary>Reads the file; a file that is not there is an empty configuration.</summary>
    /// <exception cref="CliException">It cannot be read, or is not what this version understands.</exception>
    public static CliConfig Load(string path)
    {
        try
        {
            return ConfigText.Parse(File.ReadAllText(path), path);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return new CliConfig();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliException($"cannot read {path}: {error.Message}");
        }
    }

    /// <summary>Writes the file, readable by its owner alone: there are keys in it. The old file stays whole until the new one is.</summary>
    public void Save(string path)
    {
        try
        {
            var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
            if (!Directory.Exists(folder))
                Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            var stage = $"{path}.{Environment.ProcessId}.new";
            var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite };
            using (var writer = new StreamWriter(stage, options))
                writer.Write(ConfigText.Write(this));
            File.Move(stage, path, overwrite: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliException($"cannot write {path}: {error.Message}");
        }
    }

    public CliConfig With(string name, ServerContext server) =>
        this with { Contexts = new SortedDictionary<string, ServerContext>(Contexts.ToDictionary(), StringComparer.Ordinal) { [name] = server } };

    public CliConfig Without(string name)
    {
        var rest = new SortedDictionary<string, ServerContext>(Contexts.ToDictionary(), StringComparer.Ordinal);
        rest.Remove(name);
        return this with { Contexts = rest, CurrentContext = CurrentContext == name ? null : CurrentContext };
    }
}
