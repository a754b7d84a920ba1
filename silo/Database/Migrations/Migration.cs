using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Marionette.Silo.Database;

/// <summary>One numbered step of the database's schema.</summary>
/// <param name="Version">Order of application, from 1, without gaps.</param>
/// <param name="Name">What the step is about: the file's name without number and ending.</param>
/// <param name="Sql">The statements, run in one transaction.</param>
public sealed partial record Migration(int Version, string Name, string Sql)
{
    /// <summary>
    /// SHA-256 of the text with Unix line ends, lower-case hex: a checkout on another system is no change.
    /// </summary>
    public string Checksum =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Sql.ReplaceLineEndings("\n"))));

    /// <summary>The migrations that this build carries, in order.</summary>
    /// <exception cref="InvalidOperationException">The embedded files are not numbered 1, 2, 3…</exception>
    public static IReadOnlyList<Migration> Embedded { get; } = Load(typeof(Migration).Assembly);

    private static List<Migration> Load(Assembly assembly)
    {
        var migrations = new List<Migration>();
        foreach (var resource in assembly.GetManifestResourceNames())
        {
            if (FileName().Match(resource) is not { Success: true } match) continue;
            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!, Encoding.UTF8);
            migrations.Add(new Migration(
                int.Parse(match.Groups["version"].ValueSpan), match.Groups["name"].Value, reader.ReadToEnd()));
        }

        migrations.Sort((a, b) => a.Version.CompareTo(b.Version));
        for (var i = 0; i < migrations.Count; i++)
        {
            if (migrations[i].Version != i + 1)
                throw new InvalidOperationException($"Migration {i + 1} is missing or there twice.");
        }

        return migrations;
    }

    [GeneratedRegex(@"\.Database\.Migrations\.(?<version>\d{4})_(?<name>\w+)\.sql$")]
    private static partial Regex FileName();
}
