"""ONNX operators that move data or look it up, under ATen's names."""

from __future__ import annotations

from collections.abc import Iterator

from ...operators.embedding import Embedding
from ...operators.joins import Cat
from ...operators.padding import Pad
from ...operators.slicing import Select, Slice, Split
from ...operators.views import Permute, Reshape, Squeeze, Unsqueeze
from .node_call import Call, Step, Translator, as_it_is


def view(name: str) -> Translator:
    def translate(call: Call) -> Iterator[Step]:
        yield call.step(f"aten.{name}", call.x, call.out.shape, view=True)

    return translate


def squeeze(call: Call) -> Iterator[Step]:
    axes = call.numbers(1, "axes")
    dims = None if axes is None else tuple(axes)
    yield call.step("aten.squeeze", *Squeeze(call.x, dims).args, view=True)


def unsqueeze(call: Call) -> Iterator[Step]:
    axes = call.numbers(1, "axes")
    if axes is not None and len(axes) == 1:
        yield call.step("aten.unsqueeze", *Unsqueeze(call.x, axes[0]).args, view=True)
    else:  # ATen adds one axis at a time
        yield call.step("aten.view", *Reshape(call.x, call.out.shape).args, view=True)


def transpose(call: Call) -> Iterator[Step]:
    order = call.attribute("perm") or range(len(call.x.shape) - 1, -1, -1)
    yield call.step("aten.permute", *Permute(call.x, tuple(order)).args, view=True)


def concat(call: Call) -> Iterator[Step]:
    yield call.step("aten.cat", *Cat(call.tensors, call.attribute("axis", 1)).args)


def split(call: Call) -> Iterator[Step]:
    axis = call.attribute("axis", 0)
    sizes = tuple(tensor.shape[axis] for tensor in call.outputs)
    yield call.step("aten.split_with_sizes", *Split(call.x, sizes, axis).args, view=True)


def slice(call: Call) -> Iterator[Step]:
    starts, ends = call.numbers(1, "starts"), call.numbers(2, "ends")
    rank = len(call.x.shape)
    axes = call.numbers(3, "axes") or list(range(len(starts or ())))
    steps = call.numbers(4, "steps") or [1] * len(axes)
    if not axes or starts is None or ends is None or len(steps) != len(axes) or min(steps) < 1:
        yield as_it_is(call)
        return
    tensor = call.x
    for number, (axis, start, end, step) in enumerate(zip(axes, starts, ends, steps, strict=True)):
        shape = list(tensor.shape)
        shape[axis] = call.out.shape[axis]
        last = number == len(axes) - 1
        out = call.out if last else call.like(shape)
        part = Slice(tensor, axis % rank, start, end, step)
        yield Step("aten.slice", part.args, (out,), view=True)
        tensor = out


def pad(call: Call) -> Iterator[Step]:
    pads, rank = call.numbers(1, "pads"), len(call.x.shape)
    if pads is None or len(pads) != 2 * rank:
        yield as_it_is(call)
        return
    # ATen's order: the last dimension first, in front and behind
    pairs = [n for d in range(rank - 1, -1, -1) for n in (pads[d], pads[d + rank])]
    while len(pairs) > 2 and not any(pairs[-2:]):
        pairs = pairs[:-2]
    yield call.step("aten.constant_pad_nd", *Pad(call.x, tuple(pairs)).args)


def gather(call: Call) -> Iterator[Step]:
    index = call.node.inputs[1]
    axis = call.attribute("axis", 0)
    if call.is_constant(0) and len(call.x.shape) == 2 and axis == 0:
        indices = call.tensor(1)
        assert indices is not None
        yield call.step("aten.embedding", *Embedding(call.x, indices).args)
    elif index is not None and index.array is not None and index.array.ndim == 0:
        one = Select(call.x, axis, int(index.array))
        yield call.step("aten.select", *one.args, view=True)
    else:
        yield call.step("aten.index_select", call.x, axis, call.tensor(1))
