"""The command line: parses, calls, renders. One module per command."""
