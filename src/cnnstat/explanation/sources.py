"""Sources of the formulas: papers, and pages of torch's documentation."""

from __future__ import annotations

from collections.abc import Sequence

from ..operators.pooling import Pool
from .results import Source, Step
from .subject import Subject
from .windows import sliding_in

_DUMOULIN = "Dumoulin and Visin, A guide to convolution arithmetic for deep learning (2016)"
_ARAUJO = (
    "Araujo et al., Computing Receptive Fields of Convolutional Neural Networks (Distill 2019)"
)
_COUNTED = "cnnstat's documentation, Conventions, What is counted"
_TAPS = "taps of the kernel that meet in one output lie a multiple of the stride apart"
_OUTPUT_PAGES = {
    "linear": "Shape of torch.nn.Linear",
    "embedding": "Shape of torch.nn.Embedding",
    "recurrent": "Outputs of torch.nn.{type}",
    "attention": "Shape of torch.nn.functional.scaled_dot_product_attention",
}
_ATTENTION = "Vaswani et al., Attention Is All You Need (2017), equation 1"
_RECURRENT = "the equations of torch.nn.{type}: W_ih · x and W_hh · h at each step"


def sources_of(subject: Subject, steps: Sequence[Step]) -> tuple[Source, ...]:
    """The source of each figure that has a formula."""
    figures = list(dict.fromkeys(step.figure for step in steps if step.formula))
    found = []
    for figure in figures:
        text = _source(subject, figure)
        if text is not None:
            found.append(Source(figure, text))
    return tuple(found)


def _source(subject: Subject, figure: str) -> str | None:
    role, kind = subject.layer.role, subject.kinds[0]
    if figure == "output":
        return _window(subject) or _filled(_OUTPUT_PAGES.get(role), kind)
    if figure == "macs":
        if "attention" in kind.lower():
            return _ATTENTION
        return _RECURRENT.format(type=kind) if role == "recurrent" else _COUNTED
    if figure == "other_ops":
        return _COUNTED
    if figure not in ("receptive_field", "stride"):
        return None
    sliding = sliding_in(subject)
    return _TAPS if sliding is not None and sliding.transposed else _ARAUJO


def _filled(text: str | None, kind: str) -> str | None:
    return None if text is None else text.format(type=kind)


def _window(subject: Subject) -> str | None:
    sliding = sliding_in(subject)
    if sliding is None:
        return None
    if isinstance(sliding.view, Pool):
        kind, relation = "MaxPool" if sliding.view.is_max else "AvgPool", "relationship 7"
    elif sliding.transposed:
        kind, relation = "ConvTranspose", "relationship 14"
    else:
        dilated = max(sliding.window.dilation) > 1
        kind, relation = "Conv", "relationship 15" if dilated else "relationship 6"
    return f"torch.nn.{kind}{sliding.dims}d, Shape; {_DUMOULIN}, {relation}"
