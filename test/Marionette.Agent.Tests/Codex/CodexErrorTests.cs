using System.Text.Json;
using Marionette.Agent.Agents.Codex;

namespace Marionette.Agent.Tests.Codex;

public sealed class CodexErrorTests
{
    [Theory]
    [InlineData("\"unauthorized\"", "authentication_failed")]
    [InlineData("\"contextWindowExceeded\"", "context_exceeded")]
    [InlineData("\"usageLimitExceeded\"", "usage_limit")]
    [InlineData("\"rateLimitExceeded\"", "rate_limited")]
    [InlineData("\"serverOverloaded\"", "overloaded")]
    [InlineData("\"sessionBudgetExceeded\"", "budget_exceeded")]
    [InlineData("\"of another version\"", "model_error")]
    [InlineData("null", "model_error")]
    [InlineData("{\"responseStreamDisconnected\":{\"httpStatusCode\":429}}", "rate_limited")]
    [InlineData("{\"responseTooManyFailedAttempts\":{\"httpStatusCode\":401}}", "authentication_failed")]
    [InlineData("{\"httpConnectionFailed\":{\"httpStatusCode\":529}}", "overloaded")]
    [InlineData("{\"httpConnectionFailed\":{\"httpStatusCode\":null}}", "model_error")]
    [InlineData("{}", "model_error")]
    public void Code_FollowsWhatCodexSays(string info, string code) =>
        Assert.Equal(code, CodexErrors.CodeOf(JsonDocument.Parse($$"""{"message":"m","codexErrorInfo":{{info}}}""").RootElement));

    [Theory]
    [InlineData("unexpected status 401 Unauthorized: no", "authentication_failed")]
    [InlineData("exceeded retry limit, last status: 429 Too Many Requests", "rate_limited")]
    [InlineData("{\\\"error\\\":{\\\"code\\\":\\\"context_length_exceeded\\\"}}", "context_exceeded")]
    public void Code_IsReadFromTheTextWhereThereIsNoOther(string message, string code) =>
        Assert.Equal(code, CodexErrors.CodeOf(JsonDocument.Parse($$"""{"message":"{{message}}","codexErrorInfo":"other"}""").RootElement));
}
