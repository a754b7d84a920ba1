using System.Collections.Immutable;

namespace Marionette;

/// <summary>The one exception that crosses a grain boundary on purpose. Its message is for people and holds no secret.</summary>
[GenerateSerializer, Alias("mn.fault.v1")]
public sealed class MarionetteException : Exception
{
    /// <summary>A fault with its code and a sentence that says what to do.</summary>
    public MarionetteException(FaultCode code, string message) : base(message) => Code = code;

    /// <summary>A fault with its cause, for logs on this side only.</summary>
    public MarionetteException(FaultCode code, string message, Exception inner) : base(message, inner) => Code = code;

    /// <summary>Several fields at once: validation collects every error before it answers.</summary>
    public MarionetteException(ImmutableArray<FieldError> errors)
        : base(string.Join("; ", errors.Select(e => $"{e.Field}: {e.Message}")))
    {
        Code = FaultCode.Invalid;
        Errors = errors;
    }

    /// <summary>What kind of fault.</summary>
    [Id(0)] public FaultCode Code { get; private set; }

    /// <summary>Fields that are wrong; empty unless <see cref="FaultCode.Invalid"/>.</summary>
    [Id(1)] public ImmutableArray<FieldError> Errors { get; private set; } = [];
}

/// <summary>One wrong field: its JSON path and what to do.</summary>
[GenerateSerializer, Immutable, Alias("mn.fault.field.v1")]
public sealed record FieldError([property: Id(0)] string Field, [property: Id(1)] string Message);
