"""`/` where a whole number is required: `nn.Conv2d(3, 8, 3, stride=width / 16)`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..changes import Change, Proposal, Situation
from ..layer_sites import creating_calls
from ..source_text import Replacement, by_name, call_at, piece, positional, span_of
from ..weights import Features, Prior


def true_divisions(situation: Situation) -> Iterator[Proposal]:
    """`//` in the arguments of the call that failed, or of the one that created the layer."""
    failure = situation.failure
    if failure.error != "TypeError":
        return
    calls = [(text, scope.frame.file, node)
             for scope, text, node in creating_calls(situation, situation.failed_path)
             if situation.failed_path]  # fmt: skip
    if failure.frames and failure.frames[-1].file in situation.texts:
        frame = failure.frames[-1]
        node = call_at(situation.texts[frame.file], frame)
        if node is not None:
            calls.append((situation.texts[frame.file], frame.file, node))
    for text, file, call in calls:
        for argument in (*positional(call), *by_name(call).values()):
            for part in ast.walk(argument):
                replacement = _replacement(part, text, file)
                if replacement is not None:
                    change = Change(replacements=(replacement,))
                    yield Proposal(change, Features(prior=Prior.INTEGER_DIVISION))


def _replacement(node: ast.AST, text: str, file: str) -> Replacement | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, float):
        return Replacement(span_of(node, file), str(int(node.value)))
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Div):
        return None
    sides = (piece(text, span_of(side, file)) for side in (node.left, node.right))
    return Replacement(span_of(node, file), " // ".join(sides))
