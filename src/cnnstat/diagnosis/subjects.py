"""The model under diagnosis, in a form that can be run again with changes.

A model in the user's own files is executed again from changed text; any other is built again, and
modules of it are replaced.
"""

from __future__ import annotations

import ast
import inspect
import io
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import torch
from torch import nn

from ..choices import Mode
from ..errors import NOT_OF_THE_MODEL, LaneError, ModelError, text_of
from ..models.construction import construct
from ..models.loaded import Loaded
from ..models.model_inputs import default_inputs
from ..models.python_import import arguments_of_script
from ..models.reload import reloaded, root_of
from ..run_config import RunConfig
from ..trace.records import Failure, Frame, Trace
from ..tracing.places import frames_of, is_model_source, local_integers
from ..tracing.recording.recorder import Recorder
from ..tracing.recording.watcher import Watcher
from ..tracing.run.copies import meta_copy
from ..tracing.run.failures import about
from ..tracing.run.lane_selection import Builders, trace_on_lanes
from ..tracing.run.trace import trace
from ..tracing.structure.containers import tensors_among
from ..tracing.structure.modules import paths_of
from ..tracing.user_code.compilation import user_code
from .changes import NO_CHANGE, Change
from .creation import NotingSizes, Scope, Sized, noting_creations, scopes_of
from .literals import Literal as SourceLiteral
from .literals import Span, plain, tracked
from .raised import Raised, raised_by
from .source_text import names_for, replaced, with_tracked_numbers


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        failure: None if it ran to its end.
        output: the shapes that it then returned.
        texts: the sources that it ran from, by file, as changed.
        scopes: the calls that created each module, by its path, the innermost first; empty unless
            the run was watched.
        sized: the tensors that constructors created from numbers; likewise.
        signature: of the model's `forward`.
        sizes: the larger numbers that occur in the texts more than once; likewise.
        trace: of a run to its end.
        cause: the exception.
        raised: what it is about; None unless the run was watched.
    """

    failure: Failure | None
    output: tuple[tuple[int, ...], ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    scopes: Mapping[str, tuple[Scope, ...]] = field(default_factory=dict)
    sized: tuple[Sized, ...] = ()
    signature: str = ""
    sizes: tuple[int, ...] = ()
    trace: Trace | None = None
    cause: BaseException | None = None
    raised: Raised | None = None

    def described(self) -> Outcome:
        """The same with what the exception is about."""
        if self.cause is None:
            return self
        return replace(self, raised=raised_by(self.cause, self.texts))

    @property
    def sites(self) -> dict[str, Frame]:
        """Where each module was created, by its path."""
        return {path: scopes[0].frame for path, scopes in self.scopes.items() if scopes}


class Subject:
    """A model that `loaded.builders` builds; its source is unknown or not the user's to change."""

    place = ""

    def __init__(self, loaded: Loaded, mode: Mode) -> None:
        self.loaded = loaded
        self.mode = mode

    @property
    def inputs(self) -> tuple[Any, ...]:
        return tuple(self.loaded.inputs)

    @property
    def is_adjustable(self) -> bool:
        """Whether its layers may be replaced: those of an object that the user passed."""
        return self.loaded.source == "object"

    def run(self, change: Change = NO_CHANGE, watched: bool = False) -> Outcome:
        """Run the model as changed, without output and without data.

        A run that is `watched` records where numbers and modules come from, which takes longer.
        """
        builders = self.loaded.builders
        with_data = builders.with_data
        with quietly():
            try:
                model = _adjusted(builders.without_data(), change)
            except Exception as error:  # torch refuses the arguments in many ways
                return Outcome(self.without_a_run(error), cause=error)
            outcome = self._traced(
                model, change, watched,
                None if with_data is None else lambda: _adjusted(with_data(), change),
            )  # fmt: skip
        return outcome.described() if watched else outcome

    @contextmanager
    def changed(self, change: Change) -> Iterator[tuple[Loaded, dict[str, str]]]:
        """The model as changed, which runs inside, and the sources that it was built from.

        Raises:
            BaseException: whatever the code of the model raises.
        """
        builders = self.loaded.builders
        with_data = builders.with_data
        changed = Builders(
            lambda: _adjusted(builders.without_data(), change),
            None if with_data is None else lambda: _adjusted(with_data(), change),
        )
        yield replace(self.loaded, builders=changed, model=changed.without_data()), {}

    def _traced(
        self, model: nn.Module, change: Change, watched: bool,
        with_data: Callable[[], nn.Module] | None,
    ) -> Outcome:  # fmt: skip
        inputs = self.inputs if change.inputs is None else change.inputs
        named = self.loaded.named_inputs
        recorder_class = Watcher if watched else Recorder
        config = RunConfig(self.mode)
        output: list[tuple[int, ...]] = []

        def note(call: Any, result: Any) -> None:
            if call.parent is None:
                output[:] = [tuple(tensor.shape) for tensor in tensors_among(result)]

        signature = _signature(model)
        try:
            # On meta too: what a `forward` creates without a device is on that of its parameters.
            with torch.device("meta"):
                run = trace(
                    model, inputs, named, config, recorder_class=recorder_class, on_return=note
                )
        except LaneError as error:
            if watched or with_data is None:
                return self._failed(error, signature)
            # It needs values: the run without data got past the failure, or to another.
            builders = Builders(lambda: model, with_data)
            try:
                run = trace_on_lanes(model, builders, inputs, named, replace(config, lane="cpu"))
            except ModelError:
                return self._failed(error, signature)
            shapes = tuple(out.shape for out in run.calls[0].outputs)
            return Outcome(None, shapes, signature=signature, trace=run)
        except ModelError as error:
            return self._failed(error, signature)
        return Outcome(None, tuple(output), signature=signature, trace=run)

    def _failed(self, error: ModelError, signature: str) -> Outcome:
        failure = error.failure or self.without_a_run(error.__cause__ or error)
        return Outcome(failure, signature=signature, cause=error.__cause__ or error)

    def without_a_run(self, error: BaseException) -> Failure:
        """The failure of a model that could not be built."""
        empty = Trace(self.loaded.spec, self.mode, "meta", (), 0, (), (), {}, ())
        frames, file = frames_of(error)
        in_model = is_model_source(file)
        return Failure(empty, (), None, type(error).__name__, text_of(error), frames, in_model,
                       "model", local_integers(error), about=about(error))  # fmt: skip


