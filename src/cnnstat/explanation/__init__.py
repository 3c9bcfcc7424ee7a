"""The arithmetic of one layer with its numbers put into the formulas."""
