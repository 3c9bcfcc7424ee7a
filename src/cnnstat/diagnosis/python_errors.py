"""Reasons for exceptions of Python, from the source of the model and the values that it had."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from ..trace.records import About, Call, Failure
from .class_syntax import (
    class_named,
    functions_without_self,
    layer_class,
    method_named,
    methods_misnamed,
    nested_methods,
    sizes_assigned,
    statements_with_comma,
    wrong_constructors,
)
from .literals import plain
from .naming import Places, name_of
from .outcomes import Outcome
from .raised import Raised, WrongType
from .syntax import Code, arguments_of, code_of, last_name, nodes, parameters_of

_DEEP = 100
"""Modules inside each other, from which on their number is why Python's limit is reached."""
_TUPLES = {"LSTM", "GRU", "RNN", "LSTMCell", "MultiheadAttention"}


def reasons(failure: Failure, outcome: Outcome, places: Places) -> Iterator[str]:
    """Sentences below the text of an exception; none where nothing is known beyond it."""
    yield from dict.fromkeys(_Reasons(failure, outcome, places).all())


def values_in_message(failure: Failure) -> Iterator[str]:
    """The values of arguments that a message of torch names without them."""
    names = {name: plain(value) for name, value in failure.locals}
    words = dict.fromkeys(re.findall(r"[a-z]\w*_\w+|groups", failure.reason))
    named = [word for word in words if word in names]
    if named and not failure.in_model and not failure.calls:
        yield ", ".join(f"{name} is {names[name]}" for name in named)


def sizes_without_weight(failure: Failure, outcome: Outcome, places: Places) -> Iterator[str]:
    """Sizes of layers that are assigned, for a layer whose weight has another one."""
    for file, text in outcome.texts.items():
        code = code_of(file, text)
        for statement, target in sizes_assigned(code):
            at = places.named(file, statement.lineno)
            yield (
                f"{code.text_of(target)} is assigned at {at}, which changes no weight: "
                "a layer of that size has to be created"
            )


