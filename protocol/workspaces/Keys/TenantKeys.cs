using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Marionette.Workspaces;

/// <summary>One generation of a tenant's keys.</summary>
public sealed class KeyGeneration
{
    internal const int StoredSize = 4 + ConvergenceKey.Size + 32;

    private readonly byte[] _convergence;

    internal KeyGeneration(int number, byte[] convergence, byte[] record)
    {
        (Number, _convergence, Record) = (number, convergence, record);
        Convergence = new ConvergenceKey(convergence);
    }

    /// <summary>From 1; the highest one is used for what is new.</summary>
    public int Number { get; }

    /// <summary>For writers.</summary>
    public ConvergenceKey Convergence { get; }

    /// <summary>The secret bytes of the convergence key, to hand to the one runner that writes.</summary>
    public ReadOnlyMemory<byte> ConvergenceBytes => _convergence;

    /// <summary>Seals snapshot records; never leaves the control plane.</summary>
    internal byte[] Record { get; }

    internal static KeyGeneration New(int number) => new(number, ConvergenceKey.New(), RandomNumberGenerator.GetBytes(32));

    internal void Write(Span<byte> target)
    {
        BinaryPrimitives.WriteInt32LittleEndian(target, Number);
        _convergence.CopyTo(target[4..]);
        Record.CopyTo(target[36..]);
    }

    internal static KeyGeneration Read(ReadOnlySpan<byte> source) =>
        new(BinaryPrimitives.ReadInt32LittleEndian(source), source.Slice(4, ConvergenceKey.Size).ToArray(), source.Slice(36, 32).ToArray());
}

/// <summary>A tenant's keys, all generations: what was sealed under an older one stays readable.</summary>
public sealed class TenantKeys
{
    private readonly List<KeyGeneration> _generations;

    internal TenantKeys(IEnumerable<KeyGeneration> generations) => _generations = [.. generations.OrderBy(generation => generation.Number)];

    /// <summary>The generation for what is new.</summary>
    public KeyGeneration Current => _generations[^1];

    /// <summary>All, oldest first.</summary>
    public IReadOnlyList<KeyGeneration> Generations => _generations;

    internal KeyGeneration? Find(int number) => _generations.Find(generation => generation.Number == number);

    /// <summary>New keys that no store holds: tests, and runners' own scratch.</summary>
    public static TenantKeys New() => new([KeyGeneration.New(1)]);

    internal TenantKeys WithNewGeneration() => new([.. _generations, KeyGeneration.New(Current.Number + 1)]);
}
