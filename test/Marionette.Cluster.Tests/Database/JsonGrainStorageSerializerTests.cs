using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Marionette.Silo.Database;
using Marionette.TestSupport;

namespace Marionette.Cluster.Tests.Database;

public sealed class JsonGrainStorageSerializerTests(PostgresFixture postgres) : DatabaseTest(postgres)
{
    private enum Phase
    {
        Unknown,
        WaitingPermission,
    }

    [Fact]
    public void Serialize_WritesSnakeCaseNamesEnumsAndSortableTimes()
    {
        var json = new JsonGrainStorageSerializer().Serialize(new Everything
        {
            LastPhase = Phase.WaitingPermission,
            CreatedAt = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(-1)),
            Labels = ImmutableDictionary<string, string>.Empty.Add("Team Name", "blue"),
        }).ToString();

        Assert.Equal(
            """
            {"last_phase":"waiting_permission","created_at":"2026-01-02T04:04:05.0000000Z","parts":[],"labels":{"Team Name":"blue"}}
            """,
            json);
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("a\0b")]
    [InlineData("\0")]
    [InlineData("\uFDD0")]
    [InlineData("\uFDD0\0\uFDD00\0")]
    [InlineData("\"quotes\" \\ / \u2028 \u0001 <b>")]
    [InlineData("🎻 ünïcode")]
    public async Task Text_ThroughTheDatabase_ComesBackExactly(string text)
    {
        var serializer = new JsonGrainStorageSerializer();
        var written = new Everything
        {
            Note = text,
            Parts = [new Note(text), new Link(text, 3)],
            Labels = ImmutableDictionary<string, string>.Empty.Add(text, text),
        };
        var stored = await ScalarAsync<byte[]>(
            "select convert_to((convert_from($1, 'UTF8')::jsonb)::text, 'UTF8')", serializer.Serialize(written).ToArray());
        var read = serializer.Deserialize<Everything>(new BinaryData(stored!));

        Assert.Equal(text, read.Note);
        Assert.Equal(written.Parts, read.Parts);
        Assert.Equal(written.Labels, read.Labels);
    }

    [Fact]
    public void Deserialize_FieldsThatTheRecordLacks_AreIgnored() =>
        Assert.Equal("x", new JsonGrainStorageSerializer()
            .Deserialize<Everything>(BinaryData.FromString("""{"note": "x", "of_a_later_version": [1]}""")).Note);

    private sealed record Everything
    {
        public string? Note { get; init; }

        public Phase LastPhase { get; init; }

        public DateTimeOffset CreatedAt { get; init; }

        public ImmutableArray<Part> Parts { get; init; }

        public ImmutableDictionary<string, string> Labels { get; init; } = ImmutableDictionary<string, string>.Empty;
    }

    // jsonb puts the shorter "id" before "$kind": the discriminator does not come first any more.
    [JsonPolymorphic(TypeDiscriminatorPropertyName = "$kind")]
    [JsonDerivedType(typeof(Note), "note")]
    [JsonDerivedType(typeof(Link), "link")]
    private abstract record Part;

    private sealed record Note(string Id) : Part;

    private sealed record Link(string Id, int N) : Part;
}
