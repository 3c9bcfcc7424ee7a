"""A model with symbolic dimensions in its inputs, and its runs at sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from ..analysis.results import Analysis
from ..analysis.rollup import analyse
from ..choices import LaneName, Mode
from ..comparison.variants import resized
from ..errors import CnnstatError, ModelError, UsageError
from ..inputs import InputSpec
from ..models.load import load
from ..models.loaded import Loaded
from ..models.model_inputs import implied_input, with_default_dtype
from ..models.saved import is_saved
from ..pipeline import ModelRun, load_model, run_model
from ..run_config import ModelRequest, RunConfig
from ..trace.records import Trace
from ..tracing.run.copies import meta_copy
from ..tracing.run.lane_selection import trace_on_lanes
from .results import SymbolicInput
from .runs import Outcome, SymbolicRun, shapes_at

_SIZES = (224, 32, 28, 64, 256, 299, 128, 384, 512, 16, 96, 48, 100, 8, 4, 2, 1)


def at_sizes(value: Any, values: Mapping[str, int]) -> Any:
    """The inputs with every symbolic dimension replaced by its size."""
    if isinstance(value, InputSpec):
        return value.at(values)
    if isinstance(value, tuple | list):
        return type(value)(at_sizes(item, values) for item in value)
    if isinstance(value, dict):
        return {key: at_sizes(item, values) for key, item in value.items()}
    return value


def specs_in(value: Any) -> Iterator[InputSpec]:
    if isinstance(value, InputSpec):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from specs_in(item)
    elif isinstance(value, dict):
        yield from specs_in(list(value.values()))


def dimensions_in(value: Any) -> Iterator[str]:
    for spec in specs_in(value):
        yield from (name for _, name in spec.symbols)


def format_values(values: Mapping[str, int]) -> str:
    return ", ".join(f"{name} = {size}" for name, size in values.items())


def starting_sizes(request: ModelRequest) -> dict[str, int]:
    """The sizes of the model's default input in the symbolic dimensions."""
    model, positional, named = request.model, request.inputs, request.named_inputs
    try:
        base = load(model, (), {}, request.arguments) if isinstance(model, str) else None
    except CnnstatError:  # it has no default input
        base = None
    starts = {
        name: spec.shape[dim]
        for spec in specs_in((positional, named)) for dim, name in spec.symbols if spec.shape[dim]
    }  # fmt: skip
    if isinstance(model, nn.Module):
        implied = implied_input(model).shape
        matching = [spec for spec in positional if len(spec.shape) == len(implied)]
        starts |= {n: implied[1] for spec in matching for dim, n in spec.symbols if dim == 1}
    pairs = [*zip(positional, base.inputs, strict=False)] if base else []
    pairs += [
        (named[name], base.named_inputs[name])
        for name in named
        if base and name in base.named_inputs
    ]
    for spec, value in pairs:
        if isinstance(spec, InputSpec) and len(getattr(value, "shape", ())) == len(spec.shape):
            for dim, name in spec.symbols:
                starts.setdefault(name, int(value.shape[dim]))
    return starts


def first_values(
    dimensions: Sequence[str],
    starts: Mapping[str, int],
    positional: Sequence[Any],
    named: Mapping[str, Any],
) -> Iterator[dict[str, int]]:
    """Sizes at which the model may run: its default ones, else common ones; 2 for a batch."""
    if all(name in starts for name in dimensions):
        yield dict(starts)
    batches = {
        name for spec in specs_in((positional, named)) for dim, name in spec.symbols if dim == 0
    }
    for size in _SIZES:
        yield {name: 2 if name in batches else starts.get(name, size) for name in dimensions}


_OFFSETS = (1, 2, 4, 8, 16, 32)  # added to a size that another dimension has too

_Key = tuple[tuple[str, int], ...]


def _key(values: Mapping[str, int]) -> _Key:
    return tuple(sorted(values.items()))


