using System.Globalization;
using System.Xml.Linq;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Marionette.TestBucket;

/// <content>The calls.</content>
public sealed partial class StrictBucket
{
    private const int SmallestPart = 5 << 20;

    private Task PutAsync(HttpContext http, string key, Stored stored)
    {
        if (!TryStore(http, key, stored)) return FailAsync(http, 412, "PreconditionFailed");
        http.Response.Headers.ETag = stored.ETag;
        return Task.CompletedTask;
    }

    private bool TryStore(HttpContext http, string key, Stored stored)
    {
        lock (gate)
        {
            if (http.Request.Headers.IfNoneMatch == "*" && !IgnoresConditions && objects.ContainsKey(key)) return false;
            objects[key] = stored;
            return true;
        }
    }

    private async Task ReadAsync(HttpContext http, string key, bool cut)
    {
        if (!objects.TryGetValue(key, out var stored))
        {
            await FailAsync(http, 404, "NoSuchKey");
            return;
        }

        var part = (ReadOnlyMemory<byte>)stored.Content;
        if (RangeHeaderValue.TryParse(http.Request.Headers.Range.ToString(), out var ranges) && ranges.Ranges.Single() is { From: { } from } range)
        {
            if (from >= part.Length)
            {
                await FailAsync(http, 416, "InvalidRange");
                return;
            }

            var to = Math.Min(range.To ?? long.MaxValue, part.Length - 1);
            http.Response.StatusCode = 206;
            http.Response.Headers.ContentRange = $"bytes {from}-{to}/{part.Length}";
            part = part[(int)from..(int)(to + 1)];
        }

        http.Response.ContentLength = part.Length;
        http.Response.Headers.ETag = stored.ETag;
        http.Response.Headers.LastModified = stored.Written.ToString("R", CultureInfo.InvariantCulture);
        foreach (var (name, value) in stored.Metadata) http.Response.Headers[name] = value;
        if (http.Request.Method == "HEAD") return;
        await http.Response.Body.WriteAsync(cut ? part[..(part.Length / 2)] : part);
        if (!cut) return;
        await http.Response.Body.FlushAsync();
        http.Abort();
    }

    private Task DeleteAsync(HttpContext http, string key)
    {
        objects.TryRemove(key, out _);
        http.Response.StatusCode = 204;
        return Task.CompletedTask;
    }

    private Task ListAsync(HttpContext http)
    {
        var query = http.Request.Query;
        var (prefix, after) = (query["prefix"].ToString(), query["continuation-token"].ToString());
        var found = Keys.Where(key => key.StartsWith(prefix, StringComparison.Ordinal) && string.CompareOrdinal(key, after) > 0).Take(PageSize + 1).ToList();
        var page = found.Take(PageSize).ToList();
        XNamespace s3 = "http://s3.amazonaws.com/doc/2006-03-01/";
        return WriteAsync(http, new XElement(
            s3 + "ListBucketResult", new XElement(s3 + "Name", Bucket), new XElement(s3 + "Prefix", prefix), new XElement(s3 + "KeyCount", page.Count),
            new XElement(s3 + "IsTruncated", found.Count > PageSize), found.Count > PageSize ? new XElement(s3 + "NextContinuationToken", page[^1]) : null,
            page.Where(objects.ContainsKey).Select(key => new XElement(
                s3 + "Contents", new XElement(s3 + "Key", key), new XElement(s3 + "Size", objects[key].Content.Length), new XElement(s3 + "ETag", objects[key].ETag),
                new XElement(s3 + "LastModified", objects[key].Written.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture))))));
    }

    private Task BeginAsync(HttpContext http, string key)
    {
        var id = Guid.NewGuid().ToString("n");
        uploads[id] = new Parts(key, MetadataOf(http), new());
        return WriteAsync(http, new XElement("InitiateMultipartUploadResult", new XElement("Bucket", Bucket), new XElement("Key", key), new XElement("UploadId", id)));
    }

    private Task PutPartAsync(HttpContext http, byte[] content)
    {
        if (!uploads.TryGetValue(http.Request.Query["uploadId"].ToString(), out var upload)) return FailAsync(http, 404, "NoSuchUpload");
        var number = int.Parse(http.Request.Query["partNumber"].ToString(), CultureInfo.InvariantCulture);
        upload.Content[number] = content;
        http.Response.Headers.ETag = $"\"part-{number}\"";
        return Task.CompletedTask;
    }

    private Task CompleteAsync(HttpContext http, string key, byte[] content)
    {
        var id = http.Request.Query["uploadId"].ToString();
        if (!uploads.TryGetValue(id, out var upload)) return FailAsync(http, 404, "NoSuchUpload");
        using var text = new MemoryStream(content);
        var numbers = XDocument.Load(text).Descendants().Where(element => element.Name.LocalName == "PartNumber").Select(element => (int)element).ToList();
        if (!numbers.SequenceEqual(upload.Content.Keys.Order()) || numbers.SkipLast(1).Any(number => upload.Content[number].Length < SmallestPart))
            return FailAsync(http, 400, "InvalidPart");
        var whole = new Stored([.. numbers.SelectMany(number => upload.Content[number])], DateTimeOffset.UtcNow, upload.Metadata);
        if (!TryStore(http, key, whole)) return FailAsync(http, 412, "PreconditionFailed");
        uploads.TryRemove(id, out _);
        return WriteAsync(http, new XElement("CompleteMultipartUploadResult", new XElement("Bucket", Bucket), new XElement("Key", key), new XElement("ETag", whole.ETag)));
    }

    private Task AbortAsync(HttpContext http)
    {
        uploads.TryRemove(http.Request.Query["uploadId"].ToString(), out _);
        http.Response.StatusCode = 204;
        return Task.CompletedTask;
    }
}
