"""Models whose sizes are not fixed yet: letters in the input, and ranges of what is varied."""
