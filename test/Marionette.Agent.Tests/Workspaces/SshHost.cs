using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Marionette.Agent.Tests.Workspaces;

/// <summary>
/// A real sshd on a loopback port, with keys of its own in a temporary folder, that serves the repositories of a <see cref="GitHost"/> to one key; and an <c>ssh</c> for
/// a runner that has this key and knows this server, as its image would. Nothing of the machine's own keys or settings takes part.
/// </summary>
internal sealed class SshHost : IAsyncDisposable
{
    private const string Alias = "code.example";

    private readonly string folder, repositories;
    private readonly Process server;

    private SshHost(string folder, string repositories, Process server, int port) => (this.folder, this.repositories, this.server, Port) = (folder, repositories, server, port);

    public int Port { get; }

    /// <summary>A folder for the front of a runner's PATH.</summary>
    public string Tools => Path.Combine(folder, "bin");

    /// <summary>Why there can be none on this machine; null: there can.</summary>
    public static string? Obstacle { get; } = Look();

    public static async Task<SshHost> StartAsync(string repositories)
    {
        var folder = Directory.CreateTempSubdirectory("marionette-ssh-").FullName;
        foreach (var key in new[] { "host", "user", "other" })
            await RunAsync("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", Path.Combine(folder, key));
        var allowed = await File.ReadAllTextAsync(Path.Combine(folder, "user.pub"));
        await File.WriteAllTextAsync(Path.Combine(folder, "allowed"), $"""restrict,command="cd {repositories} && exec sh -c \"$SSH_ORIGINAL_COMMAND\"" {allowed}""");
        if (Environment.IsPrivilegedProcess)
            Directory.CreateDirectory("/run/sshd"); // where root's sshd locks up what has not logged in yet; its package's service makes it, too
        for (var attempt = 1; ; attempt++)
        {
            var port = FreePort();
            var settings = Path.Combine(folder, "sshd_config");
            await File.WriteAllTextAsync(settings, $"""
                ListenAddress 127.0.0.1:{port}
                HostKey {folder}/host
                AuthorizedKeysFile {folder}/allowed
                PidFile none
                StrictModes no
                UsePAM no
                PermitRootLogin yes
                PasswordAuthentication no
                KbdInteractiveAuthentication no
                AcceptEnv GIT_PROTOCOL

                """);
            var server = Process.Start(new ProcessStartInfo(Find("sshd")!, ["-D", "-e", "-f", settings]) { RedirectStandardError = true })!;
            // Another program may have taken the port: sshd says so, and ends.
            for (var said = new List<string>(); ;)
            {
                var line = await server.StandardError.ReadLineAsync();
                said.Add(line ?? "");
                if (line is null)
                {
                    server.Dispose();
                    Assert.True(attempt < 5, string.Join('\n', said));
                    break;
                }

                if (!line.Contains("Server listening", StringComparison.Ordinal))
                    continue;
                _ = server.StandardError.ReadToEndAsync(); // a full pipe would stop it
                var host = new SshHost(folder, repositories, server, port);
                await host.AllowAsync("user", "host");
                return host;
            }
        }
    }

    /// <summary>As an address with its own form, and as <c>user@host:path</c>.</summary>
    public string Url(string repository, bool isShort = false) =>
        isShort ? $"{Environment.UserName}@{Alias}:{repository}" : $"ssh://{Environment.UserName}@{Alias}{repositories}/{repository}";

    /// <summary>What the runner's image has.</summary>
    /// <param name="key">"user", which the server takes, or "other".</param>
    /// <param name="known">The key that it knows the server by: "host" is right.</param>
    public async Task AllowAsync(string key, string known)
    {
        var server = await File.ReadAllTextAsync(Path.Combine(folder, known + ".pub"));
        await File.WriteAllTextAsync(Path.Combine(folder, "known"), $"{Alias} {server}");
        await File.WriteAllTextAsync(Path.Combine(folder, "ssh_config"), $"""
            Host {Alias}
            HostName 127.0.0.1
            HostKeyAlias {Alias}
            Port {Port}
            IdentityFile {folder}/{key}
            IdentitiesOnly yes
            IdentityAgent none
            UserKnownHostsFile {folder}/known
            GlobalKnownHostsFile /dev/null

            """);
        var tool = Path.Combine(Directory.CreateDirectory(Tools).FullName, "ssh");
        await File.WriteAllTextAsync(tool, $"#!/bin/sh\nexec {Find("ssh")} -F {folder}/ssh_config \"$@\"\n");
        File.SetUnixFileMode(tool, UnixFileMode.UserRead | UnixFileMode.UserExecute);
    }

    public async ValueTask DisposeAsync()
    {
        server.Kill(entireProcessTree: true);
        await server.WaitForExitAsync();
        server.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private static string? Look()
    {
        if (Find("ssh") is null || Find("ssh-keygen") is null)
            return "ssh is not installed (openssh-client): repositories over ssh are not tested";
        if (Find("sshd") is null)
            return "sshd is not installed (openssh-server, which also starts a service): repositories over ssh are not tested";
        var users = File.ReadAllLines("/etc/passwd");
        return Environment.IsPrivilegedProcess && !users.Any(line => line.StartsWith("sshd:", StringComparison.Ordinal))
            ? "root's sshd needs the user sshd, which openssh-server makes: repositories over ssh are not tested" : null;
    }

    /// <summary>sshd does not start by a relative path, and its folder is not in everybody's PATH.</summary>
    private static string? Find(string program) => (Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/usr/local/sbin").Split(':')
        .Where(Path.IsPathRooted).Select(at => Path.Combine(at, program)).FirstOrDefault(File.Exists);

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using var child = Process.Start(Find(program)!, arguments);
        await child.WaitForExitAsync();
        Assert.Equal(0, child.ExitCode);
    }
}
