"""From options to a result. Everything that needs torch is imported here, and only when it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from ..analysis.layer_table import check_options
from ..analysis.results import Analysis
from ..analysis.sight import sight
from ..choices import DeviceKind, LaneOrAuto, Mode
from ..comparison.results import Comparison
from ..errors import UsageError
from ..fast_meta import rules_postponed
from ..inputs import InputSpec, parse_input
from ..memory_usage.limit import limit_bytes
from ..models.saved import is_saved, read_analysis
from ..render.options import Ops, Options
from ..rooflines.results import Devices, Roofline
from ..rooflines.saved import find_device
from ..symbolic.results import Formulas, Scaling
from ..verification.results import Verification
from .calls import called, called_quickly, quick_import

if TYPE_CHECKING:
    from ..explanation.results import Explanation
    from ..memory_usage.results import Memory


def options_of(
    depth: int,
    columns: tuple[str, ...] = (),
    sort: str | None = None,
    top: int | None = None,
    ops: Ops = "auto",
) -> Options:
    """The options, refused here if they name an unknown column: before torch is imported."""
    options = Options(depth, columns, sort, top, ops)
    check_options(options)
    return options


def analysis_of(
    spec: str,
    inputs: list[str] | None,
    arguments: dict[str, Any],
    mode: Mode | None,
    lane: LaneOrAuto,
    training: bool,
) -> Analysis:
    specs = parse_inputs(inputs)
    if is_saved(spec):
        if specs or arguments or mode or training or lane != "auto":
            raise UsageError(
                f"{spec} is a saved analysis: it takes no --input, --arg, --mode, --training or "
                "--lane"
            )
        return read_analysis(spec)
    with quick_import(), rules_postponed():
        from ..api import analyze
    chosen = None if lane == "auto" else lane
    return called_quickly(
        lambda: analyze(
            spec, *specs, arguments=arguments, mode=mode, lane=chosen, training=training
        )
    )


def with_sight(analysis: Analysis, side: int) -> Analysis:
    """The analysis with what its receptive field is to objects of a size."""
    return structs.replace(analysis, notes=(*analysis.notes, *sight(analysis, side)))


def has_letters(inputs: list[str] | None) -> bool:
    return any(spec.letters for spec in parse_inputs(inputs))


def formulas_of(
    spec: str,
    inputs: list[str] | None,
    arguments: dict[str, Any],
    mode: Mode | None,
    lane: LaneOrAuto,
    training: bool,
) -> Formulas:
    specs = parse_inputs(inputs)
    if training or lane != "auto":
        option = "--training" if training else "--lane"
        raise UsageError(f"sizes that are letters take no {option}", hint="--input with numbers")
    with quick_import():
        from ..symbolic.formulas import formulas
    return called(lambda: formulas(spec, *specs, arguments=arguments, mode=mode or "eval"))


def scaling_of(
    models: list[str],
    over: str | None,
    inputs: list[str] | None,
    arguments: dict[str, Any],
    mode: Mode,
    fit: bool,
) -> Scaling:
    given = parse_inputs(inputs)
    if len(given) > 1:
        raise UsageError("scale varies the size of one --input")
    from ..symbolic.over import parse_over

    if over is not None:
        parse_over(over)  # refused here if malformed: before torch is imported
    with quick_import():
        from ..symbolic.scaling import scale
    first = given[0] if given else None
    return called(
        lambda: scale(*models, over=over, input=first, arguments=arguments, mode=mode, fit=fit)
    )


def comparison_of(
    specs: list[str],
    inputs: list[str] | None,
    arguments: dict[str, Any],
    mode: Mode | None,
    lane: LaneOrAuto,
    training: bool,
) -> Comparison:
    if len(specs) < 2:
        raise UsageError(
            f"compare takes two or more models, {len(specs)} was given",
            hint=f"cnnstat compare {specs[0]} alexnet",
        )
    given = parse_inputs(inputs)
    if len(given) > 1:
        raise UsageError("compare runs all models on one --input")
    if has_letters(inputs):
        raise UsageError(
            f"compare takes sizes that are numbers, not --input {given[0]}",
            hint=f"cnnstat scale {' '.join(specs)} --over H,W",
        )
    with quick_import(), rules_postponed():
        from ..api import compare
    return called_quickly(
        lambda: compare(
            *specs,
            input=given[0] if given else None,
            arguments=arguments,
            mode=mode,
            lane=None if lane == "auto" else lane,
            training=training,
        )
    )


def roofline_of(
    spec: str,
    inputs: list[str] | None,
    arguments: dict[str, Any],
    mode: Mode | None,
    lane: LaneOrAuto,
    device: str | None,
    device_peaks: str | None,
    **step: Any,
) -> Roofline:
    specs = parse_inputs(inputs)
    found = find_device(device, device_peaks)  # refused here, before torch is imported
    with quick_import(), rules_postponed():
        from ..rooflines.predict import roofline
    chosen = None if lane == "auto" else lane
    return called_quickly(
        lambda: roofline(
            spec, *specs, device=found, arguments=arguments, mode=mode, lane=chosen, **step
        )
    )


def devices_of(measure: bool, on: DeviceKind | None) -> Devices:
    if not measure:
        if on is not None:
            raise UsageError("--on says what to measure", hint="add --measure")
        from ..rooflines.listing import list_devices

        return list_devices()
    from ..rooflines.measuring import measure_device

    return Devices(devices=(measure_device(on),))


def explanation_of(
    spec: str,
    layer: str,
    inputs: list[str] | None,
    arguments: dict[str, Any],
    mode: Mode,
    lane: LaneOrAuto,
) -> Explanation:
    specs = parse_inputs(inputs)
    with quick_import(), rules_postponed():
        from ..api import explain
    chosen = None if lane == "auto" else lane
    return called_quickly(
        lambda: explain(spec, layer, *specs, mode=mode, lane=chosen, arguments=arguments)
    )


def memory_of(
    spec: str, inputs: list[str] | None, arguments: dict[str, Any], **options: Any
) -> Memory:
    """`options` are those of `cnnstat.memory`."""
    specs = parse_inputs(inputs)
    options["device_memory"] = limit_bytes(options["device_memory"])  # before torch is imported
    with quick_import(), rules_postponed():
        from ..memory_usage.predict import memory
    return called_quickly(lambda: memory(spec, *specs, arguments=arguments, **options))


def verification_of(
    spec: str, inputs: list[str] | None, arguments: dict[str, Any], mode: Mode
) -> Verification:
    specs = parse_inputs(inputs)
    with quick_import():
        from ..api import verify
    return called(lambda: verify(spec, *specs, arguments=arguments, mode=mode))


def parse_inputs(texts: list[str] | None) -> list[InputSpec]:
    return [parse_input(text) for text in texts or []]
