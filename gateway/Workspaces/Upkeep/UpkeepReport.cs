using System.Text.Json.Serialization;

namespace Marionette.Gateway.Workspaces.Upkeep;

/// <summary>What a round of upkeep came to; kept as JSON in <c>chunk_upkeep</c>.</summary>
internal sealed record UpkeepReport
{
    /// <summary>Checkpoints that a rule of retention took away.</summary>
    public int Checkpoints { get; init; }

    /// <summary>Snapshots that nothing needs any more.</summary>
    public int Snapshots { get; init; }

    /// <summary>Rows that were made anew from their records.</summary>
    public int RowsMade { get; init; }

    /// <summary>Rows whose records were gone.</summary>
    public int RowsRemoved { get; init; }

    /// <summary>Packs that the index knew and the store did not have. Above zero something has been lost outside of us.</summary>
    public int PacksMissing { get; init; }

    /// <summary>Packs that were made known to the index.</summary>
    public int PacksAdopted { get; init; }

    /// <summary>Packs that wait for their deletion.</summary>
    public int Condemned { get; init; }

    /// <summary>Packs that were deleted.</summary>
    public int Deleted { get; init; }

    /// <summary>Bytes that were deleted.</summary>
    public long BytesDeleted { get; init; }

    /// <summary>Packs of which little was needed, written anew.</summary>
    public int Repacked { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(UpkeepReport))]
internal sealed partial class UpkeepJson : JsonSerializerContext;
