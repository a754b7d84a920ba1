using Microsoft.Net.Http.Headers;

namespace Marionette.Gateway.Rest;

/// <summary>Answers that are files: a browser saves them and never shows them, whatever is in them.</summary>
internal static class Downloads
{
    /// <param name="name">For who saves it.</param>
    /// <param name="length">Bytes, where they are known.</param>
    public static void Begin(HttpResponse response, string contentType, string name, long? length)
    {
        response.ContentType = contentType;
        response.ContentLength = length;
        var disposition = new ContentDispositionHeaderValue("attachment");
        disposition.SetHttpFileName(name);
        response.Headers.ContentDisposition = disposition.ToString();
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers.CacheControl = "no-store";
    }
}
