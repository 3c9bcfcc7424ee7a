"""The program: the command `cnnstat`, and `python -m cnnstat`."""

from __future__ import annotations

import signal
from typing import NoReturn


def main() -> NoReturn:
    # A Ctrl-C during the imports ends the process as it ends a C program: without a traceback.
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli.main import main as run_command

    signal.signal(signal.SIGINT, usual)
    run_command()


if __name__ == "__main__":
    main()
