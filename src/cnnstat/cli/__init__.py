"""The command line: one thin file per command, each options, one call and one `emit`."""
