"""The command line: one file a command, found by its name; a file with a `COMMAND` is a command."""
