"""The factors by which maps are enlarged: `scale_factor` of `F.interpolate` and of `nn.Upsample`.

torch makes a float of it, so it is found where it is written.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...trace.records import Call
from ..changes import Change, Proposal, Situation
from ..failing_code import called_from, creations
from ..syntax import Code, argument, keywords_of, name_of_called
from ..weights import Features, Prior

_FUNCTIONS = {"interpolate", "upsample"}
_LAYERS = {"Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d"}
_MOST = 16


def scale_factors(situation: Situation) -> Iterator[Proposal]:
    """Another factor with which the sides fit where maps meet."""
    if situation.mismatch.kind not in ("broadcast", "join"):
        return
    tried: set[tuple[int, int]] = set()
    for call in reversed(situation.failure.trace.calls):
        for code, node in _written(situation, call):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, int | float):
                continue
            for expected, actual in situation.mismatch.pairs:
                value = node.value * expected / actual
                if value != int(value) or not 1 < value <= _MOST:
                    continue
                if (id(node), int(value)) in tried:
                    continue
                tried.add((id(node), int(value)))
                replacement = code.replacement(node, str(int(value)))
                features = Features(prior=Prior.SCALE_FACTOR)
                yield Proposal(Change(replacements=(replacement,)), features)


def _written(situation: Situation, call: Call) -> Iterator[tuple[Code, ast.expr]]:
    """The factor in the call of a function, or in the one that created a layer."""
    if call.type in _FUNCTIONS and call.module is None:
        found = called_from(situation, call)
        if found is not None and name_of_called(found[1]) in _FUNCTIONS:
            code, node = found
            factor = argument(node, 2, "scale_factor")
            if factor is not None:
                yield code, factor
    elif call.module is not None and call.module.base in _LAYERS:
        for code, node in creations(situation, call.path):
            factor = keywords_of(node).get("scale_factor")
            if name_of_called(node) in _LAYERS and factor is not None:
                yield code, factor
