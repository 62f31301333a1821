"""The command line, one module per command: parses options, calls sync and store, renders the result."""
