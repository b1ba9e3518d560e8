"""The command line: options, and the commands beside serving."""
