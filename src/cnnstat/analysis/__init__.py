"""From a trace to figures: pure functions over records, without torch."""
