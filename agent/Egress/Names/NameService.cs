using System.Net.Sockets;
using Marionette.Agent.Egress.Policy;

namespace Marionette.Agent.Egress.Names;

/// <summary>
/// What a runner's questions for names are answered. Names that the policy does not allow are never asked upstream, so a question
/// carries nothing out; they are answered as if they were there, so that the attempt to reach one shows with its port.
/// </summary>
internal sealed class NameService(NameTable table, DnsResolver resolver, Func<EgressPolicy> policy, BlockedLog blocked, TimeProvider clock)
{
    /// <summary>Addresses are for one connection after the other, not to be kept.</summary>
    private static readonly TimeSpan Ttl = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan LeastKept = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan MostKept = TimeSpan.FromMinutes(5);

    /// <summary>Answers a message.</summary>
    /// <param name="maxSize">Longest answer; a longer one is announced as cut.</param>
    /// <returns>Null when there is nothing to answer.</returns>
    public async Task<byte[]?> AnswerAsync(ReadOnlyMemory<byte> message, int maxSize, CancellationToken cancellationToken)
    {
        if (DnsQuestion.Parse(message) is not { } question)
            return null;
        if (question.Error != DnsWire.NoError || question.Class != DnsWire.ClassInternet)
            return Build(question, question.Error != DnsWire.NoError ? question.Error : DnsWire.Refused);
        if (question.Name is not { } name)
        {
            blocked.Report(new BlockedTarget(question.Shown, 53, "dns", BlockedReason.Protocol));
            return Build(question, DnsWire.NoSuchName);
        }

        return question.Type switch
        {
            DnsWire.TypeA => await AddressAsync(question, name, AddressFamily.InterNetwork, cancellationToken).ConfigureAwait(false),
            DnsWire.TypeAaaa => await AddressAsync(question, name, AddressFamily.InterNetworkV6, cancellationToken).ConfigureAwait(false),
            DnsWire.TypeMx or DnsWire.TypeTxt or DnsWire.TypeSrv =>
                await ForwardAsync(question, name, maxSize, cancellationToken).ConfigureAwait(false),
            // Among them HTTPS, whose records carry addresses and keys that hide the name from the check of TLS.
            _ => Build(question, DnsWire.NoError),
        };
    }

    /// <summary>The addresses of an allowed name: those of the last question while they hold.</summary>
    public async Task<NameLookup> LookupAsync(KnownName name, CancellationToken cancellationToken)
    {
        if (name.Lookup is { } kept && clock.GetTimestamp() < name.Expires)
            return kept;
        var lookup = await resolver.LookupAsync(name.Name, cancellationToken).ConfigureAwait(false);
        if (lookup.Code == DnsWire.ServerFailure)
            return lookup; // the next question may have more luck
        var keep = lookup.Ttl < LeastKept ? LeastKept : lookup.Ttl > MostKept ? MostKept : lookup.Ttl;
        name.Lookup = lookup;
        name.Expires = clock.GetTimestamp() + (long)(keep.TotalSeconds * clock.TimestampFrequency);
        return lookup;
    }

    private static byte[] Build(DnsQuestion question, int code) => DnsAnswer.Build(question, code, null, TimeSpan.Zero);

    private async Task<byte[]> AddressAsync(DnsQuestion question, string name, AddressFamily family, CancellationToken cancellationToken)
    {
        var rules = policy();
        var known = table.For(name);
        if (rules.Alias(name) is null && rules.AllowsName(name, null))
        {
            var lookup = await LookupAsync(known, cancellationToken).ConfigureAwait(false);
            if (lookup.Code != DnsWire.NoError || lookup.Addresses.Count == 0)
                return Build(question, lookup.Code);
        }

        return DnsAnswer.Build(question, DnsWire.NoError, NameTable.Address(known, family), Ttl);
    }

    private async Task<byte[]> ForwardAsync(DnsQuestion question, string name, int maxSize, CancellationToken cancellationToken)
    {
        if (!policy().AllowsName(name, null))
        {
            blocked.Report(new BlockedTarget(name, 53, "dns", BlockedReason.NotListed));
            return Build(question, DnsWire.NoError);
        }

        var answer = await resolver.ForwardAsync(name, question.Type, question.Id, cancellationToken).ConfigureAwait(false);
        if (answer is null)
            return Build(question, DnsWire.ServerFailure);
        if (answer.Length <= maxSize)
            return answer;
        var cut = Build(question, DnsWire.NoError);
        cut[2] |= 0x02;
        return cut;
    }
}
