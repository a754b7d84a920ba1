using System.Diagnostics;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Tests.Workspaces;

/// <summary>A folder of bare repositories, made and served by the machine's own git: over file://, and over HTTP with a password.</summary>
internal sealed class GitHost : IAsyncDisposable
{
    public const string User = "robot", Secret = "s3cret-canary_41";

    private readonly WebApplication app;

    private GitHost(WebApplication app) => this.app = app;

    public string Root { get; } = Directory.CreateTempSubdirectory("marionette-git-").FullName;

    public string Url => app.Urls.First();

    /// <summary>Runs before each request is answered; true: it has been answered.</summary>
    public Func<HttpContext, Task<bool>> Before { get; set; } = _ => Task.FromResult(false);

    /// <summary>Every Authorization that came, null for none.</summary>
    public List<string?> Asked { get; } = [];

    public static async Task<GitHost> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0);
            kestrel.Limits.MaxRequestBodySize = null;
        });
        var host = new GitHost(builder.Build());
        host.app.Run(host.AnswerAsync);
        await host.app.StartAsync();
        return host;
    }

    public string File(string name) => $"file://{Root}/{name}";

    public string Http(string name) => $"{Url}/{name}";

    /// <summary>A bare repository with branches main and topic/one, tags v1 (annotated, on the first commit) and light, and three commits on main.</summary>
    /// <returns>Commits of main, oldest first.</returns>
    public async Task<string[]> RepositoryAsync(string name, Action<string>? more = null)
    {
        var work = Path.Combine(Root, "work-" + Guid.NewGuid().ToString("n"));
        await GitAsync(Root, "init", "-q", "-b", "main", work);
        for (var i = 1; i <= 3; i++)
        {
            Directory.CreateDirectory(Path.Combine(work, "src"));
            await System.IO.File.WriteAllTextAsync(Path.Combine(work, "src", "file"), $"version {i}\n");
            await System.IO.File.WriteAllTextAsync(Path.Combine(work, "readme"), "read me\n");
            if (i == 3)
                more?.Invoke(work);
            await GitAsync(work, "add", "-A");
            await GitAsync(work, "commit", "-q", "-m", $"commit {i}");
            if (i == 1)
                await GitAsync(work, "tag", "-a", "v1", "-m", "one");
        }

        await GitAsync(work, "tag", "light");
        await GitAsync(work, "branch", "topic/one", "HEAD~1");
        await GitAsync(Root, "clone", "-q", "--bare", work, name);
        await GitAsync(Path.Combine(Root, name), "config", "uploadpack.allowFilter", "true");
        return (await GitAsync(work, "rev-list", "--reverse", "main")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    public static async Task<string> GitAsync(string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo("git", arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (key, value) in new[]
                 {
                     ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@example.org"), ("GIT_COMMITTER_NAME", "a"),
                     ("GIT_COMMITTER_EMAIL", "a@example.org"), ("GIT_ALLOW_PROTOCOL", "file"),
                 })
            start.Environment[key] = value;
        using var git = Process.Start(start)!;
        var errors = git.StandardError.ReadToEndAsync();
        var output = await git.StandardOutput.ReadToEndAsync();
        await git.WaitForExitAsync();
        Assert.True(git.ExitCode == 0, $"git {string.Join(' ', arguments)}: {await errors}");
        return output;
    }

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        Directory.Delete(Root, recursive: true);
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var authorization = (string?)context.Request.Headers.Authorization;
        lock (Asked)
            Asked.Add(authorization);
        if (await Before(context))
            return;
        if (authorization != "Basic " + Convert.ToBase64String(Encoding.ASCII.GetBytes($"{User}:{Secret}")))
        {
            context.Response.StatusCode = 401;
            context.Response.Headers.WWWAuthenticate = "Basic realm=\"git\"";
            return;
        }

        await BackendAsync(context);
    }

    /// <summary>What a web server does with a CGI program.</summary>
    private async Task BackendAsync(HttpContext context)
    {
        var request = context.Request;
        var start = new ProcessStartInfo("git", ["http-backend"]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (key, value) in new (string, string?)[]
                 {
                     ("GIT_PROJECT_ROOT", Root), ("GIT_HTTP_EXPORT_ALL", "1"), ("PATH_INFO", request.Path), ("QUERY_STRING", request.QueryString.Value?.TrimStart('?')), ("REQUEST_METHOD", request.Method),
                     ("CONTENT_TYPE", request.ContentType), ("HTTP_CONTENT_ENCODING", request.Headers.ContentEncoding), ("GIT_PROTOCOL", request.Headers["Git-Protocol"]), ("REMOTE_USER", User),
                 })
            start.Environment[key] = value ?? "";
        using var backend = Process.Start(start)!;
        backend.BeginErrorReadLine();
        var input = Task.Run(async () =>
        {
            await request.Body.CopyToAsync(backend.StandardInput.BaseStream);
            backend.StandardInput.Close();
        });
        var output = backend.StandardOutput.BaseStream;
        while (await LineAsync(output) is { Length: > 0 } line)
        {
            var (name, value) = (line[..line.IndexOf(':', StringComparison.Ordinal)], line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim());
            if (name == "Status")
                context.Response.StatusCode = int.Parse(value[..3], System.Globalization.CultureInfo.InvariantCulture);
            else
                context.Response.Headers[name] = value;
        }

        await output.CopyToAsync(context.Response.Body);
        await input;
        await backend.WaitForExitAsync();
    }

    private static async Task<string> LineAsync(Stream stream)
    {
        var (line, one) = (new StringBuilder(), new byte[1]);
        while (await stream.ReadAsync(one) == 1 && one[0] != '\n')
            line.Append((char)one[0]);
        return line.ToString().TrimEnd('\r');
    }
}
