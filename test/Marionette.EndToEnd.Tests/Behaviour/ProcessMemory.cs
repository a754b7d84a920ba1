using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>Reads another process' memory, as a core dump of it would show it. Needs to be root or its user.</summary>
internal static class ProcessMemory
{
    private const int Window = 4 << 20, EntryBytes = 8;

    /// <summary>Whether any readable mapping holds the text, in UTF-8 or in UTF-16.</summary>
    public static async Task<bool> HoldsAsync(int pid, string text)
    {
        byte[][] needles = [Encoding.UTF8.GetBytes(text), Encoding.Unicode.GetBytes(text)];
        using var memory = File.OpenHandle($"/proc/{pid}/mem");
        using var pages = File.OpenHandle($"/proc/{pid}/pagemap");
        long read = 0;
        foreach (var line in await File.ReadAllLinesAsync($"/proc/{pid}/maps"))
        {
            var parts = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (parts[1][0] != 'r' || parts is [.., "[vvar]" or "[vsyscall]" or "[vvar_vclock]"]) continue;
            var bounds = parts[0].Split('-');
            var (start, end) = (Address(bounds[0]), Address(bounds[1]));
            if (end < 0 || start < 0) continue;
            // What is shared may have been written by a process that is gone: it is read whole. Of a private mapping only touched pages hold anything.
            foreach (var (from, to) in parts[1][3] == 's' ? [(start, end)] : Touched(pages, start, end))
            {
                var (found, bytes) = Search(memory, from, to, needles);
                if (found) return true;
                read += bytes;
            }
        }

        Assert.True(read > 0, $"nothing of process {pid} could be read");
        return false;
    }

    /// <summary>The stretches whose pages are in memory or in swap (proc_pid_pagemap(5)): a runtime maps many gigabytes and touches few.</summary>
    private static IEnumerable<(long From, long To)> Touched(SafeFileHandle pages, long start, long end)
    {
        const int perRead = 64 * 1024;
        const ulong present = 1UL << 63, swapped = 1UL << 62;
        var size = (long)Environment.SystemPageSize;
        var entries = new byte[perRead * EntryBytes];
        var from = -1L;
        for (var at = start; at < end;)
        {
            var wanted = (int)Math.Min(perRead, (end - at) / size) * EntryBytes;
            var count = RandomAccess.Read(pages, entries.AsSpan(0, wanted), at / size * EntryBytes) / EntryBytes;
            if (count == 0) break;
            for (var i = 0; i < count; i++, at += size)
            {
                var touched = (BitConverter.ToUInt64(entries, i * EntryBytes) & (present | swapped)) != 0;
                if (touched && from < 0) from = at;
                if (touched || from < 0) continue;
                yield return (from, at);
                from = -1;
            }
        }

        if (from >= 0) yield return (from, end);
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
