using Marionette.Cli;
using Marionette.Cli.Commands;

// Everything that a command needs from outside comes through CliContext, so that tests run whole command lines in-process.
return await CommandLine.RunAsync(args, CliContext.FromProcess(args));
