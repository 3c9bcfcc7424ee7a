"""What each of the other counters counts, from its source code."""
