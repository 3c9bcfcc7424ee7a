"""The states of a recurrent layer: a pair for an LSTM, each with an axis of layers."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..changes import Change, Proposal, Situation
from ..failing_code import failing_code
from ..literals import plain
from ..syntax import Code, arguments_of, is_simple
from ..weights import Features, Prior


def recurrent_states(situation: Situation) -> Iterator[Proposal]:
    """Another form of the states in the call of the layer that failed."""
    failure, site = situation.failure, failing_code(situation)
    call = failure.calls[-1] if failure.calls else None
    if call is None or call.module is None or site is None or not isinstance(site.node, ast.Call):
        return
    written = arguments_of(site.node)
    if call.module.base in ("LSTM", "LSTMCell") and len(written) == 3:
        yield _in_brackets(site.code, written[1], written[2])
    if call.module.base not in ("RNN", "LSTM", "GRU") or len(written) < 2 or not call.inputs:
        return
    state, x, *states = written[1], *call.inputs
    if states and len(states[0].shape) == len(x.shape) - 1:
        yield _proposal(site.code, state, _with_axis(site.code, state))
    layers = plain(call.module.settings["num_layers"])
    has_two_directions = [bool(plain(m.settings.get("bidirectional", False)))
                          for m in failure.trace.modules.values()]  # fmt: skip
    is_of_two = states and states[0].shape[:1] == (2 * layers,) and any(has_two_directions)
    if is_of_two and is_simple(state) and not plain(call.module.settings["bidirectional"]):
        yield _proposal(site.code, state, _of_each(site.code, state, f"[:{layers}]"))
    if call.module.base == "LSTM" and len(states) == 1 and is_simple(state):
        text = site.code.text_of(state)
        yield _proposal(site.code, state, f"({text}, {text})")
    elif call.module.base != "LSTM" and len(states) == 2:
        written_out = isinstance(state, ast.Tuple)
        first = state.elts[0] if isinstance(state, ast.Tuple) else state
        yield _proposal(site.code, state, site.code.text_of(first) + "[0]" * (not written_out))


def _in_brackets(code: Code, hidden: ast.expr, cell: ast.expr) -> Proposal:
    """Both states as the pair that the layer takes."""
    edits = (code.inserted_before(hidden, "("), code.inserted_behind(cell, ")"))
    return Proposal(Change(replacements=edits), Features(prior=Prior.STATES))


def _proposal(code: Code, node: ast.expr, text: str) -> Proposal:
    change = Change(replacements=(code.replacement(node, text),))
    return Proposal(change, Features(prior=Prior.STATES))


def _of_each(code: Code, state: ast.expr, text: str) -> str:
    """A text behind a state, or behind each of a pair."""
    if isinstance(state, ast.Tuple):
        return f"({', '.join(_of_each(code, item, text) for item in state.elts)})"
    return code.wrapped(state, "", text).text


def _with_axis(code: Code, state: ast.expr) -> str:
    return _of_each(code, state, ".unsqueeze(0)")
