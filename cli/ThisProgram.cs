using System.Reflection;

namespace Marionette.Cli;

internal static class ThisProgram
{
    /// <summary>The version without the commit, as semantic versioning writes it.</summary>
    public static string Version { get; } = Full.Split('+')[0];

    /// <summary>The version with the commit it was built from, where the build knew it.</summary>
    public static string Full =>
        typeof(ThisProgram).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0.0.0";
}
