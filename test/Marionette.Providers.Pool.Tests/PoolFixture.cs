using Marionette.Pools;
using Marionette.Providers.Conformance;
using Marionette.Providers.Pool.Tests;
using Marionette.Sessions;
using Marionette.Silo;
using Marionette.Silo.Database;
using Marionette.Silo.Hosting;
using Marionette.TestSupport;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Xunit.Sdk;
using Xunit.v3;

[assembly: AssemblyFixture(typeof(PoolFixture))]
// One machine, whose cores and loop devices the cases share.
[assembly: Parallelization(Mode = ParallelMode.None)]

namespace Marionette.Providers.Pool.Tests;

/// <summary>
/// A whole pool: a silo with its gateway on a real database, and for each kind of sandbox a host, which is the shipped daemon. Its runners' agent is
/// the conformance cases' stand-in.
/// </summary>
public sealed class PoolFixture : IAsyncLifetime
{
    private readonly PostgresFixture _postgres = new();
    private readonly Dictionary<string, PoolHost> _hosts = [];
    private readonly SemaphoreSlim _starting = new(1);
    private NpgsqlDataSource? _source;
    private WebApplication? _app;
    private string? _folder;

    internal IServiceProvider Services => _app!.Services;

    /// <summary>The pool's host of a kind of sandbox; started when it is first asked for.</summary>
    internal async Task<PoolHost> HostAsync(string kind)
    {
        await _starting.WaitAsync();
        try
        {
            if (_hosts.TryGetValue(kind, out var known)) return known;
            if (_app is null) await StartAsync();
            var pool = Services.GetRequiredService<IGrainFactory>().GetGrain<IPoolGrain>(kind);
            var token = (await pool.CreateTokenAsync(new CreateJoinToken("tests", [], null, 1))).Token;
            var host = new PoolHost(Path.Combine(_folder!, kind), kind, GrpcUrl, token, StandIn.Script);
            await host.StartAsync(pool);
            return _hosts[kind] = host;
        }
        finally
        {
            _starting.Release();
        }
    }

    /// <summary>Takes the taint from the pool's hosts.</summary>
    internal async Task UntaintAsync(string kind)
    {
        var grains = Services.GetRequiredService<IGrainFactory>();
        foreach (var host in await grains.GetGrain<IPoolGrain>(kind).ListHostsAsync())
            await grains.GetGrain<IHostGrain>(PoolKeys.OfHost(kind, host.Id)).TaintAsync(null);
    }

    /// <summary>A session of the tenant "acme" that has ended a day ago, as its row has it.</summary>
    internal async Task EndAsync(string session, string workspace, bool isStored)
    {
        var now = TimeProvider.System.GetUtcNow();
        var row = SessionRows.Session("acme", SessionState.Empty with
        {
            WorkspaceEpoch = 1, RunSeq = 5,
            View = new SessionView
            {
                Id = session, Agent = "claude", WorkspaceId = workspace, Status = SessionStatus.Terminated, Epoch = 1, LastSeq = 9, UpdatedAt = now.AddDays(-1),
                RecoveryPoint = isStored ? new RecoveryPoint(now, 6, session, session, "stop", 1, 1) { Epoch = 1, IsComplete = true } : null,
            },
        });
        await using var command = _source!.CreateCommand(
            """
            with stored as (
                insert into marionette.snapshot (tenant, id, part, created_at, files, directories, links, bytes)
                    values ('acme', $3, 'workspace', now(), 1, 1, 0, 1) on conflict do nothing)
            insert into marionette.grain_state (grain_type, grain_key, version, state) values ('session', $1, 1, convert_from($2, 'UTF8')::jsonb)
                on conflict (grain_type, grain_key) do update set state = excluded.state
            """);
        command.Parameters.Add(new NpgsqlParameter { Value = row.Key });
        command.Parameters.Add(new NpgsqlParameter { Value = row.Json });
        command.Parameters.Add(new NpgsqlParameter { Value = session });
        await command.ExecuteNonQueryAsync();
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var host in _hosts.Values) await host.DisposeAsync();
        if (_app is not null)
        {
            await _app.StopAsync();
            await _app.DisposeAsync();
        }

        if (_source is not null) await _source.DisposeAsync();
        if (_folder is not null) TestFolder.Delete(_folder);
        await _postgres.DisposeAsync();
        _starting.Dispose();
    }

    private string GrpcUrl => Services.GetRequiredService<BoundPorts>().GrpcUrl;

    private async Task StartAsync()
    {
        _folder = TestFolder.Create();
        _source = MarionetteDataSource.Create(await _postgres.CreateDatabaseAsync());
        var settings = SiloSettings.Parse(
            ["up", "--data-dir", Path.Combine(_folder, "silo"), "--api-port", "0", "--admin-port", "0", "--grpc-port", "0", "--pools", "bwrap,runsc"]);
        Directory.CreateDirectory(settings.DataDirectory);
        // Read once, by the silo of this fixture.
        foreach (var kind in (string[])["bwrap", "runsc"])
        {
            Environment.SetEnvironmentVariable($"Marionette__Pools__{kind}__SweepEvery", "00:00:01");
            Environment.SetEnvironmentVariable($"Marionette__Pools__{kind}__KeepFiles", "01:00:00");
        }

        _app = SiloApplication.Build(settings, _source);
        await _app.StartAsync();
        Services.GetRequiredService<BoundPorts>().Learn(Services.GetRequiredService<IServer>());
    }
}
