namespace Marionette.Providers.Pool.Tests;

/// <summary>Programs of the machine.</summary>
internal static class Programs
{
    /// <returns>Null when it is not in PATH.</returns>
    public static string? Find(string name) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
        .Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
}
