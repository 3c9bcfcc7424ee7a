"""The version, alone in a file that imports nothing: `cnnstat --version` must be instant."""

__version__ = "0.1.0"
