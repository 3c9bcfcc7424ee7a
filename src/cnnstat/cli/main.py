"""The entry point: the commands, the only handler of errors, and a fast exit."""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import shlex
import sys
import threading
import traceback
from time import sleep
from typing import Annotated, Any, NoReturn

import typer

from ..errors import CnnstatError, ModelError, OutputError, UsageError, message_of
from ..escaping import visible_lines
from ..public_calls import command_line
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
from .first_words import in_words_of_cnnstat
from .model_code import leave, prepare_process
from .pager import use_pager
from .terminal import echo, echo_error, echo_note, prepare_streams
from .usage import EXAMPLE, ClickError, usage_error

app = typer.Typer(
    name="cnnstat", no_args_is_help=True, rich_markup_mode=None,
    pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def _add(name: str, module: Any, short_help: str, example: str) -> None:
    """Add a command; `example` ends its help, and errors about what was typed show it."""
    app.command(name, short_help=short_help, epilog=f"{EXAMPLE}cnnstat {name} {example}".rstrip())(
        module.command
    )


_add("list", list_models, "The models that can be named.", "--filter 'resnet*'")
_add("shapes", shapes, "Every layer's shape and cost, and the totals.", "nin --depth 1")
_add("compare", compare, "How networks differ, and why.", "nin alexnet")
_add("explain", explain, "The arithmetic of one layer, with its numbers.", "alexnet conv2")
_add("lint", lint, "Mistakes in networks that run.", "my_model.py:Net")
_add("scale", scale, "How costs grow with a size or an argument.", "nin --over H,W=128:512:*2")
_add("memory", memory, "What training will hold on a device, before it.", "nin --batch-size 128")
_add("roofline", roofline, "What a step takes at least on a device.", "nin --device h100")
_add("devices", devices, "Peaks of devices, stated or measured.", "")
_add("latency", latency, "Inference, timed: latency and throughput.", "lenet --batch-size 1,8")
_add("bench", bench, "Train it for real: accuracy, speed, memory.", "lenet --epochs 2")
_add("verify", verify, "What other counters say, and why it differs.", "nin")


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
    no_pager: Annotated[
        bool, typer.Option("--no-pager", help="Print long results at once: no CNNSTAT_PAGER, PAGER "
                           "or less.")
    ] = False,
) -> None:  # fmt: skip
    """Tell what a neural network is and what it costs before anyone trains it.

    Nothing is downloaded and no weights are read: models run once, on tensors that have a shape
    and no data. Only latency and bench run them for real, and bench fetches the data that is named.

    Your own files see the packages of the Python that runs cnnstat. In your project's environment
    that is python -m cnnstat; else: uvx --with timm cnnstat, or pipx inject cnnstat timm.
    """


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit status."""
    debug = "--debug" in arguments  # at any place: they are no options of a command
    use_pager("--no-pager" not in arguments)
    typed = [argument for argument in arguments if argument not in ("--debug", "--no-pager")]
    commands = [command.name or "" for command in app.registered_commands]
    try:
        with command_line():
            return _run_command(with_numbered_fix(in_words_of_cnnstat(typed, commands, echo_note)))
    except SystemExit as error:
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":
            return 0  # typer sets this for a reader that left early, as `head` does
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except (KeyboardInterrupt, typer.Abort):
        leave()
        return 130
    except CnnstatError as error:
        if error.hint and typed[:1] and typed[0] in _OF_ONE_MODEL:
            error.hint = error.hint.replace("cnnstat shapes ", f"cnnstat {typed[0]} ", 1)
        return _report(error, debug, offers_fix=_has_fix(typed[0] if typed else ""))
    except Exception as error:  # a bug of ours: users' mistakes are CnnstatErrors
        if isinstance(error, OSError) and error.errno in _NO_SPACE:  # for the help or the version
            return _report(
                OutputError("cannot write to standard output", error.strerror or ""), debug
            )
        fault = f"this is a fault of cnnstat: {type(error).__name__}: {message_of(error)}"
        again = "the same command with --debug, and report what it prints"
        return _report(CnnstatError(fault, hint=again), debug)


_OF_ONE_MODEL = ("lint", "memory", "roofline", "latency", "bench", "verify", "scale")
"""Commands that take a model as `shapes` does: what to type instead is one of the same command."""


def _run_command(arguments: list[str]) -> int:
    """Parse a command line and run it; errors of its syntax are raised as errors of cnnstat's."""
    try:
        status = app(arguments, standalone_mode=False)
    except ClickError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            echo(str(error))
            return UsageError.exit_status
        raise usage_error(error, typer.main.get_command(app), arguments) from error
    return status if isinstance(status, int) else 0


def with_numbered_fix(arguments: list[str]) -> list[str]:
    """`--fix` without a number is `--fix 1`: options with a value always take one.

    Raises:
        UsageError: the command is lint, whose option takes no number.
    """
    pairs = list(zip(arguments, (*arguments[1:], ""), strict=False))
    if arguments[:1] != ["lint"]:
        return [
            "--fix=1" if argument == "--fix" and not after.isdecimal() else argument
            for argument, after in pairs
        ]
    if any(argument == "--fix" and after.isdecimal() for argument, after in pairs):
        bare = [argument for argument in arguments if not argument.isdecimal()]
        raise UsageError(
            "--fix of lint takes no number: it writes the fixes of all findings",
            hint=shlex.join(["cnnstat", *bare]),
        )
    return arguments


_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def _has_fix(name: str) -> bool:
    """Whether a command writes fixes; `shapes` may be left out."""
    group: Any = typer.main.get_command(app)
    command = group.commands.get(name, group.commands["shapes"])
    return any(param.name == "fix" for param in command.params)


def _report(error: CnnstatError, debug: bool, offers_fix: bool = True) -> int:
    """Print an error, after the traceback if that is wanted; return the exit status."""
    if isinstance(error, UsageError) and _is_later_process():
        sleep(_SECONDS_FOR_FIRST)  # torchrun ends the others when one ends
        return error.exit_status
    with contextlib.suppress(OSError, ValueError):  # standard error is full or closed
        if debug:
            echo(visible_lines(traceback.format_exc()))
        if isinstance(error, ModelError) and error.diagnosis is not None:
            from .problems import print_problems

            print_problems(error, offers_fix)
        else:
            echo_error(error)
    return error.exit_status


def _is_later_process() -> bool:
    """Whether torchrun started this process, and another one first on this machine.

    A command line is the same for all, and so is what is wrong with it.
    """
    return "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("LOCAL_RANK", "0") != "0"


_SECONDS_FOR_FIRST = 5.0


def main() -> NoReturn:
    prepare_streams()
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
