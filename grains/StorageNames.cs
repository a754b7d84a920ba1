namespace Marionette;

/// <summary>Names of the storage providers that the silo configures.</summary>
public static class StorageNames
{
    /// <summary>Rows of <c>grain_state</c>.</summary>
    public const string State = "state";
}
