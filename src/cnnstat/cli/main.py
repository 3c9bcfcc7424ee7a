"""The entry point: the commands, the only handler of errors, and a fast exit."""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import sys
import threading
import traceback
from typing import Annotated, NoReturn

import typer

from ..errors import CnnstatError, ModelError, OutputError, message_of
from ..escaping import message_text, visible_lines
from ..version import __version__
from . import (
    bench,
    compare,
    devices,
    explain,
    latency,
    lint,
    list_models,
    memory,
    roofline,
    scale,
    shapes,
    verify,
)
from .completion import join_words_of_bash
from .model_code import prepare_process

app = typer.Typer(
    name="cnnstat", no_args_is_help=True, rich_markup_mode=None,
    pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
app.command("list", short_help="The models that can be named.")(list_models.command)
app.command("shapes", short_help="Every layer's shape and cost, and the totals.")(shapes.command)
app.command("compare", short_help="How networks differ, and why.")(compare.command)
app.command("explain", short_help="The arithmetic of one layer, with its numbers.")(explain.command)
app.command("lint", short_help="Mistakes in networks that run.")(lint.command)
app.command("scale", short_help="How costs grow with a size or an argument.")(scale.command)
app.command("memory", short_help="What training will hold on a device, before it.")(memory.command)
app.command("roofline", short_help="What a step takes at least on a device.")(roofline.command)
app.command("devices", short_help="Peaks of devices, stated or measured.")(devices.command)
app.command("latency", short_help="Inference, timed: latency and throughput.")(latency.command)
app.command("bench", short_help="Train it for real: accuracy, speed, memory.")(bench.command)
app.command("verify", short_help="What other counters say, and why it differs.")(verify.command)


def _print_version(show: bool) -> None:
    if show:
        typer.echo(f"cnnstat {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True,
                           help="Print the version and leave.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:  # fmt: skip
    """Tell what a neural network is and what it costs before anyone trains it.

    Nothing is downloaded and no weights are read: models run once, on tensors that have a shape
    and no data. Only latency and bench run them for real, and bench fetches the data that is named.
    """


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit status."""
    debug = "--debug" in arguments  # at any place: it is no option of a command
    try:
        app(with_numbered_fix([argument for argument in arguments if argument != "--debug"]))
    except SystemExit as error:
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":
            return 0  # typer sets this for a reader that left early, as `head` does
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except KeyboardInterrupt:
        return 130
    except CnnstatError as error:
        if isinstance(error, ModelError) and error.diagnosis is not None:
            _report_problems(error, debug)
        else:
            _report(str(error), debug)
        return error.exit_status
    except Exception as error:  # a bug of ours: users' mistakes are CnnstatErrors
        if isinstance(error, OSError) and error.errno in _NO_SPACE:  # for the help or the version
            _report(f"cannot write to standard output\n  {error.strerror}", debug)
            return OutputError.exit_status
        _report(
            message_text(f"this is a fault of cnnstat: {type(error).__name__}: {message_of(error)}")
            + "\n  try: the same command with --debug, and report what it prints",
            debug,
        )
        return 1
    return 0


def with_numbered_fix(arguments: list[str]) -> list[str]:
    """`--fix` without a number is `--fix 1`: options with a value always take one."""
    following = (*arguments[1:], "")
    return [
        "--fix=1" if argument == "--fix" and not after.isdecimal() else argument
        for argument, after in zip(arguments, following, strict=False)
    ]


_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def _report(message: str, debug: bool) -> None:
    """Print an error, after its traceback if that is wanted."""
    with contextlib.suppress(OSError, ValueError):  # standard error is full or closed
        if debug:
            typer.echo(visible_lines(traceback.format_exc()), err=True)
        typer.echo(f"error: {message}", err=True)


def _report_problems(error: ModelError, debug: bool) -> None:
    """Print the errors of a diagnosis with their places in the source."""
    from .problems import print_problems

    with contextlib.suppress(OSError, ValueError):
        if debug:
            typer.echo(visible_lines(traceback.format_exc()), err=True)
        print_problems(error)


def main() -> NoReturn:
    prepare_process(debug="--debug" in sys.argv)
    join_words_of_bash()
    status = run(sys.argv[1:])
    _exit(status)


def _exit(status: int) -> NoReturn:
    """End the process without tearing down torch's modules, which takes a third of a second.

    Exit handlers run and output is flushed, as at a normal exit. If other threads are running, the
    exit is a normal one, unless they go on: a thread of a model's may never end.
    """
    if threading.active_count() > 1:
        _flush()
        end = threading.Timer(_SECONDS_FOR_THREADS, os._exit, (status,))
        end.daemon = True
        end.start()
        sys.exit(status)
    atexit._run_exitfuncs()
    _flush()
    os._exit(status)


_SECONDS_FOR_THREADS = 2.0


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, AttributeError):  # closed, or the disk is full
            stream.flush()
