using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>Reads another process' memory, as a core dump of it would show it. Needs to be root or its user.</summary>
internal static class ProcessMemory
{
    private const int Window = 4 << 20;

    /// <summary>Whether any readable mapping holds the text, in UTF-8 or in UTF-16.</summary>
    public static async Task<bool> HoldsAsync(int pid, string text)
    {
        byte[][] needles = [Encoding.UTF8.GetBytes(text), Encoding.Unicode.GetBytes(text)];
        using var memory = File.OpenHandle($"/proc/{pid}/mem");
        long read = 0;
        foreach (var line in await File.ReadAllLinesAsync($"/proc/{pid}/maps"))
        {
            var parts = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (parts[1][0] != 'r' || parts is [.., "[vvar]" or "[vsyscall]" or "[vvar_vclock]"]) continue;
            var bounds = parts[0].Split('-');
            var (start, end) = (Address(bounds[0]), Address(bounds[1]));
            if (end < 0 || start < 0) continue;
            var (found, bytes) = Search(memory, start, end, needles);
            if (found) return true;
            read += bytes;
        }

        Assert.True(read > 0, $"nothing of process {pid} could be read");
        return false;
    }

    private static (bool Found, long Read) Search(SafeFileHandle memory, long start, long end, byte[][] needles)
    {
        var overlap = needles.Max(needle => needle.Length) - 1;
        var buffer = new byte[Window];
        long total = 0;
        for (var at = start; at < end;)
        {
            int count;
            try
            {
                count = RandomAccess.Read(memory, buffer.AsSpan(0, (int)Math.Min(Window, end - at)), at);
            }
            catch (IOException)
            {
                break; // A guard page, or a mapping that is gone by now.
            }

            if (count <= 0) break;
            total += count;
            foreach (var needle in needles)
                if (buffer.AsSpan(0, count).IndexOf(needle) >= 0) return (true, total);
            if (at + count >= end) break;
            at += Math.Max(1, count - overlap);
        }

        return (false, total);
    }

    private static long Address(string hex) => long.TryParse(hex, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var address) ? address : -1;
}
