using System.Reflection;

namespace Marionette.Gateway.Tests.Support;

/// <summary>An interface whose calls go to one function: grain contracts have many members, and a test needs few of them.</summary>
#pragma warning disable CA1852 // the proxy that the runtime makes derives from it
internal class Fake<T> : DispatchProxy where T : class
{
    private Func<MethodInfo, object?[], object?> answer = (method, _) => throw new NotSupportedException(method.Name);

    public static T Create(Func<MethodInfo, object?[], object?> answer)
    {
        var proxy = Create<T, Fake<T>>();
        ((Fake<T>)(object)proxy).answer = answer;
        return proxy;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => answer(targetMethod!, args ?? []);
}