class SourceSubject(Subject):
    """A model in the user's own files."""

    def __init__(self, loaded: Loaded, mode: Mode, root: Path) -> None:
        super().__init__(loaded, mode)
        self.place, _, self.name = loaded.written.rpartition(":")
        self.root = root

    @property
    def is_adjustable(self) -> bool:
        return False

    def run(self, change: Change = NO_CHANGE, watched: bool = False) -> Outcome:
        literals: list[SourceLiteral] = []
        texts: dict[str, str] = {}

        def parsed_text(text: str, file: str) -> ast.Module:
            texts[file] = text
            return with_tracked_numbers(text, file, literals) if watched else ast.parse(text, file)

        names = names_for(literals) if watched else {}
        scopes: dict[str, tuple[Scope, ...]] = {}
        sizes_noted = NotingSizes()
        with quietly():
            try:
                with (
                    noting_creations() if watched else nullcontext(),
                    self._reloaded(change, parsed_text, names) as module,
                ):
                    with sizes_noted if watched else nullcontext():
                        model, with_data = self._built(getattr(module, self.name), change, watched)
                    if watched:
                        scopes.update((path, scopes_of(part)) for path, part in paths_of(model))
                    self._complete_inputs(module, model)
                    outcome = self._traced(model, change, watched, with_data)
            except NOT_OF_THE_MODEL:
                raise
            except BaseException as error:  # user code may raise anything
                outcome = Outcome(self.without_a_run(error), cause=error)
        numbers = Counter(x.value for x in literals if isinstance(x.value, int) and x.value > 7)
        sizes = tuple(int(size) for size, count in numbers.items() if count > 1)
        outcome = replace(outcome, texts=texts, scopes=scopes, sized=tuple(sizes_noted.found),
                          sizes=sizes)  # fmt: skip
        return outcome.described() if watched else outcome

    @contextmanager
    def changed(self, change: Change) -> Iterator[tuple[Loaded, dict[str, str]]]:
        texts: dict[str, str] = {}

        def parsed_text(text: str, file: str) -> ast.Module:
            texts[file] = text
            return ast.parse(text, file)

        with self._reloaded(change, parsed_text, {}) as module:
            named = getattr(module, self.name)

            def without_data() -> nn.Module:
                return self._built(named, change, watched=False)[0]

            model, with_data = self._built(named, change, watched=False)
            builders = Builders(without_data, with_data)
            yield replace(self.loaded, builders=builders, model=model), texts

    @contextmanager
    def _reloaded(
        self, change: Change, parsed: Callable[[str, str], ast.Module], names: dict[str, Any]
    ) -> Iterator[ModuleType]:
        """The user's module from changed sources, which `parsed` parses."""

        def compiled(text: str, file: str) -> CodeType:
            text = change.texts.get(file, text)
            here = [r for r in change.replacements if r.span.file == file]
            return compile(parsed(replaced(text, here) if here else text, file), file, "exec")

        with (
            user_code(),
            arguments_of_script(self.place),
            reloaded(self.place, self.root, compiled, names) as module,
        ):
            yield module

    def _complete_inputs(self, module: ModuleType, model: nn.Module) -> None:
        """Infer the inputs of a model that could not be built before from its file or from it."""
        if not self.loaded.inputs and not self.loaded.named_inputs:
            example = plain(getattr(module, "example_input", None))
            default = default_inputs(self.loaded.spec, model, example)
            self.loaded = replace(
                self.loaded, inputs=tuple(default.positional), named_inputs=default.named
            )

    def _built(
        self, named: Any, change: Change, watched: bool
    ) -> tuple[nn.Module, Callable[[], nn.Module]]:
        """The model without data, and a function that builds it with data."""
        arguments = {**self.loaded.arguments, **change.arguments}
        if watched:
            arguments = {name: _as_argument(name, value) for name, value in arguments.items()}
        if isinstance(named, nn.Module):
            return meta_copy(named), lambda: named
        model = construct(named, arguments)
        if not isinstance(model, nn.Module):
            raise ModelError(f"{self.name} returns no nn.Module")
        return model, lambda: named(**arguments)


