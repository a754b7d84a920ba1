using System.Globalization;
using System.Xml;
using System.Xml.Linq;

namespace Marionette.Cli.Testing;

/// <summary>A test that did not pass: what it is called and what it said.</summary>
internal sealed record TestFinding(string Name, string Message, string? StackTrace = null);

/// <summary>What one test program reported.</summary>
internal sealed record TestReport(int Passed, IReadOnlyList<TestFinding> Failed, IReadOnlyList<TestFinding> Skipped)
{
    private static readonly XNamespace Trx = "http://microsoft.com/schemas/VisualStudio/TeamTest/2010";

    public int Total => Passed + Failed.Count + Skipped.Count;

    /// <summary>Reads a TRX file; null when there is none or it is not whole, as after a crash.</summary>
    public static TestReport? Read(string path)
    {
        try
        {
            return Parse(XDocument.Load(path));
        }
        catch (Exception error) when (error is IOException or XmlException)
        {
            return null;
        }
    }

    /// <summary>Reads a TRX document. An outcome that is not known counts as a failure: it certainly is no success.</summary>
    public static TestReport Parse(XDocument document)
    {
        var passed = 0;
        var failed = new List<TestFinding>();
        var skipped = new List<TestFinding>();
        foreach (var result in document.Descendants(Trx + "UnitTestResult"))
        {
            var name = (string?)result.Attribute("testName") ?? "?";
            var output = result.Element(Trx + "Output");
            var error = output?.Element(Trx + "ErrorInfo");
            switch ((string?)result.Attribute("outcome"))
            {
                case "Passed":
                    passed++;
                    break;
                case "NotExecuted":
                    skipped.Add(new TestFinding(name, ((string?)output?.Element(Trx + "StdOut") ?? "no reason given").Trim()));
                    break;
                case var outcome:
                    failed.Add(new TestFinding(name, ((string?)error?.Element(Trx + "Message") ?? string.Create(CultureInfo.InvariantCulture, $"outcome {outcome}")).Trim(), ((string?)error?.Element(Trx + "StackTrace"))?.TrimEnd()));
                    break;
            }
        }
        return new TestReport(passed, failed, skipped);
    }
}
