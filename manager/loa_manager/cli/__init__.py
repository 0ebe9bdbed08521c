"""One file a command: arguments, one call, one print."""
