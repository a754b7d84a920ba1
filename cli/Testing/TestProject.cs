using System.Xml.Linq;

namespace Marionette.Cli.Testing;

/// <summary>A test program of the checkout: <c>test/Marionette.*.Tests/</c>.</summary>
/// <param name="Name">Name of the project, which is the name of its program.</param>
internal sealed record TestProject(string Name, string ProjectFile)
{
    /// <summary>The built program; its path follows from the project's name and framework.</summary>
    public string Program(string configuration)
    {
        var framework = (string?)XDocument.Load(ProjectFile).Descendants("TargetFramework").FirstOrDefault() ?? $"net{Environment.Version.Major}.{Environment.Version.Minor}";
        return Path.Combine(Path.GetDirectoryName(ProjectFile)!, "bin", configuration, framework, Name);
    }

    /// <summary>The test projects below a folder, by name.</summary>
    public static IReadOnlyList<TestProject> Find(string source)
    {
        var folder = Path.Combine(source, "test");
        if (!Directory.Exists(folder))
            return [];
        return [.. Directory.EnumerateFiles(folder, "Marionette.*.Tests.csproj", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 2 })
            .Select(file => new TestProject(Path.GetFileNameWithoutExtension(file), file))
            .OrderBy(project => project.Name, StringComparer.Ordinal)];
    }
}
