"""An exception of the model's code: its place, and what Python knows beyond its text.

Python keeps the object and the name that an AttributeError, NameError or ImportError is about, and
suggests names itself. For a call with an unknown keyword, the function's signature has the others.
"""

from __future__ import annotations

import ast
import inspect
import re
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from torch import nn

from ..errors import closest
from ..models.suggestions import attributes_of, close_names
from ..trace.records import Frame
from ..tracing.places import frames_of
from .creation import numbers_in
from .syntax import code_of

_KEYWORD = re.compile(r"unexpected keyword argument '(\w+)'")
_ARGUMENTS = re.compile(
    r"missing \d+ required|positional arguments? but|multiple values|unexpected keyword"
)
_NOT_CALLABLE = re.compile(r"^'([\w.]+)' object is not callable")
_SUGGESTED = re.compile(r"[Dd]id you mean:? '([\w.]+)'\?")
_REFUSED = re.compile(r"(\w+)\(\): argument '(\w+)' \(position \d+\) must be ([\w ]+), not (\w+)")
_WRONG_TYPES = re.compile(r"invalid types: \((.*)\)")
_SIGNATURE = re.compile(r"^ \* \((.*)\)$", re.MULTILINE)
_MOST = 3
_MOST_KNOWN = 8
_COMMON = {"device", "dtype"}  # of all layers


@dataclass(frozen=True, slots=True)
class WrongType:
    """An argument that a function of torch refuses, with the names of types as torch writes them.

    `argument` is empty where the function has no name for it.
    """

    function: str
    argument: str
    expected: str
    actual: str


@dataclass(frozen=True, slots=True)
class Raised:
    """What an exception is about.

    Attributes:
        frame: the innermost place in the model's source; None if it passed none.
        missing: the attribute, name, keyword or imported name that does not exist.
        near: existing names close to it, the closest first.
        holder: the class of the object that lacks the attribute or cannot be called.
        wrong_types: arguments that a function of torch refuses.
        known: attributes that the model's code gave the object, where none is near.
        signature: of the function that does not accept the arguments of a call, with its name.
        numbers: the integers that names have at the place, attributes of `self` included.
    """

    frame: Frame | None
    missing: str = ""
    near: tuple[str, ...] = ()
    holder: str = ""
    wrong_types: tuple[WrongType, ...] = ()
    signature: str = ""
    known: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)


def raised_by(error: BaseException, texts: Mapping[str, str]) -> Raised:
    """`texts` are the sources that ran, by file."""
    if isinstance(error, SyntaxError):
        return Raised(_of_syntax(error))
    frames = [frame for frame in frames_of(error)[0] if not texts or frame.file in texts]
    frame = frames[-1] if frames else None
    python = _innermost(error, frame)
    keyword = _KEYWORD.search(str(error)) if isinstance(error, TypeError) else None
    missing, near = str(getattr(error, "name", None) or ""), close_names(error)
    if keyword is not None:
        missing = keyword[1]
        near = closest(missing, _keywords(frame, python, texts))
    elif isinstance(error, ImportError):
        found = re.search(r"cannot import name '(\w+)'", str(error))
        missing = found[1] if found else missing
    suggested = [] if not missing else _suggestions_of_python(error)
    called = _NOT_CALLABLE.search(str(error)) if isinstance(error, TypeError) else None
    holder = called[1].rpartition(".")[2] if called else ""
    if isinstance(error, AttributeError):
        holder = type(getattr(error, "obj", None)).__name__
    names = tuple(dict.fromkeys([*suggested, *near]))[:_MOST]
    wrong_types = tuple(_wrong_types(str(error))) if isinstance(error, TypeError) else ()
    signature = _signature(error, frame, python, texts) if isinstance(error, TypeError) else ""
    owner = getattr(error, "obj", None) if isinstance(error, AttributeError) else None
    known = attributes_of(owner)[:_MOST_KNOWN] if isinstance(owner, nn.Module) and not near else []
    numbers = {} if python is None else numbers_in(python)
    return Raised(frame, missing, names, holder, wrong_types, signature, tuple(known), numbers)


def _of_syntax(error: SyntaxError) -> Frame | None:
    if error.filename is None or error.lineno is None:
        return None
    line = (error.text or "").rstrip("\n")
    first = len(line[: max(0, (error.offset or 1) - 1)].encode())
    is_one_line = error.end_lineno in (None, error.lineno)
    end = len(line[: (error.end_offset or 0) - 1].encode()) if is_one_line else len(line.encode())
    return Frame(error.filename, "", error.lineno, first, error.lineno, max(first + 1, end))


def _innermost(error: BaseException, place: Frame | None) -> FrameType | None:
    """Python's frame at a place."""
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        if place is not None and (frame.f_code.co_filename, line) == (place.file, place.line):
            found = frame
    return found


def _suggestions_of_python(error: BaseException) -> list[str]:
    lines = traceback.TracebackException.from_exception(error, limit=0).format_exception_only()
    return _SUGGESTED.findall("".join(lines))


def _wrong_types(text: str) -> Iterator[WrongType]:
    refused = _REFUSED.search(text)
    if refused:
        yield WrongType(*refused.groups())
    wrong, signature = _WRONG_TYPES.search(text), _SIGNATURE.search(text)
    if wrong is None or signature is None:
        return
    expected = _split(signature[1])
    for place, kind in enumerate(_split(wrong[1])):
        if place < len(expected) and kind.startswith("!"):
            accepted, _, name = expected[place].partition(" = ")[0].rpartition(" ")
            yield WrongType(text.partition("(")[0], name, accepted, kind.strip("!"))


def _split(text: str) -> list[str]:
    """The parts between commas that are in no parentheses."""
    return [part.strip() for part in re.split(r",(?![^()\[]*[)\]])", text)]


def _signature(
    error: TypeError, place: Frame | None, frame: FrameType | None, texts: Mapping[str, str]
) -> str:
    """`Linear(in_features, out_features, bias=True)`, if the call itself raised the exception."""
    steps = [step for step, _ in traceback.walk_tb(error.__traceback__)]
    if not _ARGUMENTS.search(str(error)) or not steps or steps[-1] is not frame:
        return ""
    name, called = _called(place, frame, texts)
    parameters = _parameters(called)
    shown = [p for p in parameters.values() if p.name not in _COMMON]
    plain = (str(p.replace(annotation=p.empty)) for p in shown)
    return f"{name}({', '.join(plain)})" if parameters else ""


def _keywords(place: Frame | None, frame: FrameType | None, texts: Mapping[str, str]) -> list[str]:
    """The parameters of the function that a call with an unknown keyword names."""
    _, called = _called(place, frame, texts)
    return [name for name in _parameters(called) if name not in ("args", "kwargs")]


def _called(
    place: Frame | None, frame: FrameType | None, texts: Mapping[str, str]
) -> tuple[str, Any]:
    """The function that a call at a place names, with its name; None for other expressions."""
    if place is None or frame is None or place.file not in texts:
        return "", None
    code = code_of(place.file, texts[place.file])
    node = code.at(place)
    if not isinstance(node, ast.Call):
        return "", None
    return code.text_of(node.func), _object(node.func, {**frame.f_globals, **frame.f_locals})


def _parameters(called: Any) -> dict[str, inspect.Parameter]:
    if isinstance(called, type) and issubclass(called, nn.RNNBase):
        called = nn.RNNBase.__init__
    try:
        parameters = dict(inspect.signature(called).parameters)
    except (TypeError, ValueError):
        return {}
    parameters.pop("self", None)
    return parameters


def _object(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """The object of a dotted name; None for other expressions."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(_object(node.value, names), node.attr, None)
    return None
