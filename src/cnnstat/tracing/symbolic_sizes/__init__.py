"""A run with symbolic sizes, and the conditions on them."""
