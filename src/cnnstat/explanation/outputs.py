"""The output shape: a line for each dimension."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from ..analysis.results import Layer
from ..inputs import format_shape
from ..operators.resizing import Interpolation
from ..operators.shape_rules import broadcasts_to
from ..results import Shape
from . import layouts
from .expression import AXES, Expression, floor, number, symbol
from .results import Step
from .subject import Subject, derived, stated
from .windows import merged, padded, sizes_after, sliding_in

Lines = list[Step]


def output_of_parts(subject: Subject, last: Layer) -> Lines:
    """A container returns the output of its last part, or something derived from it."""
    if subject.output != (last.outputs[:1] or ((),))[0]:
        return _as_it_is(subject)
    remark = f"what {last.path}{last.repetition} makes"
    return [stated("output", "all", subject.output, remark, range(len(subject.output)))]


def output_steps(subject: Subject) -> Lines:
    """Lines whose results are, by axis, the sizes of the first output.

    Formulas that do not give the recorded shape are left out.
    """
    if not subject.call.outputs:
        return []
    lines = _lines(subject)
    if lines and _shape(lines, len(subject.output)) == subject.output:
        return lines
    return _as_it_is(subject)


def _shape(lines: Sequence[Step], rank: int) -> Shape | None:
    sizes: list[int | None] = [None] * rank
    for line in lines:
        for place, axis in enumerate(line.axes):
            result = line.result[place] if isinstance(line.result, tuple) else line.result
            sizes[axis] = int(result)
    return None if None in sizes else tuple(size for size in sizes if size is not None)


def _lines(subject: Subject) -> Lines:
    if sliding_in(subject) is not None:
        return _window(subject)
    for kind in subject.kinds:
        kind = kind.lower().removeprefix("lazy")
        if kind in _BY_KIND:
            return _BY_KIND[kind](subject)
    if subject.layer.role == "pool" or "Adaptive" in subject.call.type:
        return _adaptive(subject)
    return _same(subject)


def _window(subject: Subject) -> Lines:
    sliding = sliding_in(subject)
    assert sliding is not None
    first = len(subject.output) - sliding.dims
    lines = _batch(subject, first - 1)
    if subject.layer.role == "conv":
        filters = "the number of filters" if not sliding.transposed else "c_out of the weight"
        lines.append(stated("output", "channels", subject.output[first - 1], filters, [first - 1]))
    else:
        lines.append(_unchanged(subject, "channels", first - 1))
    lines += padded(subject, sliding)
    return lines + merged(AXES[sliding.dims], sizes_after(sliding), first)


def _batch(subject: Subject, dims: int) -> Lines:
    return [_unchanged(subject, "batch", 0)] if dims == 1 else []


def _unchanged(subject: Subject, name: str, axis: int) -> Step:
    return stated("output", name, subject.output[axis], layouts.AS_IN_INPUT, [axis])


def _leading(subject: Subject, count: int, remark: str = layouts.AS_IN_INPUT) -> Lines:
    """The first dimensions, which are unchanged."""
    if count < 1:
        return []
    if count == 1:
        return [stated("output", "batch", subject.output[0], remark, [0])]
    sizes = subject.output[:count]
    return [stated("output", "all but the last", sizes, remark, range(count))]


def _adaptive(subject: Subject) -> Lines:
    """Output m of M averages the inputs from ⌊m·n/M⌋ up to, not including, ⌈(m+1)·n/M⌉."""
    if not subject.call.inputs:
        return []
    before, after = subject.call.inputs[0].shape, subject.output
    if len(before) != len(after):
        return _same(subject)
    changed = [axis for axis, pair in enumerate(zip(before, after, strict=True)) if axis > 1]
    lines = [*_batch(subject, 1), _unchanged(subject, "channels", 1)]
    for axis in changed:
        name = AXES.get(len(changed), ())[axis - 2 : axis - 1]
        n, m = before[axis], after[axis]
        lines.append(stated("output", "".join(name), m, _bins(n, m), [axis]))
    return lines


def _bins(n: int, m: int) -> str:
    if m == 1:
        return f"asked for: one window over all {n}"
    if n % m == 0:
        return f"asked for: windows of {n} / {m} = {n // m}, side by side"
    return (
        f"asked for: output i takes ⌊i · {n} / {m}⌋ up to ⌈(i + 1) · {n} / {m}⌉, without the last"
    )


def _linear(subject: Subject) -> Lines:
    last = len(subject.output) - 1
    remark = "out: the rows of the weight"
    return [
        *_leading(subject, last),
        stated("output", "features", subject.output[-1], remark, [last]),
    ]


def _embedding(subject: Subject) -> Lines:
    last = len(subject.output) - 1
    remark = "the width of the table"
    return [
        *_leading(subject, last, "as the indices"),
        stated("output", "features", subject.output[-1], remark, [last]),
    ]


def _recurrent(subject: Subject) -> Lines:
    settings = subject.call.module.settings if subject.call.module else {}
    if "hidden_size" not in settings:
        return _same(subject)
    last = len(subject.output) - 1
    width = settings.get("proj_size") or settings["hidden_size"]
    ways = symbol("directions", 2 if settings.get("bidirectional") else 1)
    lines = _leading(subject, last)
    if subject.output[-1] == width:
        return [*lines, stated("output", "features", width, "hidden features", [last])]
    return [*lines, derived("output", "features", ways * symbol("y", width), None, [last])]


def _resize(subject: Subject) -> Lines:
    view = next((view for view in subject.views if isinstance(view, Interpolation)), None)
    if view is None:
        return []
    dims, scales = view.dims, view.scales
    lines = [*_batch(subject, 1), _unchanged(subject, "channels", 1)]
    if len(scales) < dims:
        remark = "asked for"
        sizes = zip(AXES[dims], subject.output[2:], strict=True)
        return lines + [
            stated("output", name, size, remark, [axis])
            for axis, (name, size) in enumerate(sizes, 2)
        ]
    grown = [
        (floor(symbol("n", n) * symbol("f", _fraction(f))), None)
        for n, f in zip(view.x.shape[2:], scales, strict=True)
    ]
    return lines + merged(AXES[dims], grown, 2)


def _fraction(scale: float) -> Expression:
    return number(Fraction(scale).limit_denominator(1000))


def _attention(subject: Subject) -> Lines:
    sizes, last = subject.output[:-1], len(subject.output) - 1
    if subject.call.module is not None:
        return [
            stated("output", "batch, tokens", sizes, "as the query", range(last)),
            stated("output", "features", subject.output[-1], "the width of a token", [last]),
        ]
    return [
        stated("output", "all but the last", sizes, "as the query", range(last)),
        stated("output", "features", subject.output[-1], "as the value", [last]),
    ]


def _product(subject: Subject) -> Lines:
    """[*,A,C] @ [*,C,B] is [*,A,B]; a vector on either side has no A or no B."""
    if len(subject.call.inputs) != 2:
        return []
    first, second = (tensor.shape for tensor in subject.call.inputs)
    if min(len(first), len(second)) < 2:
        return []
    rank = len(subject.output)
    lines = [
        stated("output", "rows", first[-2], "A: the rows of the first matrix", [rank - 2]),
        stated("output", "columns", second[-1], "B: the columns of the second", [rank - 1]),
    ]
    if rank > 2:
        sizes = subject.output[:-2]
        lines.insert(0, stated("output", "matrices", sizes, "as in the inputs", range(rank - 2)))
    return lines


def _same(subject: Subject) -> Lines:
    """Elementwise: the shape of the input, or that to which several broadcast."""
    out, shapes = subject.output, [tensor.shape for tensor in subject.call.inputs]
    every = range(len(out))
    if shapes and all(shape == out for shape in shapes):
        return [stated("output", "all", out, "as the input", every)]
    if any(shape == out for shape in shapes) and all(broadcasts_to(s, out) for s in shapes):
        listed = " and ".join(format_shape(shape) for shape in dict.fromkeys(shapes))
        return [stated("output", "all", out, f"{listed} broadcast", every)]
    # further inputs are weights, statistics, …
    return [stated("output", "all", out, "as the input", every)] if out in shapes[:1] else []


def _as_it_is(subject: Subject) -> Lines:
    inputs = " and ".join(format_shape(t.shape) for t in subject.call.inputs[:3]) or "nothing"
    remark = f"what {subject.call.type} makes of {inputs}"
    return [stated("output", "all", subject.output, remark, range(len(subject.output)))]


_BY_KIND: dict[str, Callable[[Subject], Lines]] = {
    **dict.fromkeys(("linear", "nondynamicallyquantizablelinear"), _linear),
    **dict.fromkeys(("embedding", "embeddingbag"), _embedding),
    **dict.fromkeys(("lstm", "gru", "rnn", "lstmcell", "grucell", "rnncell"), _recurrent),
    **dict.fromkeys(("flatten", "view", "reshape", "unflatten"), layouts.flattened),
    **dict.fromkeys(("permute", "transpose", "swapaxes", "t", "movedim"), layouts.reordered),
    **dict.fromkeys(("cat", "concat", "concatenate", "hstack", "vstack"), layouts.cat),
    "stack": layouts.stack,
    **dict.fromkeys(
        ("pad", "zeropad2d", "constantpad2d", "reflectionpad2d", "replicationpad2d"), layouts.pad
    ),
    **dict.fromkeys(("interpolate", "upsample"), _resize),
    **dict.fromkeys(("multiheadattention", "scaled_dot_product_attention"), _attention),
    **dict.fromkeys(("matmul", "mm", "bmm"), _product),
    **dict.fromkeys(("mean", "sum", "amax"), _adaptive),
}
