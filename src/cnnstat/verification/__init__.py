"""Cross-check of the counts with other counters, and explanation of the differences."""
