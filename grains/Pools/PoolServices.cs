using Marionette.Providers;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Marionette.Pools;

/// <summary>A pool that this installation has.</summary>
internal sealed record ConfiguredPool(string Name);

/// <summary>Wires pools into a silo.</summary>
public static class PoolServices
{
    /// <summary>Adds a pool, and the provider of its name, for each of the names. What it takes of the configuration: <see cref="PoolOptions"/>.</summary>
    /// <exception cref="ArgumentException">A name is not one of a pool, or comes twice.</exception>
    public static IServiceCollection AddMarionettePools(this IServiceCollection services, IConfiguration configuration, IEnumerable<string> names)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var name in names)
        {
            if (!PoolKeys.IsPool(name))
                throw new ArgumentException($"\"{name}\" names no pool: 1 to 40 of a-z, 0-9 and -, not {string.Join(", ", PoolKeys.Reserved.Order())}.", nameof(names));
            if (!seen.Add(name)) throw new ArgumentException($"The pool \"{name}\" is named twice.", nameof(names));
            services.AddOptions<PoolOptions>(name).Bind(configuration.GetSection($"{PoolOptions.SectionName}:{name}")).ValidateOnStart();
            services.AddSingleton(new ConfiguredPool(name));
            services.AddSingleton<IRunnerProvider>(s => new PoolProvider(
                name, s.GetRequiredService<IGrainFactory>(), s.GetRequiredService<IOptionsMonitor<PoolOptions>>(), s.GetRequiredService<TimeProvider>()));
        }

        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<PoolOptions>, PoolOptionsRules>());
        return services;
    }
}
