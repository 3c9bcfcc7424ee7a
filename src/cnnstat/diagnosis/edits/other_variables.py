"""Another variable or layer than the one that is written.

`self.fc2(x)` where nothing reads `out`, `self.conv1` twice where nothing calls `self.conv2`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..changes import Change, Proposal, Situation
from ..failing_code import FailingCode, failing_code
from ..layer_sites import layer_sites
from ..syntax import arguments_of, assigned_name, nodes, parameters_of
from ..weights import Features, Prior

_NEAREST = 4


def other_variables(situation: Situation) -> Iterator[Proposal]:
    site = failing_code(situation)
    if site is None or site.function is None or not isinstance(site.node, ast.Call):
        return
    if site.function.name == "__init__":
        return  # its names are numbers
    yield from _of_arguments(site)
    yield from _of_layers(situation, site)


def _of_arguments(site: FailingCode) -> Iterator[Proposal]:
    """What was assigned last for an argument; that nothing reads first."""
    assert site.function is not None
    assert isinstance(site.node, ast.Call)
    last = site.code.statement(site.node)
    before = [s for s in nodes(site.function, ast.Assign) if s.lineno < last.lineno]
    names = [name for s in reversed(before) if (name := assigned_name(s)) is not None]
    names = list(dict.fromkeys([*names, *parameters_of(site.function)[1:]]))[:_NEAREST]
    for node in arguments_of(site.node):
        if not isinstance(node, ast.Name):
            continue
        for rank, name in enumerate(names):
            if name != node.id:
                is_unread = _is_unread(site, name, before)
                prior = Prior.UNREAD_VARIABLE if is_unread else Prior.OTHER_VARIABLE
                change = Change(replacements=(site.code.replacement(node, name),))
                yield Proposal(change, Features(prior=prior, further_back=rank))


def _is_unread(site: FailingCode, name: str, before: list[ast.Assign]) -> bool:
    """Whether what a name was assigned last is read nowhere until its next assignment."""
    assert site.function is not None
    assigned = [s for s in before if assigned_name(s) == name]
    if not assigned:
        return False
    end = assigned[-1].end_lineno or assigned[-1].lineno
    following = [s.lineno for s in nodes(site.function, ast.Assign)
                 if assigned_name(s) == name and s.lineno > end]  # fmt: skip
    until = min(following, default=10**9)
    reads = [n.lineno for n in nodes(site.function, ast.Name)
             if n.id == name and isinstance(n.ctx, ast.Load)]  # fmt: skip
    return not any(end < line <= until for line in reads)


def _of_layers(situation: Situation, site: FailingCode) -> Iterator[Proposal]:
    """A layer that no method of the class mentions, for one that is called more than once."""
    assert isinstance(site.node, ast.Call)
    cls, called = site.code.around(site.node, ast.ClassDef), site.node.func
    if cls is None or not isinstance(called, ast.Attribute) or site.entered is None:
        return
    reads = [a for a in nodes(cls, ast.Attribute) if isinstance(a.ctx, ast.Load)]
    if sum(a.attr == called.attr for a in reads) < 2:
        return
    parent = site.entered.path.rpartition(".")[0]
    prefix = f"{parent}." if parent else ""
    for path, module in situation.failure.trace.modules.items():
        name = path.removeprefix(prefix)
        is_sibling = path.startswith(prefix) and "." not in name and name.isidentifier()
        is_same_class = site.entered.module is not None and module.base == site.entered.module.base
        if is_sibling and is_same_class and all(a.attr != name for a in reads):
            text = site.code.text_of(called).removesuffix(called.attr) + name
            change = Change(replacements=(site.code.replacement(called, text),))
            yield Proposal(change, Features(prior=Prior.UNCALLED_LAYER))


def swapped_arguments(situation: Situation) -> Iterator[Proposal]:
    """`nn.Linear(10, 64)` for `nn.Linear(64, 10)`."""
    for site in layer_sites(situation):
        names = list(site.parameters)[:2]
        if not site.name.startswith(("Linear", "Conv")) or not site.written.keys() >= set(names):
            continue
        if all(module.path != situation.failed_path for module in site.modules):
            continue
        first, second = (site.text_of(site.written[name]) for name in names)
        change = Change(replacements=site.settings(dict(zip(names, (second, first), strict=True))))
        yield Proposal(change, Features(prior=Prior.SWAPPED_ARGUMENTS))
