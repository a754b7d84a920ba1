using System.Net.Sockets;
using Marionette.Gateway.Problems;
using Microsoft.AspNetCore.Http;
using Npgsql;

namespace Marionette.Gateway.Tests.Problems;

public sealed class ProblemTests
{
    public static TheoryData<Exception, bool, FaultCode> Faults => new()
    {
        { new MarionetteException(FaultCode.QueueFull, "full"), true, FaultCode.QueueFull },
        { new TimeoutException(), true, FaultCode.OutcomeUnknown },
        { new TimeoutException(), false, FaultCode.Unavailable },
        { new SiloUnavailableException(), true, FaultCode.OutcomeUnknown },
        { new SiloUnavailableException(), false, FaultCode.Unavailable },
        { new NpgsqlException("gone", new SocketException()), true, FaultCode.Unavailable },
        { new NpgsqlException("gone", new IOException()), false, FaultCode.Unavailable },
        { new PostgresException("stopping", "FATAL", "FATAL", "57P01"), true, FaultCode.Unavailable },
        { new PostgresException("too many", "FATAL", "FATAL", "53300"), true, FaultCode.Unavailable },
        { new PostgresException("syntax", "ERROR", "ERROR", "42601"), true, FaultCode.Internal },
        { new BadHttpRequestException("large", 413), true, FaultCode.TooLarge },
        { new BadHttpRequestException("bad"), true, FaultCode.Invalid },
        { new InvalidOperationException("secret detail"), true, FaultCode.Internal },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public void Exception_Maps_ToItsFault(Exception exception, bool changes, FaultCode code) => Assert.Equal(code, FaultMapper.Map(exception, changes).Code);

    [Fact]
    public void Internal_Detail_SaysNothingOfTheException() =>
        Assert.DoesNotContain("secret", FaultMapper.Map(new InvalidOperationException("secret detail"), true).Detail, StringComparison.Ordinal);

    [Fact]
    public void Retryable_Faults_SayWhen() =>
        Assert.All(ProblemCatalog.All.Where(problem => problem.Retryable), problem =>
            Assert.NotNull(FaultMapper.Map(new MarionetteException(problem.Code, "x"), true).RetryAfter));

    [Fact]
    public void Catalog_EveryCode_HasARowOfItsOwn()
    {
        Assert.Equal(Enum.GetValues<FaultCode>(), ProblemCatalog.All.Select(problem => problem.Code));
        Assert.Equal(ProblemCatalog.All.Count(), ProblemCatalog.All.Select(problem => problem.Slug).Distinct().Count());
        Assert.All(ProblemCatalog.All, problem => Assert.Same(problem, ProblemCatalog.Find(problem.Slug)));
    }

    [Fact]
    public void ErrorsPage_Table_IsTheCatalog()
    {
        var rows = File.ReadAllLines(Repository.File("docs/reference/errors.md")).Where(line => line.StartsWith("| `", StringComparison.Ordinal));
        var expected = ProblemCatalog.All.Select(problem =>
            $"| `{problem.Name}` | {problem.Status} | {(problem.Retryable ? "yes" : "no")} | {problem.Title}. {problem.Meaning} |");
        Assert.Equal(expected, rows);
    }
}
