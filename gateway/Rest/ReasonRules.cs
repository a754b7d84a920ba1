using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;

namespace Marionette.Gateway.Rest;

/// <summary>The optional body of commands on an object.</summary>
internal static class ReasonRules
{
    public const int MaxLength = 1000;

    /// <summary>The reason, or null without one.</summary>
    /// <exception cref="MarionetteException">Invalid.</exception>
    public static string? Check(ReadOnlyMemory<byte> body)
    {
        var model = RequestBody.Parse(body, GatewayJsonContext.Plain.ReasonModel, new ReasonModel());
        var errors = new FieldErrors();
        var reason = errors.Text("reason", model.Reason, MaxLength, multiline: true);
        errors.ThrowIfAny();
        return string.IsNullOrWhiteSpace(reason) ? null : reason;
    }
}
