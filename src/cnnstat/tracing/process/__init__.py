"""What a run shares with the rest of the process: global state, classes, other threads."""
