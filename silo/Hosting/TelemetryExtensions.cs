using OpenTelemetry;
using OpenTelemetry.Resources;

namespace Marionette.Silo.Hosting;

/// <summary>Logs, traces and metrics of the process.</summary>
internal static class TelemetryExtensions
{
    /// <summary>One line per entry on stderr: stdout belongs to the ready banner.</summary>
    public static ILoggingBuilder AddMarionetteConsole(this ILoggingBuilder logging)
    {
        logging.AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.UseUtcTimestamp = true;
            console.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z' ";
            console.ColorBehavior = Microsoft.Extensions.Logging.Console.LoggerColorBehavior.Disabled;
        });
        logging.Services.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(o => o.LogToStandardErrorThreshold = LogLevel.Trace);
        logging.SetMinimumLevel(LogLevel.Information);
        logging.AddFilter("Orleans", LogLevel.Warning).AddFilter("Microsoft", LogLevel.Warning).AddFilter("Npgsql", LogLevel.Warning).AddFilter("Polly", LogLevel.Warning);
        // Notes on choices that we made knowingly (workstation GC), and on clock readings before the first check.
        logging.AddFilter("Orleans.Runtime.Silo", LogLevel.Error).AddFilter("Orleans.Runtime.Watchdog", LogLevel.Error);
        return logging;
    }

    /// <summary>Exports over OTLP when OTEL_EXPORTER_OTLP_ENDPOINT is set, as the OpenTelemetry specification has it; otherwise nothing leaves.</summary>
    public static IServiceCollection AddMarionetteTelemetry(this IServiceCollection services, IConfiguration configuration)
    {
        if (string.IsNullOrEmpty(configuration["OTEL_EXPORTER_OTLP_ENDPOINT"])) return services;
        services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService("marionette"))
            .UseOtlpExporter()
            .WithMetrics(metrics => metrics.AddMeter("Marionette", "Microsoft.Orleans", "Npgsql"))
            .WithTracing(tracing => tracing.AddSource("Marionette", "Microsoft.Orleans.Application", "Npgsql"));
        return services;
    }
}
