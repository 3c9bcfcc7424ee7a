"""What other counters count, and why they differ."""
