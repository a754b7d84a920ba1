using Marionette.Agent.Agents.Permissions;

namespace Marionette.Agent.Tests.Rpc;

/// <summary>What people and policies read of a question.</summary>
public sealed class PermissionTextTests
{
    [Theory]
    [InlineData("/bin/bash -lc 'touch a1 b'", "touch a1 b")]
    [InlineData("bash -c \"echo \\\"hi\\\" $X\"", "echo \"hi\" $X")]
    [InlineData("/bin/bash -lc 'it'\\''s'", "it's")]
    [InlineData("/bin/bash -lc touch", "touch")]
    [InlineData("touch a1", "touch a1")]
    [InlineData("/bin/bash -lc 'a' extra", "/bin/bash -lc 'a' extra")]
    [InlineData("/bin/bash -lc 'never closed", "/bin/bash -lc 'never closed")]
    [InlineData("python -c 'print(1)'", "python -c 'print(1)'")]
    public void Command_IsUnwrappedFromItsShell(string command, string inner) => Assert.Equal(inner, ShellWords.Unwrap(command));

    [Fact]
    public void Diff_OfAChange_ShowsTheLinesAroundIt() => Assert.Equal(
        "--- /w/a\n+++ /w/a\n@@ -2,7 +2,8 @@\n 2\n 3\n 4\n-5\n+five\n+and a half\n 6\n 7\n 8\n",
        UnifiedDiff.Between("/w/a", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\nand a half\n6\n7\n8\n9\n"));

    [Fact]
    public void Diff_OfANewFile_ComesFromNothing() => Assert.Equal(
        "--- /dev/null\n+++ /w/a\n@@ -0,0 +1,2 @@\n+one\n+two\n", UnifiedDiff.Added("/w/a", "one\ntwo"));

    [Fact]
    public void Diff_OfADeletedFile_GoesToNothing() => Assert.Equal(
        "--- /w/a\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-one\n", UnifiedDiff.Deleted("/w/a", "one\n"));

    [Fact]
    public void Diff_OfLinesThatRepeat_CountsEachOnce() => Assert.Equal(
        "--- a\n+++ a\n@@ -1,2 +1,3 @@\n x\n x\n+x\n", UnifiedDiff.Between("a", "x\nx\n", "x\nx\nx\n"));

    [Fact]
    public void Diff_WithHunksAlready_GetsItsHead() => Assert.Equal(
        "--- a\n+++ b\n@@ -1 +1 @@\n-x\n+y\n", UnifiedDiff.Of("a", "@@ -1 +1 @@\n-x\n+y", "b"));
}
