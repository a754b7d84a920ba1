using Marionette.Gateway.Rest.Models;

namespace Marionette.Gateway.Rest;

internal static class ListResults
{
    /// <summary>Rows to the envelope that every list has.</summary>
    public static ListModel<TModel> ToList<TView, TModel>(this StatePage<TView> page, Func<TView, TModel> show, Func<TModel, string> idOf)
    {
        var items = page.Items.ConvertAll(view => show(view));
        return new(items, page.HasMore, page.HasMore ? ListQuery.CursorOf(idOf(items[^1])) : null, page.Total);
    }

    public static RouteHandlerBuilder Paged(this RouteHandlerBuilder endpoint) => endpoint
        .Query("limit", $"Items of a page, 1 to {ListQuery.MaxLimit}; default {ListQuery.DefaultLimit}")
        .Query("cursor", "next_cursor of the page before");
}
