using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Marionette.Agent.Processes;

namespace Marionette.Agent.Egress.Namespaces;

/// <summary>A link of a namespace.</summary>
internal readonly record struct LinkInfo(int Index, string Name, bool IsUp);

/// <summary>The kernel refused something.</summary>
internal sealed class NetlinkException(string what, int error)
    : IOException($"{what}: {Marshal.GetPInvokeErrorMessage(error)}")
{
    public const int Exists = 17;
    public const int AccessDenied = 13;
    public const int NotSupported = 95;
    public const int NoDevice = 19;

    /// <summary>errno.</summary>
    public int Error { get; } = error;
}

/// <summary>
/// Links, addresses and routes of the namespace in which the calling thread is. Spoken directly and not through iproute2's
/// programs: this is done at every start of a runner, and takes a tenth of the time.
/// </summary>
internal sealed unsafe class Netlink : IDisposable
{
    public const string RunnerLink = "eth0";
    public const string PeerLink = "mn0";

    private const int NewLink = 16;
    private const int DeleteLinkType = 17;
    private const int GetLink = 18;
    private const int NewAddress = 20;
    private const int NewRoute = 24;
    private const int TypeError = 2;
    private const int TypeDone = 3;
    private const int AttributeName = 3;
    private const int AttributeLinkInfo = 18;
    private const int AttributeNamespace = 28;
    private const int RouteOut = 4;
    private const int RouteGateway = 5;
    private const byte MainTable = 254;
    private const byte FamilyV4 = 2;
    private const byte FamilyV6 = 10;
    private const byte NoDuplicateCheck = 0x02;

    private readonly int descriptor;

    public Netlink()
    {
        descriptor = NetCalls.OpenSocket(NetCalls.FamilyNetlink, NetCalls.TypeRaw | NetCalls.CloseOnExec, 0);
        if (descriptor < 0)
            throw NetCalls.Failure("socket");
    }

    public void Dispose() => _ = Libc.Close(descriptor);

    /// <summary>All links, in the order in which they were made.</summary>
    public IReadOnlyList<LinkInfo> Links()
    {
        var links = new List<LinkInfo>();
        Ask(new NetlinkMessage(GetLink, NetlinkMessage.Dump).Link(0), "list links", body =>
        {
            var index = BinaryPrimitives.ReadInt32LittleEndian(body[4..]);
            var isUp = (BinaryPrimitives.ReadUInt32LittleEndian(body[8..]) & 1) != 0;
            links.Add(new LinkInfo(index, NameIn(body[16..]), isUp));
        });
        return links;
    }

    /// <summary>Makes the pair: <see cref="PeerLink"/> here, <see cref="RunnerLink"/> in the other namespace, both down.</summary>
    public void MakePair(NetNamespace other) => Do(
        new NetlinkMessage(NewLink, NetlinkMessage.Create | NetlinkMessage.Acknowledge).Link(0)
            .Attribute(AttributeName, PeerLink)
            .Nested(AttributeLinkInfo, info => info
                .Attribute(1, "veth"u8)
                .Nested(2, data => data
                    .Nested(1, peer => peer.Link(0).Attribute(AttributeName, RunnerLink).Attribute(AttributeNamespace, other.Descriptor)))),
        $"make {RunnerLink}");

    public void SetUp(int link) => Do(
        new NetlinkMessage(NewLink, NetlinkMessage.Acknowledge).Link(link, flags: 1, changed: 1), "bring a link up");

    public void Delete(int link) => Do(new NetlinkMessage(DeleteLinkType, NetlinkMessage.Acknowledge).Link(link), "remove a link");

    /// <summary>Gives a link an address, usable at once.</summary>
    public void AddAddress(int link, IPAddress address, int prefix) => Do(
        new NetlinkMessage(NewAddress, NetlinkMessage.Create | NetlinkMessage.Acknowledge)
            .Fixed([Family(address), (byte)prefix, Family(address) == FamilyV6 ? NoDuplicateCheck : (byte)0, 0], (uint)link)
            .Attribute(1, address.GetAddressBytes())
            .Attribute(2, address.GetAddressBytes()),
        $"give the address {address}");

    /// <summary>Sends all that no other route takes to a gateway.</summary>
    public void AddDefaultRoute(int link, IPAddress gateway) => Do(
        Route(Family(gateway), scope: 0, type: 1).Attribute(RouteGateway, gateway.GetAddressBytes()).Attribute(RouteOut, link),
        $"make the route to {gateway}");

    /// <summary>Takes every address for one of this namespace's own, unless another route takes it.</summary>
    public void TakeEverything(AddressFamily family, int loopback) => Do(
        Route(family == AddressFamily.InterNetwork ? FamilyV4 : FamilyV6, scope: 254, type: 2).Attribute(RouteOut, loopback),
        "take every address");

    private static NetlinkMessage Route(byte family, byte scope, byte type)
    {
        const byte byAdministrator = 4;
        return new NetlinkMessage(NewRoute, NetlinkMessage.Create | NetlinkMessage.Acknowledge)
            .Fixed([family, 0, 0, 0, MainTable, byAdministrator, scope, type], 0);
    }

    private static byte Family(IPAddress address) => address.AddressFamily == AddressFamily.InterNetwork ? FamilyV4 : FamilyV6;

    private static string NameIn(ReadOnlySpan<byte> attributes)
    {
        while (attributes.Length >= 4)
        {
            int size = BinaryPrimitives.ReadUInt16LittleEndian(attributes);
            if (size < 4 || size > attributes.Length)
                break;
            if (BinaryPrimitives.ReadUInt16LittleEndian(attributes[2..]) == AttributeName)
                return Encoding.UTF8.GetString(attributes[4..size].TrimEnd((byte)0));
            attributes = attributes[Math.Min((size + 3) & ~3, attributes.Length)..];
        }

        return "";
    }

    private void Do(NetlinkMessage message, string what) => Ask(message, what, _ => { });

    private void Ask(NetlinkMessage message, string what, BodyHandler take)
    {
        var request = message.Bytes;
        fixed (byte* bytes = request)
        {
            if (NetCalls.Send(descriptor, bytes, (nuint)request.Length, 0) != request.Length)
                throw NetCalls.Failure(what);
        }

        var buffer = new byte[32 * 1024];
        while (true)
        {
            nint read;
            fixed (byte* bytes = buffer)
                read = NetCalls.Receive(descriptor, bytes, (nuint)buffer.Length, 0);
            if (read < 0)
                throw NetCalls.Failure(what);
            if (Take(buffer.AsSpan(0, (int)read), what, take))
                return;
        }
    }

    private static bool Take(ReadOnlySpan<byte> bytes, string what, BodyHandler take)
    {
        while (bytes.Length >= NetlinkMessage.HeaderSize)
        {
            var size = BinaryPrimitives.ReadInt32LittleEndian(bytes);
            var type = BinaryPrimitives.ReadUInt16LittleEndian(bytes[4..]);
            if (size < NetlinkMessage.HeaderSize || size > bytes.Length)
                throw new IOException($"{what}: the kernel's answer cannot be read");
            var body = bytes[NetlinkMessage.HeaderSize..size];
            switch (type)
            {
                case TypeError when BinaryPrimitives.ReadInt32LittleEndian(body) is var error and not 0:
                    throw new NetlinkException(what, -error);
                case TypeError or TypeDone:
                    return true;
                default:
                    take(body);
                    break;
            }

            bytes = bytes[Math.Min((size + 3) & ~3, bytes.Length)..];
        }

        return false;
    }

    private delegate void BodyHandler(ReadOnlySpan<byte> body);
}