def subject_of(loaded: Loaded, mode: Mode) -> Subject:
    root = root_of(loaded.written.rpartition(":")[0]) if loaded.written else None
    return Subject(loaded, mode) if root is None else SourceSubject(loaded, mode, root)


def _as_argument(name: str, value: Any) -> Any:
    """The value of an `--arg`, tracked as such."""
    return tracked(value, SourceLiteral(Span("", 0, 0, 0, 0, name), value))


@contextmanager
def quietly() -> Iterator[None]:
    """Suppress output and warnings inside."""
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(io.StringIO()))
        stack.enter_context(redirect_stderr(io.StringIO()))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield


def _signature(model: nn.Module) -> str:
    try:
        return str(inspect.signature(model.forward))
    except (TypeError, ValueError):
        return ""


def _adjusted(model: nn.Module, change: Change) -> nn.Module:
    """The model with the layers that a change replaces."""
    for (path, name), value in change.settings.items():
        _replace_module(model, path, {name: value})
    for path, name in change.layers.items():
        _replace_module(model, path, {}, name)
    return model


def _replace_module(
    model: nn.Module, path: str, changed: Mapping[str, Any], layer: str = ""
) -> None:
    """Replace the layer at `path` by one with other constructor arguments, or of another class."""
    old = model.get_submodule(path)
    parent = model.get_submodule(path.rpartition(".")[0])
    cls = getattr(nn, layer) if layer else type(old)
    is_meta = any(tensor.is_meta for tensor in old.parameters())
    with torch.device("meta" if is_meta else "cpu"):
        new = cls(**{**constructor_arguments(old, cls), **changed})
    parent._modules[path.rpartition(".")[2]] = new.train(old.training)


def constructor_arguments(module: nn.Module, cls: type[nn.Module] | None = None) -> dict[str, Any]:
    """The arguments that a layer of torch was created with, read from its attributes.

    For `cls`, a layer of the same kind for another number of axes, one number is passed where all
    axes have the same.
    """
    arguments: dict[str, Any] = {}
    for name, parameter in constructor_parameters(cls or type(module)).items():
        value = getattr(module, name, None)
        if name == "bias" and value is None and getattr(module, "weight", None) is None:
            continue  # a norm without parameters
        if name == "bias":
            arguments[name] = value if isinstance(value, bool) else value is not None
        elif hasattr(module, name) and parameter.kind is not parameter.VAR_KEYWORD:
            is_uniform = isinstance(value, tuple) and len(set(value)) == 1
            arguments[name] = value[0] if cls and isinstance(value, tuple) and is_uniform else value
    return arguments


def constructor_parameters(cls: type[nn.Module]) -> Mapping[str, inspect.Parameter]:
    """The named parameters of a layer's constructor.

    Recurrent layers pass all arguments on to their base class, after its `mode`.
    """
    parameters = inspect.signature(cls).parameters
    if not issubclass(cls, nn.RNNBase):
        return parameters
    named = dict(inspect.signature(nn.RNNBase).parameters)
    del named["mode"]
    if not issubclass(cls, nn.LSTM):
        del named["proj_size"]
    if issubclass(cls, nn.RNN):
        kind = inspect.Parameter.KEYWORD_ONLY
        named["nonlinearity"] = inspect.Parameter("nonlinearity", kind, default="tanh")
    return named
