"""From a trace to figures: pure functions over records, no torch."""
