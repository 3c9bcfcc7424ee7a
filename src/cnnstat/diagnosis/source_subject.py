"""A model in the user's own files, which are executed again from changed text."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from torch import nn

from ..choices import Mode
from ..errors import NOT_OF_THE_MODEL, ModelError
from ..models.construction import construct
from ..models.loaded import Loaded
from ..models.model_inputs import default_inputs
from ..models.python_import import arguments_of_script
from ..models.reload import reloaded, root_of
from ..tracing.run.copies import meta_copy
from ..tracing.run.lane_selection import Builders
from ..tracing.structure.modules import paths_of
from ..tracing.user_code.compilation import user_code
from .changes import NO_CHANGE, Change
from .creation import NotingSizes, Scope, noting_creations, scopes_of
from .literals import Literal as SourceLiteral
from .literals import Span, plain, tracked
from .outcomes import Outcome
from .source_text import names_for, replaced, with_tracked_numbers
from .subjects import Subject, quietly


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
