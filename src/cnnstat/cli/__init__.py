"""The command line: one file per command: its options, one call, one `emit`."""
