"""A mask of the padding, N×L, that is passed as the mask of attention, which is L×L."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..changes import Change, Proposal, Situation
from ..failing_code import FailingCode, failing_code
from ..literals import Span
from ..source_text import Replacement, span_of
from ..syntax import arguments_of, assigned_name, keyword_name, nodes
from ..weights import Features, Prior

KEYWORDS = {
    "mask": "src_key_padding_mask", "src_mask": "src_key_padding_mask",
    "tgt_mask": "tgt_key_padding_mask", "memory_mask": "memory_key_padding_mask",
    "attn_mask": "key_padding_mask",
}  # fmt: skip
_SECOND = {"TransformerEncoder", "TransformerEncoderLayer"}  # that take a mask as the second


def padding_masks(situation: Situation) -> Iterator[Proposal]:
    site = failing_code(situation)
    entered = None if site is None else site.entered
    module = None if entered is None else entered.module
    if site is None or module is None or not isinstance(site.node, ast.Call):
        return
    if not module.base.startswith("Transformer") and module.base != "MultiheadAttention":
        return
    for keyword in nodes(site.node, ast.keyword):
        name = KEYWORDS.get(keyword_name(keyword) or "")
        if name is not None:
            yield from _proposals(site, keyword, keyword.value, name)
    written = arguments_of(site.node)
    if module.base in _SECOND and len(written) == 2:
        yield from _proposals(site, written[1], written[1], KEYWORDS["src_mask"])


def _proposals(
    site: FailingCode, written: ast.AST, value: ast.expr, name: str
) -> Iterator[Proposal]:
    """In torch's mask of the padding, True is what is left out."""
    is_token = _is_true_for_tokens(site, value)
    if is_token is None:
        return
    text = site.code.text_of(value)
    passed = f"{text} == 0" if is_token else text
    place = span_of(written, site.code.file)
    end = span_of(value, site.code.file)
    span = Span(place.file, place.line, place.column, end.end_line, end.end_column)
    change = Change(replacements=(Replacement(span, f"{name}={passed}"),))
    yield Proposal(change, Features(prior=Prior.PADDING_MASK))


def _is_true_for_tokens(site: FailingCode, value: ast.expr) -> bool | None:
    """Whether a mask is true for the tokens: what computes or names it says that, or nothing.

    A tokenizer's `attention_mask` is 1 for a token.
    """
    name = value.id if isinstance(value, ast.Name) else ""
    for statement in nodes(site.function, ast.Assign) if site.function is not None else ():
        if name and assigned_name(statement) == name:
            value = statement.value
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        value = value.func.value  # .bool()
    if isinstance(value, ast.Compare):
        return isinstance(value.ops[0], ast.NotEq | ast.Gt)
    name = site.code.text_of(value).rpartition(".")[2]
    if "pad" in name:
        return False
    return True if "attention_mask" in name or "attn_mask" in name else None
