using Marionette.Silo;

namespace Marionette.Cluster.Tests;

/// <summary>Where checkpoints go by the command line.</summary>
public sealed class SiloSettingsTests
{
    [Theory]
    [InlineData("up", null, "/data/chunks")]
    [InlineData("up", "/elsewhere", "/elsewhere")]
    [InlineData("up", "none", null)]
    [InlineData("silo", null, null)]
    [InlineData("silo", "/elsewhere", null)]
    public void ChunkStore_LiesInTheDataFolder_UnlessToldOtherwise(string command, string? option, string? folder)
    {
        string[] more = option is null ? [] : ["--chunk-store", option];
        Assert.Equal(folder, SiloSettings.Parse([command, "--data-dir", "/data", .. more]).Chunks?.Folder);
    }
}