@dataclass
class SymbolicModel:
    """A model and its inputs with symbolic dimensions; `base` are sizes at which it runs."""

    loaded: Loaded
    inputs: tuple[Any, ...]
    named: dict[str, Any]
    mode: Mode
    dimensions: tuple[str, ...]
    base: dict[str, int] = field(default_factory=dict)
    lane: LaneName | None = None
    traces: dict[_Key, Trace] = field(default_factory=dict)
    outcomes: dict[_Key, Outcome] = field(default_factory=dict)
    analyses: dict[_Key, Analysis] = field(default_factory=dict)

    @classmethod
    def of(cls, request: ModelRequest, mode: Mode) -> SymbolicModel:
        model = request.model
        if is_saved(model):
            raise UsageError(f"{model} is a saved analysis: its sizes are numbers")
        request = request.parsed()
        positional, keywords = tuple(request.inputs), dict(request.named_inputs)
        dimensions = tuple(dict.fromkeys(dimensions_in((positional, keywords))))
        if not dimensions:
            raise UsageError("no letter among the inputs", hint="--input 1,3,H,W")
        starts = starting_sizes(request)
        errors: dict[str, str] = {}
        for values in first_values(dimensions, starts, positional, keywords):
            loaded = load_model(
                replace(
                    request,
                    inputs=at_sizes(positional, values),
                    named_inputs=at_sizes(keywords, values),
                )
            )
            if not isinstance(loaded, Loaded):
                raise UsageError(f"{model} is a graph that is not run: its sizes are numbers")
            symbolic = replace(loaded, inputs=positional, named_inputs=keywords)
            symbolic = with_default_dtype(symbolic)
            subject = cls(
                loaded, symbolic.inputs, symbolic.named_inputs, mode, dimensions, dict(values)
            )
            subject.lane = subject._lane_at(values, errors)
            if subject.lane is not None:
                subject._separate_sizes()
                return subject
        failed = ModelError(
            "no sizes were found at which the model runs", *list(errors.values())[:3],
            hint="--input with numbers, to see why",
        )  # fmt: skip
        failed.diagnosis = subject._diagnosis()
        failed.context = (failed.message,)
        raise failed

    def _diagnosis(self) -> Any:
        """Why the model does not run at its first sizes; None if nothing shows it."""
        try:
            self._run(self.base, diagnosed=True)
        except ModelError as error:
            return error.diagnosis
        return None

    def _lane_at(self, values: Mapping[str, int], errors: dict[str, str]) -> LaneName | None:
        try:
            lane: LaneName = self.analysis(values).lane  # type: ignore[assignment]  # str in the JSON
        except CnnstatError as error:
            errors.setdefault(error.message, f"{format_values(values)}: {error.message}")
            return None
        return lane

    def _run(self, values: Mapping[str, int], diagnosed: bool = False) -> ModelRun:
        loaded = Loaded(
            self.loaded.spec, self.loaded.source, meta_copy(self.loaded.model),
            self.loaded.builders, at_sizes(self.inputs, values), at_sizes(self.named, values),
            self.loaded.arguments, self.loaded.mode,
        )  # fmt: skip
        if diagnosed:  # fixes are tried in the source
            loaded = replace(loaded, written=self.loaded.written)
        return run_model(loaded, RunConfig(self.mode, self.lane, diagnosed=diagnosed))

    def trace_at(self, values: Mapping[str, int]) -> Trace:
        """The symbolic run that was made at these sizes."""
        return self.traces[_key(values)]

    def analysis(self, values: Mapping[str, int]) -> Analysis:
        key = _key(values)
        if key not in self.analyses:
            self.analyses[key] = self._run(values).analysis
        return self.analyses[key]

    def resized(self, values: Mapping[str, int], linear: str) -> Analysis:
        """The model with a linear layer widened to fit these sizes.

        Raises:
            ModelError: the model does not run with that layer replaced either.
        """
        inputs = at_sizes(self.inputs, values), at_sizes(self.named, values)
        variant = resized(self.loaded.model, inputs, self.mode, linear)
        base = self.analysis(self.base)
        return analyse(variant, base.model, base.tool)

    def outcome(self, values: Mapping[str, int]) -> Outcome:
        """A plain run at these sizes."""
        key = _key(values)
        if key not in self.outcomes:
            self.outcomes[key] = self._outcome(values)
        return self.outcomes[key]

    def _outcome(self, values: Mapping[str, int]) -> Outcome:
        try:
            trace = trace_on_lanes(
                meta_copy(self.loaded.model), self.loaded.builders,
                at_sizes(self.inputs, values), at_sizes(self.named, values),
                RunConfig(self.mode, self.lane),
            )  # fmt: skip
        except ModelError as error:
            return Outcome(None, error.message, error.details[-1] if error.details else "")
        return Outcome(shapes_at(trace, {}))

    def symbolic_run(self, values: Mapping[str, int]) -> tuple[SymbolicRun | None, str]:
        """A symbolic run at these sizes, or the reason why there is none."""
        if self.lane != "meta":
            return None, "the model needs values, so letters do not go through it"
        try:
            from ..tracing.symbolic_sizes.symbolic_run import trace_symbolically

            run = trace_symbolically(
                self.loaded.model, self.inputs, self.named, values, RunConfig(self.mode)
            )
        except ModelError as error:
            why = error.details[-1] if error.details else ""
            return None, f"letters do not go through the model: {error.message}; {why}"
        except ImportError as error:  # it is the private interface of torch's compiler
            return None, f"letters do not go through this torch: {error}"
        self.traces[_key(values)] = run.trace
        layers = [f"{call.path} ({call.type})" for call in run.trace.calls]
        return SymbolicRun(run.conditions, lambda v: shapes_at(run.trace, v), layers), ""

    def _separate_sizes(self) -> None:
        """Choose other sizes for dimensions of size 1, or of the size of another, if they run.

        A condition met by equal sizes, or by 1, need not hold in general.
        """
        for place, name in enumerate(self.dimensions):
            before = {self.base[other] for other in self.dimensions[:place]}
            size = self.base[name]
            if size > 1 and size not in before:
                continue
            for more in _OFFSETS:
                values = {**self.base, name: size + more}
                if size + more not in before and self.outcome(values).shapes is not None:
                    self.base = values
                    break

    def symbolic_inputs(self) -> Iterator[SymbolicInput]:
        for name, value in (*((None, i) for i in self.inputs), *self.named.items()):
            if isinstance(value, InputSpec):
                yield SymbolicInput(name, value.sizes, value.dtype)
            elif hasattr(value, "shape"):
                yield SymbolicInput(name, tuple(value.shape), str(value.dtype))
