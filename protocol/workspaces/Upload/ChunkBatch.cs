namespace Marionette.Workspaces;

/// <summary>Chunks whose references are known and which are not stored yet. Their bytes lie in one buffer, into which files are read.</summary>
internal sealed class ChunkBatch(int size)
{
    public byte[] Buffer { get; } = GC.AllocateUninitializedArray<byte>(size);

    public List<StagedChunk> Chunks { get; } = [];

    public int Filled { get; set; }

    public int Room => Buffer.Length - Filled;

    public void Clear()
    {
        Chunks.Clear();
        Filled = 0;
    }
}

/// <summary>A chunk in a batch.</summary>
internal readonly record struct StagedChunk(ChunkRef Reference, ChunkId Id, ChunkType Type, int Offset, int Length);
