using System.Xml.Linq;

namespace Marionette.Machines.Tests;

/// <summary>Who may reference whom. Arrows only point down; the picture stands in docs/architecture.md.</summary>
public sealed class ArchitectureTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["grain-interfaces"] = [],
        ["providers/abstractions"] = [],
        ["providers/process"] = ["providers/abstractions"],
        ["providers/docker"] = ["providers/abstractions"],
        ["grains"] = ["grain-interfaces", "providers/abstractions"],
        ["gateway"] = ["grain-interfaces", "protocol/workspaces", "protocol/workspaces-s3", "protocol/workspaces-kms"],
        ["silo"] = ["grains", "gateway", "providers/process", "providers/docker"],
        ["protocol/workspaces"] = [],
        ["protocol/workspaces-s3"] = ["protocol/workspaces"],
        ["protocol/workspaces-kms"] = ["protocol/workspaces"],
        ["agent"] = ["protocol/workspaces"],
        ["cli"] = [],
    };

    /// <summary>What a project must never pull in, whatever it references.</summary>
    private static readonly Dictionary<string, string[]> Banned = new()
    {
        ["grain-interfaces"] = ["Npgsql", "Grpc.", "Microsoft.AspNetCore.", "Docker.DotNet"],
        ["providers/abstractions"] = ["Microsoft.Orleans.", "Npgsql", "Grpc."],
        ["providers/process"] = ["Microsoft.Orleans.", "Npgsql", "Grpc."],
        ["providers/docker"] = ["Microsoft.Orleans.", "Npgsql", "Grpc."],
        ["grains"] = ["Docker.DotNet", "KubernetesClient", "Grpc.", "Microsoft.AspNetCore."],
        ["gateway"] = ["Docker.DotNet", "KubernetesClient", "Microsoft.Orleans.Server"],
        ["protocol/workspaces"] = ["Microsoft.Orleans.", "Npgsql", "Grpc.", "Microsoft.AspNetCore.", "AWSSDK."],
        ["protocol/workspaces-kms"] = ["Microsoft.Orleans.", "Npgsql", "Grpc.", "Microsoft.AspNetCore."],
        ["protocol/workspaces-s3"] = ["Microsoft.Orleans.", "Npgsql", "Grpc.", "Microsoft.AspNetCore."],
        ["agent"] = ["Microsoft.Orleans.", "Npgsql", "Grpc.AspNetCore", "AWSSDK."],
        ["cli"] = ["Microsoft.Orleans.", "Npgsql", "Grpc."],
    };

    public static TheoryData<string> Projects => [.. Allowed.Keys];

    [Theory]
    [MemberData(nameof(Projects))]
    public void Project_References_PointDown(string folder)
    {
        var project = Load(folder, out var path);
        var references = project.Descendants("ProjectReference")
            .Select(r => Path.GetDirectoryName(Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, r.Attribute("Include")!.Value.Replace('\\', '/'))))!)
            .Select(full => Path.GetRelativePath(Root, full));
        Assert.Empty(references.Except(Allowed[folder]));
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void Project_Packages_StayOnItsSide(string folder)
    {
        var packages = Load(folder, out _).Descendants("PackageReference").Select(p => p.Attribute("Include")!.Value);
        var banned = Banned.GetValueOrDefault(folder, []);
        Assert.DoesNotContain(packages, p => banned.Any(b => p.StartsWith(b, StringComparison.OrdinalIgnoreCase)));
    }

    [Fact]
    public void Protocol_IsCompiledByGatewayAndAgentAlone()
    {
        var users = Allowed.Keys.Where(folder => Load(folder, out _).Descendants("Protobuf").Any());
        Assert.Equal(["agent", "gateway"], users.Order());
    }

    [Fact]
    public void NobodyReferencesTheSilo_ButItsTests()
    {
        var projects = SourceProjects();
        var users = projects.Where(p => File.ReadAllText(p).Contains("Marionette.Silo.csproj", StringComparison.Ordinal)).Select(p => Path.GetRelativePath(Root, p));
        Assert.All(users, user => Assert.StartsWith("test/", user, StringComparison.Ordinal));
    }

    [Fact]
    public void Packages_AreVersionedInOnePlace()
    {
        var projects = SourceProjects();
        Assert.DoesNotContain(projects, p => XDocument.Load(p).Descendants("PackageReference").Any(r => r.Attribute("Version") is not null));
    }

    /// <summary>What is built is no source, and may be another test's folder at work.</summary>
    private static IEnumerable<string> SourceProjects() => Directory.EnumerateDirectories(Root).Where(folder => Path.GetFileName(folder) is not "artifacts")
        .SelectMany(folder => Directory.EnumerateFiles(folder, "*.csproj", SearchOption.AllDirectories)).Where(path => !path.Contains("/obj/", StringComparison.Ordinal));

    private static string Root { get; } = FindRoot(AppContext.BaseDirectory);

    private static string FindRoot(string from)
    {
        for (var folder = new DirectoryInfo(from); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "global.json"))) return folder.FullName;
        throw new InvalidOperationException("The tests must run inside the repository.");
    }

    private static XDocument Load(string folder, out string path)
    {
        path = Directory.GetFiles(Path.Combine(Root, folder), "*.csproj").Single();
        return XDocument.Load(path);
    }
}
