"""From the options of `bench` to a result: what is shown meanwhile, and how it ends."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from msgspec import structs

from ..bench.results import Benchmark, Protocol
from ..errors import UsageError
from ..render.options import Format
from .calls import quick_import
from .emit import Destination, emit
from .running import parse_inputs

if TYPE_CHECKING:
    from ..bench.work import Watch

_ALLOWED_WITH_RESUME = {"resume", "format"}


def benchmark_of(
    models: list[str],
    inputs: list[str] | None,
    arguments: dict[str, Any],
    protocol: Protocol,
    batch_size: int | str,
    output: Path | None,
) -> Benchmark:
    sizes = parse_inputs(inputs)
    if len(sizes) > 1:
        raise UsageError("bench trains all models on one --input")
    with quick_import():
        from ..bench.measuring import measure
    return _watched(
        lambda watch: measure(
            *models,
            input=str(sizes[0]) if sizes else None,
            arguments=arguments,
            output=output,
            watch=watch,
            **{**structs.asdict(protocol), "batch_size": batch_size},
        )
    )


def batch_size_of(text: str) -> int | str:
    """Read `--batch-size`.

    Raises:
        UsageError: it is neither a whole number nor `auto`.
    """
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--batch-size {text!r} is neither a whole number nor auto") from None


def resumed(folder: Path, given: list[str]) -> Benchmark:
    if given:
        raise UsageError(
            f"--resume goes on with what {folder}/config.json says: leave out {', '.join(given)}"
        )
    with quick_import():
        from ..bench.measuring import resume
    return _watched(lambda watch: resume(folder, watch))


def given_options(context: typer.Context) -> list[str]:
    """The options that were typed, but for those that go with `--resume`."""
    typed = [
        name for name in context.params
        if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    ]  # fmt: skip
    return [
        "MODEL" if name == "models" else f"--{name.replace('_', '-')}"
        for name in typed
        if name not in _ALLOWED_WITH_RESUME
    ]


def emit_benchmark(result: Benchmark, format: Format | None, folder: Path | None) -> None:
    """Print the result; then end as Ctrl-C does if it is that of an interrupted run.

    Under torchrun only the first process prints.
    """
    from ..bench.placing import is_first_process

    if is_first_process():
        emit(result, Destination(format or "table", None))
        if any(run.status == "interrupted" for run in result.runs):
            how = f"\n  to go on: cnnstat bench --resume {folder}" if folder else ""
            typer.echo(f"interrupted: what was measured until then is shown{how}", err=True)
    if any(run.status == "interrupted" for run in result.runs):
        raise KeyboardInterrupt


def _watched(call: Callable[[Watch], Benchmark]) -> Benchmark:
    from ..bench.placing import is_first_process
    from .progress import Progress

    with redirect_stdout(sys.stderr):
        if not is_first_process():
            return call(lambda event: None)
        with Progress() as progress:
            return call(progress.watch)