@dataclass(frozen=True)
class _Reasons:
    failure: Failure
    outcome: Outcome
    places: Places

    @property
    def raised(self) -> Raised:
        return self.outcome.raised or Raised(None)

    def all(self) -> Iterator[str]:
        raised, error = self.raised, self.failure.error
        if raised.near:
            yield f"did you mean {_either(raised.near)}?"
        if About.RECURSION in self.failure.about and self.failure.calls:
            yield from self._depth()
        if error in ("AttributeError", "TypeError", "NotImplementedError", "NameError"):
            for code in self._codes():
                yield from self._of_classes(code)
                yield from self._of_commas(code)
            yield from self._of_missing()
        if error == "TypeError":
            yield from self._of_arguments()
        call = self.failure.calls[-1] if self.failure.calls else None
        if call is not None and call.module is not None and not call.inputs:
            yield from self._of_uncalled_layers()
        if error == "ModuleNotFoundError" and raised.missing and "." not in raised.missing:
            yield f"{raised.missing} is not installed in this environment"

    def _depth(self) -> Iterator[str]:
        """How deep the calls are at the limit of recursion."""
        modules = [call for call in self.failure.calls if call.module is not None]
        path, times = Counter(call.path for call in modules).most_common(1)[0]
        if times > 1:
            name = next(name_of(call) for call in modules if call.path == path)
            yield f"{name} is inside itself: {times} of its calls are open"
        elif len(modules) > _DEEP:
            yield f"{len(modules)} modules are inside each other"
            yield "sys.setrecursionlimit(10_000) in the file of the model allows more nested calls"

    def _codes(self) -> Iterator[Code]:
        for file, text in self.outcome.texts.items():
            try:
                ast.parse(text)
            except (SyntaxError, ValueError, RecursionError):
                continue
            yield code_of(file, text)

    def _at(self, code: Code, node: ast.stmt) -> str:
        return self.places.named(code.file, node.lineno)

    # The definition of the class

    def _of_classes(self, code: Code) -> Iterator[str]:
        about, error = self.failure.about, self.failure.error
        if About.UNINITIALIZED in about:
            for constructor, wrong in wrong_constructors(code):
                what = "has no parentheses" if isinstance(wrong, ast.Attribute) else "is missing"
                where = f"{self._class_of(code, constructor)}.__init__"
                yield f"super().__init__() {what} in {where} at {self._at(code, constructor)}"
        if About.SUPER in about:
            for _, wrong in wrong_constructors(code):
                if wrong is not None:
                    yield f"{code.text_of(wrong)} names another class: write super().__init__()"
        if error in ("AttributeError", "NotImplementedError"):
            for function, name in methods_misnamed(code):
                at = self._at(code, function)
                yield f"{function.name} at {at} is never called: should it be {name}?"
        if error in ("AttributeError", "NotImplementedError", "TypeError"):
            for function, cls in nested_methods(code):
                yield (
                    f"{function.name} at {self._at(code, function)} is inside of another method: "
                    f"it is indented too far to be a method of {cls.name}"
                )
        if error in ("TypeError", "NameError"):
            for function in functions_without_self(code):
                if About.NUMBER_OF_INPUTS in about or self.raised.missing == "self":
                    yield f"{function.name} at {self._at(code, function)} has no parameter self"
        inner = [call for call in self.failure.calls[-1:] if call.parent is not None]
        if About.FORWARD in about and inner:
            called = class_named(code, inner[0].type)
            forward = None if called is None else method_named(called, "forward")
            if called is not None and forward is not None:
                accepted = ", ".join(parameters_of(forward)[1:])
                yield f"{called.name}.forward at {self._at(code, forward)} accepts ({accepted})"
        if About.FORWARD in about and any(call.type == "Transformer" for call in inner):
            yield (
                "nn.Transformer is an encoder and a decoder, and takes src and tgt: "
                "for one sequence there is nn.TransformerEncoder"
            )
        if error == "NotImplementedError" and self.failure.calls:
            yield from self._without_forward(code, self.failure.calls[-1])

    def _without_forward(self, code: Code, call: Call) -> Iterator[str]:
        if call.type in ("ModuleList", "ModuleDict"):
            yield f"a {call.type} is a container that cannot be called: call its layers in a loop"
            return
        cls = class_named(code, call.type)
        others = {f.name for f, _ in (*nested_methods(code), *methods_misnamed(code))}
        if cls is not None and method_named(cls, "forward") is None and not others:
            yield f"class {cls.name} at {self._at(code, cls)} defines no method forward"

    def _class_of(self, code: Code, node: ast.AST) -> str:
        cls = code.around(node, ast.ClassDef)
        return cls.name if cls else "the class"

    def _of_commas(self, code: Code) -> Iterator[str]:
        if About.TUPLE not in self.failure.about:
            return
        for statement in statements_with_comma(code):
            assert statement.value is not None
            target = code.text_of(statement).partition("=")[0].strip()
            what = "the value returned" if isinstance(statement, ast.Return) else target
            yield f"{what} is a tuple: {self._at(code, statement)} ends with a comma"

    # Names

    def _of_missing(self) -> Iterator[str]:
        name = self.raised.missing
        if not name or name in _FIELDS_OF_MODULE:
            return
        for code in self._codes():
            for cls in nodes(code.tree, ast.ClassDef):
                attributes = [
                    a for a in nodes(cls, ast.Attribute)
                    if a.attr == name and isinstance(a.ctx, ast.Store)
                ]  # fmt: skip
                stores = [
                    n for n in nodes(cls, ast.Name)
                    if n.id == name and isinstance(n.ctx, ast.Store)
                ]  # fmt: skip
                if self.failure.error == "AttributeError" and cls.name == self.raised.holder:
                    yield from self._of_assignments(code, name, attributes, stores)
                elif self.failure.error == "NameError" and attributes:
                    yield f"{name} is an attribute of {cls.name}: self.{name}"

    def _of_assignments(
        self, code: Code, name: str, attributes: list[ast.Attribute], stores: list[ast.Name]
    ) -> Iterator[str]:
        if attributes:
            function = code.around(attributes[0], ast.FunctionDef)
            at = self._at(code, code.statement(attributes[0]))
            inside = f" in {function.name}" if function else ""
            yield f"self.{name} is assigned{inside} at {at}, which has not run before this line"
        elif stores:
            at = self._at(code, code.statement(stores[0]))
            yield f"{name} at {at} is a variable, not an attribute: self. is missing"
        elif not self.raised.near:
            yield f"nothing in the class assigns self.{name}"
            if self.raised.known:
                yield f"{self.raised.holder} has {', '.join(self.raised.known)}"

    def _of_uncalled_layers(self) -> Iterator[str]:
        """`nn.ReLU(x)` in a forward, where a layer got no tensor."""
        for code in self._codes():
            for function in nodes(code.tree, ast.FunctionDef):
                for call in nodes(function, ast.Call) if function.name != "__init__" else ():
                    above = code.parents[call]
                    is_called = isinstance(above, ast.Call) and above.func is call
                    cls = layer_class(code, call.func)
                    if arguments_of(call) and not is_called and cls is not None:
                        at = self._at(code, code.statement(call))
                        written = f"{code.text_of(call)} at {at}"
                        called = f"nn.{cls.__name__}()(x)"
                        yield f"{written} creates a layer and does not call it: {called} does"

    # Arguments

    def _of_arguments(self) -> Iterator[str]:
        for wrong in self.raised.wrong_types:
            if _is_number(wrong.actual) and _is_number(wrong.expected) and "float" in wrong.actual:
                shown = self._shown(wrong)
                yield f"{wrong.argument} is {shown}: it must be {_plain(wrong.expected)}"
            elif wrong.expected.startswith(("Tensor", "tuple of Tensors")):
                yield from self._of_value(wrong.function, wrong.actual)
        if self.raised.signature and not self.raised.near:
            yield f"it is {self.raised.signature}"
        if About.FLOAT_SIZE in self.failure.about and not self.raised.wrong_types:
            yield "a size is a float, and must be an int: / makes a float, // does not"
        if About.NOT_CALLABLE in self.failure.about:
            yield from self._of_called()
        if About.METHOD_INDEXED in self.failure.about:
            yield "a method is called with parentheses: x.size(0), or x.shape[0]"
        if About.SIZES_CALLED in self.failure.about:
            yield "shape is a tuple of sizes: x.shape[0], or x.size(0)"

    def _of_called(self) -> Iterator[str]:
        """Where an attribute that is no function got its value."""
        frame = self.raised.frame
        for code in self._codes():
            node = code.at(frame) if frame is not None and code.file == frame.file else None
            cls = None if node is None else code.around(node, ast.ClassDef)
            if not isinstance(node, ast.Call) or cls is None:
                continue
            name, commas = last_name(node.func), list(statements_with_comma(code))
            for statement in nodes(cls, ast.Assign):
                if any(code.text_of(t) == f"self.{name}" for t in statement.targets):
                    value, at = code.text_of(statement.value), self._at(code, statement)
                    if About.TUPLE in self.failure.about and statement in commas:
                        continue
                    kind = self.raised.holder
                    what = "None" if kind == "NoneType" else f"of class {kind}"
                    shown = f", {value}" if len(value) <= _LONGEST else ""
                    yield f"self.{name} is {what}: it is assigned at {at}{shown}"

    def _of_value(self, function: str, got: str) -> Iterator[str]:
        """What a value is that is no tensor, and where it comes from."""
        if got == "Tensor":
            if function in ("cat", "stack", "concat"):
                yield f"{function} takes one list of tensors: torch.{function}([a, b], dim=…)"
            return
        previous = self._last_called()
        if got == "tuple" and previous is not None and previous.module is not None:
            if previous.module.base in _TUPLES:
                yield f"{name_of(previous)} returns a tuple: its output and its states"
            elif len(previous.outputs) > 1:
                yield f"{name_of(previous)} returns a tuple of {len(previous.outputs)} tensors"
        elif got == "NoneType":
            yield "the value is None" + (
                f": {name_of(previous)} returns nothing"
                if previous and not previous.outputs
                else ""
            )
        elif _is_module(got):
            yield (
                f"the value is a {got}, a layer and not its output: nn.{got}(…) creates a layer, "
                f"nn.{got}()(x) calls it"
            )
        else:
            yield f"the value is a {got}"

    def _last_called(self) -> Call | None:
        """The call that returned last before the failing one, beside or around it."""
        open_calls = set(self.failure.open)
        done = [call for call in self.failure.trace.calls if call.index not in open_calls]
        failed = self.failure.calls[-1] if self.failure.calls else None
        siblings = [c for c in done if failed is None or c.parent == failed.parent]
        found = siblings or done
        return found[-1] if found else None

    def _shown(self, wrong: WrongType) -> str:
        call = self.failure.calls[-1] if self.failure.calls else None
        value = call.module.settings.get(wrong.argument) if call and call.module else None
        return f"{plain(value)}, a {wrong.actual}" if value is not None else f"a {wrong.actual}"


_LONGEST = 50  # characters of a value that is shown
_FIELDS_OF_MODULE = {"_modules", "_parameters", "_buffers", "_forward_hooks"}


def _is_module(name: str) -> bool:
    """Whether a class of torch.nn has this name."""
    cls = getattr(nn, name, None)
    return isinstance(cls, type) and issubclass(cls, nn.Module)


def _either(names: tuple[str, ...]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _is_number(kind: str) -> bool:
    return "int" in kind or "float" in kind


def _plain(kind: str) -> str:
    return {"int": "an int", "tuple of ints": "a tuple of ints"}.get(kind, kind)
