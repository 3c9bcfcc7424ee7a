"""`python -m cnnstat`."""

from .cli.main import main

main()
