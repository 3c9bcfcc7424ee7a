"""The built-in architectures: one readable file each, listed in `catalog.py`."""
