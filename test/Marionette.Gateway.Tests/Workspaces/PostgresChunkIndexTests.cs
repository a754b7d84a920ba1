using System.Security.Cryptography;
using Marionette.Gateway.Workspaces;
using Marionette.Silo.Database;
using Marionette.TestSupport;
using Marionette.Workspaces;
using Npgsql;

namespace Marionette.Gateway.Tests.Workspaces;

/// <summary>What an index of chunks must do, for the one on PostgreSQL and, as the measure, for the one that lies in the store itself.</summary>
public sealed class PostgresChunkIndexTests(PostgresFixture postgres) : IAsyncLifetime
{
    private readonly string folder = TestFolder.Create();
    private NpgsqlDataSource database = null!;
    private FolderBlobStore blobs = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        database = MarionetteDataSource.Create(await postgres.CreateDatabaseAsync(Cancel));
        blobs = new FolderBlobStore(folder);
    }

    public async ValueTask DisposeAsync()
    {
        blobs.Dispose();
        await database.DisposeAsync();
        TestFolder.Delete(folder);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Chunks_AreFoundWhereTheyLie_InTheOrderAsked(bool isPostgres)
    {
        var index = Make(isPostgres);
        var (first, second) = (Pack(1, 100), Pack(2, 3));
        await index.AddAsync([first, second], Cancel);
        ChunkId[] ids = [second.Entries[2].Id, Id(99), first.Entries[50].Id, second.Entries[0].Id, first.Entries[50].Id];
        var found = await FindAsync(index, ids);
        Assert.Null(found[1]);
        AssertPlace(second, 2, found[0]);
        AssertPlace(first, 50, found[2]);
        AssertPlace(second, 0, found[3]);
        AssertPlace(first, 50, found[4]);
        Assert.Empty(await FindAsync(index, []));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Packs_AreListedAsTheyWereAdded(bool isPostgres)
    {
        var index = Make(isPostgres);
        Assert.Empty(await index.ListPacksAsync(Cancel));
        PackContents[] packs = [Pack(1, 10), Pack(2, 1), Pack(3, 0)];
        await index.AddAsync(packs, Cancel);
        await index.AddAsync([], Cancel);
        await index.RefreshAsync(Cancel);
        var listed = (await index.ListPacksAsync(Cancel)).ToDictionary(pack => pack.Name);
        Assert.Equal(3, listed.Count);
        foreach (var pack in packs)
        {
            Assert.Equal(pack.Entries, listed[pack.Name].Entries);
            Assert.Equal(pack.Length, listed[pack.Name].Length);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Pack_AddedAgain_ChangesNothing(bool isPostgres)
    {
        var index = Make(isPostgres);
        var pack = Pack(1, 10);
        await index.AddAsync([pack, Pack(2, 2)], Cancel);
        await index.AddAsync([pack], Cancel);
        await index.AddAsync([pack, Pack(3, 1), pack], Cancel);
        Assert.Equal(3, (await index.ListPacksAsync(Cancel)).Count);
        Assert.Equal(pack.Entries, (await index.ListPacksAsync(Cancel)).Single(one => one.Name == pack.Name).Entries);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Chunk_OfTwoPacks_IsFoundInTheFirst_AndInTheOtherWhenThatIsGone(bool isPostgres)
    {
        var index = Make(isPostgres);
        var first = Pack(1, 5);
        // The same chunks in another pack, and one of them twice: its list is kept as it is.
        var second = new PackContents(Name(2), [Entry(500), .. first.Entries, first.Entries[0]]);
        await index.AddAsync([first], Cancel);
        await index.AddAsync([second], Cancel);
        AssertPlace(first, 3, (await FindAsync(index, first.Entries[3].Id))[0]);
        await index.RemoveAsync([first.Name, Name(77)], Cancel);
        AssertPlace(second, 4, (await FindAsync(index, first.Entries[3].Id))[0]);
        Assert.Equal(second.Entries, Assert.Single(await index.ListPacksAsync(Cancel)).Entries);
        await index.RemoveAsync([second.Name], Cancel);
        Assert.Null((await FindAsync(index, first.Entries[3].Id))[0]);
        Assert.Empty(await index.ListPacksAsync(Cancel));
        // Once more, as after a repair.
        await index.AddAsync([first], Cancel);
        AssertPlace(first, 3, (await FindAsync(index, first.Entries[3].Id))[0]);
    }

    [Fact]
    public async Task Removed_LeavesNoRow()
    {
        var index = Make(true);
        await index.AddAsync([Pack(1, 5), Pack(2, 5)], Cancel);
        await index.RemoveAsync([Name(1), Name(2)], Cancel);
        await using var command = database.CreateCommand("select (select count(*) from marionette.chunk) + (select count(*) from marionette.chunk_pack)");
        Assert.Equal(0L, await command.ExecuteScalarAsync(Cancel));
    }

    [Fact]
    public async Task Tenants_DoNotSeeEachOthers_EvenWhereIdsAndNamesAreTheSame()
    {
        var (mine, theirs) = (new PostgresChunkIndex(database, "mine"), new PostgresChunkIndex(database, "theirs"));
        var pack = Pack(1, 5);
        await theirs.AddAsync([pack, Pack(2, 5)], Cancel);
        Assert.Null((await FindAsync(mine, pack.Entries[0].Id))[0]);
        Assert.Empty(await mine.ListPacksAsync(Cancel));
        await mine.AddAsync([pack], Cancel);
        await mine.RemoveAsync([pack.Name, Name(2)], Cancel);
        Assert.Equal(2, (await theirs.ListPacksAsync(Cancel)).Count);
        AssertPlace(pack, 0, (await FindAsync(theirs, pack.Entries[0].Id))[0]);
        // A pack that claims chunks of another tenant is that tenant's alone.
        await mine.AddAsync([new PackContents(Name(9), pack.Entries)], Cancel);
        AssertPlace(pack, 0, (await FindAsync(theirs, pack.Entries[0].Id))[0]);
    }

    [Fact]
    public async Task TwoGateways_AtOnce_AddEachPackOnce()
    {
        var packs = Enumerable.Range(1, 40).Select(number => Pack(number, 20)).ToArray();
        await Parallel.ForAsync(0, 8, Cancel, async (gateway, token) =>
        {
            var order = new Random(gateway);
            foreach (var some in packs.OrderBy(_ => order.Next()).Chunk(10)) await new PostgresChunkIndex(database, "acme").AddAsync(some, token);
        });
        var index = new PostgresChunkIndex(database, "acme");
        var listed = await index.ListPacksAsync(Cancel);
        Assert.Equal(packs.Select(pack => pack.Name).Order(), listed.Select(pack => pack.Name).Order());
        Assert.All(listed, pack => Assert.Equal(20, pack.Entries.Count));
    }

    private IChunkIndex Make(bool isPostgres) => isPostgres ? new PostgresChunkIndex(database, "acme") : new StoreIndex(blobs);

    private static async Task<ChunkLocation?[]> FindAsync(IChunkIndex index, params ChunkId[] ids)
    {
        var found = new ChunkLocation?[ids.Length];
        await index.FindAsync(ids, found, Cancel);
        return found;
    }

    private static void AssertPlace(PackContents pack, int number, ChunkLocation? found)
    {
        var entry = pack.Entries[number];
        var offset = PackFormat.HeaderSize + pack.Entries.Take(number).Sum(before => before.StoredLength);
        Assert.NotNull(found);
        Assert.Equal(
            (pack.Name, offset, entry.StoredLength, entry.PlainLength, entry.Type, entry.Method),
            (found.Value.Pack, (int)found.Value.Offset, found.Value.StoredLength, found.Value.PlainLength, found.Value.Type, found.Value.Method));
    }

    private static PackContents Pack(int number, int chunks) => new(Name(number), [.. Enumerable.Range(number * 1000, chunks).Select(Entry)]);

    private static PackEntry Entry(int number) =>
        new(Id(number), 100 + (number % 1000), number % 1000 * 3, number % 2 == 0 ? ChunkType.Data : ChunkType.Tree) { Method = number % 3 == 0 ? ChunkMethod.Raw : ChunkMethod.Zstd };

    private static ChunkId Id(int number) => new(SHA256.HashData(BitConverter.GetBytes(number)));

    private static string Name(int number) => Convert.ToHexStringLower(SHA256.HashData([1, .. BitConverter.GetBytes(number)]));
}
