"""Names that do not exist: attributes, variables, keywords and imported names that were misspelt, a
forgotten `self.`, a forgotten import.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.modules import activation

from ...models.suggestions import misspelt_in
from ...trace.records import Frame
from ..changes import Change, Proposal, Situation
from ..literals import Span
from ..raised import Raised
from ..source_text import Replacement, span_of
from ..syntax import Code, arguments_of, code_of, keyword_name, nodes
from ..weights import Features, Prior

_IMPORTS = {
    "torch": "import torch",
    "nn": "from torch import nn",
    "F": "import torch.nn.functional as F",
    "np": "import numpy as np",
    "math": "import math",
    "Tensor": "from torch import Tensor",
    "OrderedDict": "from collections import OrderedDict",
    "partial": "from functools import partial",
    "models": "from torchvision import models",
    "torchvision": "import torchvision",
    "init": "from torch.nn import init",
    "optim": "from torch import optim",
    "Variable": "from torch.autograd import Variable",
    "rearrange": "from einops import rearrange",
}  # fmt: skip
"""What most files import by these names."""


_ACTIVATIONS = {
    name.lower() for name, cls in vars(activation).items()
    if isinstance(cls, type) and issubclass(cls, nn.Module)
} & (vars(torch).keys() | vars(nn.functional).keys())  # fmt: skip
"""The names of activations that torch has as functions, too."""


def misspelt_names(situation: Situation) -> Iterator[Proposal]:
    raised = situation.raised
    frame = None if raised is None else raised.frame
    if raised is None or frame is None or frame.file not in situation.texts:
        return
    if not raised.missing:
        return
    code = code_of(frame.file, situation.texts[frame.file])
    yield from _all_of_torch(code)
    places = list(_places(code, frame, raised))
    near = sorted(raised.near, key=lambda name: -_words_shared(code, frame, name))
    for rank, name in enumerate(near if places else ()):
        replacements = tuple(Replacement(place, name) for place in places)
        yield _proposal(Prior.MISSPELT, *replacements, further_back=rank)
    yield from _functions(code, frame, raised.missing)
    yield from _without_self(code, frame, raised.missing)
    if situation.failure.error == "NameError" and raised.missing in _IMPORTS:
        yield _proposal(Prior.IMPORT, _import(code, _IMPORTS[raised.missing]))


def _words_shared(code: Code, frame: Frame, name: str) -> int:
    """The words of a name that others of the line have: `lstm` where `self.lstm` is assigned."""
    line = code.text.split("\n")[frame.line - 1]
    return len(set(name.split("_")) & set(re.findall(r"[^\W_]+", line)))


def _proposal(prior: Prior, *replacements: Replacement, further_back: int = 0) -> Proposal:
    features = Features(prior=prior, further_back=further_back)
    return Proposal(Change(replacements=replacements), features)


def _all_of_torch(code: Code) -> Iterator[Proposal]:
    """Every attribute that a module of torch lacks, at once: one alone leaves the others."""
    found = [one for one in misspelt_in(code.text) if one.near]
    if len(found) < 2:
        return
    replacements = []
    for one in found:
        begin = one.column - len(one.written.rpartition(".")[2].encode())
        span = Span(code.file, one.line, begin, one.line, one.column)
        replacements.append(Replacement(span, one.near[0]))
    yield _proposal(Prior.MISSPELT, *replacements)


def _places(code: Code, frame: Frame, raised: Raised) -> Iterator[Span]:
    """The places at which the missing name is written.

    An attribute of `self` in the class, a variable in the function, all else on the line alone.
    """
    name = raised.missing
    for keyword in nodes(code.tree, ast.keyword):
        if keyword_name(keyword) == name and keyword.lineno in _lines(frame):
            yield _begin(code, keyword, name)
    attributes = [a for a in nodes(code.tree, ast.Attribute) if a.attr == name]
    for attribute in attributes:
        if attribute.end_lineno in _lines(frame):
            yield from (_end(code, a) for a in _same_attribute(code, attribute, attributes))
            return
    for node in nodes(code.tree, ast.Name):
        if node.id == name and node.lineno in _lines(frame):
            scope = code.around(node, ast.FunctionDef) or code.tree
            yield from (span_of(n, code.file) for n in nodes(scope, ast.Name) if n.id == name)
            return
    for statement in nodes(code.tree, ast.ImportFrom):
        for alias in statement.names:
            if alias.name == name and statement.lineno in _lines(frame):
                yield _begin(code, alias, name)
                used = nodes(code.tree, ast.Name) if alias.asname is None else []
                yield from (span_of(n, code.file) for n in used if n.id == name)
        if statement.module == name and statement.lineno in _lines(frame):
            column = statement.col_offset + len("from ")
            yield Span(code.file, statement.lineno, column, statement.lineno, column + len(name))
    for imported in nodes(code.tree, ast.Import):
        for alias in imported.names:
            if alias.name == name and alias.lineno in _lines(frame):
                yield _begin(code, alias, name)


def _same_attribute(
    code: Code, one: ast.Attribute, attributes: list[ast.Attribute]
) -> list[ast.Attribute]:
    cls = code.around(one, ast.ClassDef)
    if not _is_self(one.value) or cls is None:
        return [one]
    same = [a for a in attributes if _is_self(a.value) and code.around(a, ast.ClassDef) is cls]
    # What is assigned somewhere is spelt as meant: the one that failed is another attribute.
    return [one] if any(isinstance(a.ctx, ast.Store) for a in same) else same


def _functions(code: Code, frame: Frame, name: str) -> Iterator[Proposal]:
    """`torch.relu(x)` for `self.relu(x)` of a layer that was never created."""
    function = re.sub(r"_?\d*$", "", name)
    if function not in _ACTIVATIONS | _AXES.keys():
        return
    known = code.named(f"torch.{function}") if hasattr(torch, function) else None
    written = known or code.function(function)
    if written is None:
        return
    attributes = [a for a in nodes(code.tree, ast.Attribute) if a.attr == name]
    for attribute in attributes:
        if attribute.end_lineno in _lines(frame) and _is_self(attribute.value):
            same = _same_attribute(code, attribute, attributes)
            replacements = [code.replacement(a, written) for a in same]
            replacements += [r for a in same for r in _with_axis(code, a, function)]
            yield _proposal(Prior.FUNCTION_OF_LAYER, *replacements)
            return


_AXES = {"softmax": "dim=1", "log_softmax": "dim=1", "flatten": "1"}
"""Functions that need to know an axis, which the layer has by default or was created with."""


def _with_axis(code: Code, attribute: ast.Attribute, function: str) -> Iterator[Replacement]:
    call = code.parents[attribute]
    if isinstance(call, ast.Call) and function in _AXES and len(arguments_of(call)) == 1:
        yield code.inserted_behind(arguments_of(call)[0], f", {_AXES[function]}")


def _without_self(code: Code, frame: Frame, name: str) -> Iterator[Proposal]:
    """`self.fc` for the variable `fc` of a method, where it is read or where it is assigned."""
    for cls in nodes(code.tree, ast.ClassDef):
        if not cls.lineno <= frame.line <= (cls.end_lineno or 0):
            continue
        assigned = [n for n in nodes(cls, ast.Name) if n.id == name]
        reads = [n for n in assigned if isinstance(n.ctx, ast.Load) and n.lineno in _lines(frame)]
        attributes = [a for a in nodes(cls, ast.Attribute) if a.attr == name and _is_self(a.value)]
        if reads and (attributes or name in {f.name for f in nodes(cls, ast.FunctionDef)}):
            places = (code.inserted_before(node, "self.") for node in reads)
            yield _proposal(Prior.SELF, *places)
        constructor = [f for f in nodes(cls, ast.FunctionDef) if f.name == "__init__"]
        stores = [n for f in constructor for n in nodes(f, ast.Name) if n.id == name]
        if attributes and any(isinstance(n.ctx, ast.Store) for n in stores):
            yield _proposal(Prior.SELF, *(code.inserted_before(n, "self.") for n in stores))


def _import(code: Code, line: str) -> Replacement:
    """A line behind the docstring and the imports from `__future__`."""
    row = 1
    for statement in code.tree.body:
        is_docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        is_future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
        if not (is_docstring or is_future):
            row = statement.lineno
            break
    return Replacement(Span(code.file, row, 0, row, 0), f"{line}\n")


def _lines(frame: Frame) -> range:
    return range(frame.line, frame.end_line + 1)


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _begin(code: Code, node: ast.keyword | ast.alias, name: str) -> Span:
    column = node.col_offset
    return Span(code.file, node.lineno, column, node.lineno, column + len(name.encode()))


def _end(code: Code, node: ast.Attribute) -> Span:
    line, end = node.end_lineno or node.lineno, node.end_col_offset or 0
    return Span(code.file, line, end - len(node.attr.encode()), line, end)
