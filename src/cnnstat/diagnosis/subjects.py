"""What is being diagnosed, in a form that can be run again with changes.

A model written in the user's own files is executed afresh from changed text; any other is built
anew, and modules of it are exchanged.
"""

from __future__ import annotations

import ast
import inspect
import io
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import torch
from torch import nn

from ..choices import Mode
from ..errors import ModelError
from ..models.construction import construct
from ..models.loaded import Loaded
from ..models.python_files import inputs_of
from ..models.reload import afresh, root_of
from ..run_config import RunConfig
from ..trace.records import Failure, Frame, Trace
from ..tracing.copies import meta_copy
from ..tracing.failures import about
from ..tracing.nested import tensors_among
from ..tracing.places import Watcher, frames_of, is_of_the_model, numbers_known
from ..tracing.recorder import Recorder
from ..tracing.run import trace
from .changes import NO_CHANGE, Change
from .literals import Literal as SourceLiteral
from .literals import Span, plain, tracked
from .rewriting import names_for, replaced, with_tracked_numbers
from .sites import construction_sites


@dataclass(frozen=True)
class Outcome:
    """How a run went: `failure` is None if it came to its end, with outputs of these shapes.

    `texts` are the sources it ran from, by file, as changed; `sites` where modules were made;
    `sizes` the larger numbers that stand in the texts more than once. All are empty unless it was
    watched.
    """

    failure: Failure | None
    output: tuple[tuple[int, ...], ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    sites: Mapping[str, Frame] = field(default_factory=dict)
    signature: str = ""
    sizes: tuple[int, ...] = ()


class Subject:
    """A model that was built by `loaded.builders`; its text is not at hand or not to be changed."""

    place = ""

    def __init__(self, loaded: Loaded, mode: Mode) -> None:
        self.loaded = loaded
        self.mode = mode

    @property
    def inputs(self) -> tuple[Any, ...]:
        return tuple(self.loaded.inputs)

    @property
    def adjustable(self) -> bool:
        """Whether layers can be exchanged: those of the user's own object."""
        return self.loaded.source == "object"

    def run(self, change: Change = NO_CHANGE, watched: bool = False) -> Outcome:
        """Run the model as changed, without a sound and without data."""
        with quietly():
            model = self.loaded.builders.without_data()
            for (path, name), value in change.settings.items():
                _exchange(model, path, {name: value})
            return self._traced(model, change, watched)

    def _traced(self, model: nn.Module, change: Change, watched: bool) -> Outcome:
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
            trace(model, inputs, named, config, recorder_class=recorder_class, on_return=note)
        except ModelError as error:
            failure = error.failure or self._without_a_run(error.__cause__ or error)
            return Outcome(failure, signature=signature)
        return Outcome(None, tuple(output), signature=signature)

    def _without_a_run(self, error: BaseException) -> Failure:
        """The failure of a model that could not even be built."""
        empty = Trace(self.loaded.spec, self.mode, "meta", (), 0, (), (), {}, ())
        frames, file = frames_of(error)
        own = is_of_the_model(file)
        return Failure(empty, (), None, type(error).__name__, str(error), frames, own, "model",
                       numbers_known(error), about=about(error))  # fmt: skip


class Written(Subject):
    """A model in the user's own files."""

    def __init__(self, loaded: Loaded, mode: Mode, root: Path) -> None:
        super().__init__(loaded, mode)
        self.place, _, self.name = loaded.written.rpartition(":")
        self.root = root

    @property
    def adjustable(self) -> bool:
        return False

    def run(self, change: Change = NO_CHANGE, watched: bool = False) -> Outcome:
        literals: list[SourceLiteral] = []
        texts: dict[str, str] = {}

        def compiled(text: str, file: str) -> CodeType:
            text = change.texts.get(file, text)
            here = [r for r in change.replacements if r.span.file == file]
            if here:
                text = replaced(text, here)
            texts[file] = text
            program = with_tracked_numbers(text, file, literals) if watched else ast.parse(text)
            return compile(program, file, "exec")

        names = names_for(literals) if watched else {}
        sites: dict[str, Frame] = {}
        with quietly():
            try:
                with afresh(self.place, self.root, compiled, names) as module:
                    model = self._built(getattr(module, self.name), change, watched, sites)
                    self._take_example(module, model)
                    outcome = self._traced(model, change, watched)
            except (Exception, SystemExit) as error:  # the user's code, as changed: anything
                outcome = Outcome(self._without_a_run(error))
        numbers = Counter(x.value for x in literals if isinstance(x.value, int) and x.value > 7)
        sizes = tuple(int(size) for size, count in numbers.items() if count > 1)
        return Outcome(outcome.failure, outcome.output, texts, sites, outcome.signature, sizes)

    def _take_example(self, module: ModuleType, model: nn.Module) -> None:
        """The inputs of a model that could not be built before: what its file or it implies."""
        if not self.loaded.inputs and not self.loaded.named_inputs:
            example = plain(getattr(module, "example_input", None))
            inputs, named = inputs_of(self.loaded.spec, model, example)
            self.loaded = replace(self.loaded, inputs=tuple(inputs), named_inputs=named)

    def _built(
        self, named: Any, change: Change, watched: bool, sites: dict[str, Frame]
    ) -> nn.Module:
        arguments = {**self.loaded.arguments, **change.arguments}
        if watched:
            arguments = {name: _as_argument(name, value) for name, value in arguments.items()}
        if isinstance(named, nn.Module):
            return meta_copy(named)
        with construction_sites() if watched else _nothing() as made:
            model = construct(named, arguments)
        if not isinstance(model, nn.Module):
            raise ModelError(f"{self.name} returns no nn.Module")
        for path, module in model.named_modules():
            if id(module) in made:
                sites[path] = made[id(module)]
        return model


def subject_of(loaded: Loaded, mode: Mode) -> Subject:
    root = root_of(loaded.written.rpartition(":")[0]) if loaded.written else None
    return Subject(loaded, mode) if root is None else Written(loaded, mode, root)


def _as_argument(name: str, value: Any) -> Any:
    """The value of an `--arg`, known to be that."""
    return tracked(value, SourceLiteral(Span("", 0, 0, 0, 0, name), value))


@contextmanager
def _nothing() -> Iterator[dict[int, Frame]]:
    yield {}


@contextmanager
def quietly() -> Iterator[None]:
    """What runs inside prints nothing."""
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


def _exchange(model: nn.Module, path: str, changed: Mapping[str, Any]) -> None:
    """Put a layer like the one at `path` in its place, with other constructor arguments."""
    old = model.get_submodule(path)
    parent = model.get_submodule(path.rpartition(".")[0])
    with torch.device("meta"):
        new = type(old)(**{**constructor_arguments(old), **changed})
    parent._modules[path.rpartition(".")[2]] = new.train(old.training)


def constructor_arguments(module: nn.Module) -> dict[str, Any]:
    """What a layer of torch was made with, as its attributes tell."""
    arguments: dict[str, Any] = {}
    for name, parameter in constructor_parameters(type(module)).items():
        value = getattr(module, name, None)
        if name == "bias":
            arguments[name] = value if isinstance(value, bool) else value is not None
        elif hasattr(module, name) and parameter.kind is not parameter.VAR_KEYWORD:
            arguments[name] = value
    return arguments


def constructor_parameters(cls: type[nn.Module]) -> Mapping[str, inspect.Parameter]:
    """The named parameters of a layer's constructor.

    Recurrent layers hand on whatever they are given to their base, behind their own `mode`.
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
