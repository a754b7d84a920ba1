using Marionette.Silo;
using Marionette.Silo.Database;
using Marionette.Silo.Database.Embedded;
using Marionette.Silo.Hosting;

SiloSettings settings;
try
{
    settings = SiloSettings.Parse(args);
}
catch (ArgumentException e)
{
    await Console.Error.WriteLineAsync($"marionette-silo: {e.Message}");
    return 2;
}

try
{
    await SiloHost.RunAsync(settings);
    return 0;
}
catch (Exception e) when (e is EmbeddedPostgresException or MigrationException or StartException or IOException)
{
    // A start that fails for a reason that people can mend: one line, no stack.
    await Console.Error.WriteLineAsync($"marionette-silo: {e.Message}");
    return 1;
}
