"""The arithmetic of one layer with its numbers put in."""
