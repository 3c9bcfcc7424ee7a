"""A failure explained: the input, what the layer takes, and where its sizes come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from ..inputs import format_shape
from ..operators.convolution import Convolution, impossible_window, wide_output_padding
from ..operators.describe import dims_of, window_of
from ..operators.joins import Join
from ..operators.linear import Matmul
from ..operators.pooling import Pool
from ..operators.registry import view_of
from ..operators.views import Reshape, Unsqueeze
from ..trace.records import About, Failure, TensorSpec, tensors_in
from .mismatch import Mismatch, mismatch_of, state_shape
from .naming import Places, counted, message, name_of
from .outcomes import Outcome
from .provenance import Provenance, batches_as_rows
from .python_errors import reasons, sizes_without_weight, values_in_message

_RANKS = {"BatchNorm1d": "2 or 3"}
_UNITS = {"features": "features", "channels": "channels", "dims": "dimensions",
          "view": "elements per row", "product": "rows", "indices": "rows"}  # fmt: skip


def explanation(failure: Failure, places: Places, outcome: Outcome) -> tuple[str, ...]:
    """The lines below the headline of an error; `outcome` is the run that failed."""
    return tuple(_Explanation(failure, places, outcome).lines())


def got_and_expected(failure: Failure) -> tuple[str | None, str | None]:
    """The sizes that the layer was given and those that it takes, as texts."""
    mismatch = mismatch_of(failure)
    got = ", ".join(map(format_shape, _operands(failure))) or None
    if mismatch.expected is None:
        return got, None
    return got, f"{mismatch.expected} {_UNITS.get(mismatch.kind, '')}".rstrip()


def _operands(failure: Failure) -> list[tuple[int, ...]]:
    """The shapes that the layer or operator was given, without its parameters."""
    mismatch = mismatch_of(failure)
    if mismatch.operand is not None:
        return [mismatch.operand.shape]
    if failure.op is not None:
        return [spec.shape for spec in failure.op.inputs if spec.parameter is None]
    return [spec.shape for call in failure.calls[-1:] for spec in call.inputs]


class _Explanation:
    def __init__(self, failure: Failure, places: Places, outcome: Outcome) -> None:
        self.failure = failure
        self.places = places
        self.outcome = outcome
        self.mismatch = mismatch_of(failure)
        self.provenance = Provenance(failure, places)

    def lines(self) -> Iterator[str]:
        kinds = {
            "features": self._sizes, "channels": self._sizes, "join": self._join,
            "broadcast": self._broadcast, "window": self._window, "view": self._view,
            "product": self._product, "dims": self._dims, "dtype": self._dtype,
            "indices": self._indices, "state": self._state,
        }  # fmt: skip
        kind = kinds.get(self.mismatch.kind)
        lines = [] if kind is None else list(kind())
        yield from lines or self._other()
        yield from self._batches_as_rows()

    def _of_layer(self) -> Iterator[str]:
        """What a layer takes besides its input."""
        call = self.failure.calls[-1] if self.failure.calls else None
        base = call.module.base if call is not None and call.module is not None else ""
        shapes = [x.shape for x in call.inputs] if call is not None else []
        if base.startswith("MaxUnpool") and len(shapes) > 1 and shapes[0] != shapes[1]:
            yield "pooling rounds odd sides down: output_size=… says what unpooling returns"
        masks = [shape for shape in shapes[1:] if len(shape) == 2 and shape[0] != shape[1]]
        if base == "MultiheadAttention" and masks:
            yield (
                "a mask of attention is length × length; one of the padding, batch × length, is "
                "passed as …key_padding_mask, in which True leaves a position out"
            )

    def _batches_as_rows(self) -> Iterator[str]:
        if self.mismatch.kind not in ("join", "broadcast", "product", "state", "other"):
            return
        for call, batch in batches_as_rows(self.failure):
            before, after = (format_shape(x[0].shape) for x in (call.inputs, call.outputs))
            place = self.places.of_call(self.failure, call)
            at = f" at {place}" if place else ""
            yield f"{name_of(call)}{at} makes {after} of {before}: the batch of {batch} is one row"

    def _state(self) -> Iterator[str]:
        call, state = self.failure.calls[-1], self.mismatch.operand
        target = state_shape(call)
        if target is None or state is None:
            return
        axes = "layers × batch × hidden size" if len(target) == 3 else "batch × hidden size"
        yield f"a state is {format_shape(state.shape)}, and of this layer {axes}"
        x = format_shape(call.inputs[0].shape)
        yield f"the layer on {x} takes {format_shape(target)}"
        yield f"it comes from {self.provenance.origin(state)}"

    def _sizes(self) -> Iterator[str]:
        m = self.mismatch
        assert m.operand is not None
        written = self._before_rows(m.operand)
        if written is not None:
            yield from self._unflattened(written, m)
            return
        yield from self._read_as_one(m) or (
            f"input is {format_shape(m.operand.shape)}, the layer takes "
            f"{counted(m.expected, m.kind)}",
        )
        origin = self._origin_of_size(m, m.operand)
        if origin:
            yield origin
        yield from sizes_without_weight(self.failure, self.outcome, self.places)

    def _read_as_one(self, m: Mismatch) -> tuple[str, ...]:
        """For a convolution that got an axis less than with a batch."""
        call = self.failure.calls[-1] if self.failure.calls else None
        op = None if m.operand is None else self.provenance.op_behind(m.operand)
        view = None if op is None else view_of(op)
        if call is None or op is None or op.call != call.index or not isinstance(view, Unsqueeze):
            return ()
        x = view.x.shape
        return (
            f"input is {format_shape(x)}: with {len(x)} axes it is one example of "
            f"{counted(m.actual, m.kind)}",
            f"with a batch the layer takes {len(x) + 1} axes, and {counted(m.expected, m.kind)}",
        )

    def _before_rows(self, operand: TensorSpec) -> TensorSpec | None:
        """What a linear layer got, if it laid that out as rows itself: the user saw only that."""
        call = self.failure.calls[-1] if self.failure.calls else None
        op = self.provenance.op_behind(operand)
        is_layer = call is not None and call.module is not None and op is not None
        if not is_layer or op is None or call is None or op.call != call.index:
            return None
        view = view_of(op)
        return view.x if isinstance(view, Reshape) and len(view.x.shape) > 2 else None

    def _unflattened(self, x: TensorSpec, m: Mismatch) -> Iterator[str]:
        axes = {4: " (N, C, H, W)", 5: " (N, C, D, H, W)"}.get(len(x.shape), "")
        features = f"the layer takes {counted(m.expected, m.kind)} along the last axis"
        yield f"input is {format_shape(x.shape)}{axes}, {features}, which has {x.shape[-1]}"
        source = self.provenance.shaped_by(x)
        product = format_shape(x.shape[1:]).replace("×", " × ")
        flattened = f"flattened, an example has {product} = {prod(x.shape[1:])}"
        yield f"it comes from {source}" + (f"; {flattened}" if axes else "")

    def _origin_of_size(self, m: Mismatch, operand: TensorSpec) -> str | None:
        """`512 = 32 × 4 × 4, from features (MaxPool2d) flattened at my_model.py:18`."""
        op = self.provenance.op_behind(operand)
        view = None if op is None else view_of(op)
        if op is not None and isinstance(view, Reshape) and m.kind == "features":
            before = view.x
            product = format_shape(before.shape[1:]).replace("×", " × ")
            source = self.provenance.shaped_by(before)
            if prod(before.shape[1:]) == m.actual and len(before.shape) > 2:
                at = self.provenance.at(op)
                return f"{m.actual} = {product}, from {source} flattened{at}"
            if m.actual and before.shape and prod(before.shape) % m.actual == 0:
                rows = format_shape(operand.shape)
                return (
                    f"{format_shape(before.shape)} from {source} laid out as {rows}"
                    + self.provenance.at(op)
                )
        producer = self.provenance.sized_by(operand, m.kind)
        sizes = counted(m.actual, m.kind)
        if producer is None:
            return None
        if producer == "input":
            return f"the model's input has {sizes}" if m.kind == "channels" else None
        return f"{sizes} come{'s' if m.actual == 1 else ''} from {producer}"

    def _join(self) -> Iterator[str]:
        call = self.failure.calls[-1] if self.failure.calls else None
        view = None if self.failure.op is None else view_of(self.failure.op)
        tensors: Sequence[TensorSpec] = call.inputs if call else ()
        dim = 0
        if isinstance(view, Join):
            tensors, dim = view.tensors, view.dim % max(1, len(view.tensors[0].shape))
        name = call.type if call else "cat"
        shapes = ", ".join(format_shape(t.shape) for t in tensors)
        if name != "stack":
            yield f"{name} along axis {dim} takes tensors that are equal in every other axis:"
            yield f"  {shapes}"
        else:
            yield f"{name} takes tensors of one shape: {shapes}"
        # The shapes without the joined axis: the majority is assumed to be right.
        rests = [
            tuple(s for i, s in enumerate(t.shape) if i != dim or name == "stack") for t in tensors
        ]
        common = max(rests, key=rests.count)
        if rests.count(common) <= len(rests) // 2:
            return
        for tensor, rest in zip(tensors, rests, strict=True):
            if rest != common:
                producer = self.provenance.shaped_by(tensor)
                yield f"the odd one out is {producer}: {format_shape(tensor.shape)}"
                usual = tensors[rests.index(common)]
                yield from self._resized_in(tensor, self.provenance.calls_before(usual))

    def _resized_in(self, spec: TensorSpec, common: set[int]) -> Iterator[str]:
        """The last layers of the branch of a tensor that changed the sides of their input."""
        resized = self.provenance.resized_by(spec)
        in_branch = [found for found in resized if found[0].index not in common]
        for call, before, after in in_branch[:2]:
            place = self.places.of_module(call)
            yield (
                f"{name_of(call)}{f' at {place}' if place else ''} makes "
                f"{format_shape(after)} of {format_shape(before)}"
            )

    def _broadcast(self) -> Iterator[str]:
        op = self.failure.op
        assert op is not None
        a, b = (spec for spec in op.inputs[:2])
        yield f"{format_shape(a.shape)} and {format_shape(b.shape)} do not go together"
        yield from self._origins(a, b)

    def _origins(self, *specs: TensorSpec) -> Iterator[str]:
        for spec in specs:
            yield f"{format_shape(spec.shape)} comes from {self.provenance.origin(spec)}"

    def _window(self) -> Iterator[str]:
        op, x = self.failure.op, self.mismatch.operand
        assert op is not None
        assert x is not None
        call = self.provenance.calls.get(op.call)
        window = window_of([op], dims_of(call) if call else None)
        if window is None:
            return
        view = view_of(op)
        if isinstance(view, Convolution):
            refused = impossible_window(window.stride, window.padding, window.dilation)
            if refused is None and view.transposed:
                refused = wide_output_padding(view.output_padding, window.stride, window.dilation)
            if refused is not None:
                yield refused
                return
        sides = format_shape(x.shape[-len(window.kernel) :])
        padded = f" with padding {format_shape(window.padding)}" if any(window.padding) else ""
        kernel = format_shape(window.kernel)
        yield f"input is {format_shape(x.shape)}, the kernel takes {kernel}{padded}"
        if isinstance(view, Pool):
            most = tuple(size // 2 for size in window.kernel)
            if any(p > half for p, half in zip(window.padding, most, strict=True)):
                yield f"padding may be at most half the kernel: {format_shape(most)}"
                return
        resized = self.provenance.resized_by(x)
        if resized:
            steps = [format_shape(resized[-1][1])]
            steps += [
                f"{format_shape(after)} by {call.path or call.type}"
                for call, _, after in resized[::-1]
            ]
            shown = steps if len(steps) <= 6 else [*steps[:3], "…", *steps[-2:]]
            yield f"{sides} is what is left of " + " → ".join(shown)

    def _view(self) -> Iterator[str]:
        m, op = self.mismatch, self.failure.op
        assert m.operand is not None
        view = None if op is None else view_of(op)
        total = f"{format_shape(m.operand.shape)} has {m.actual:,} elements"
        if not isinstance(view, Reshape) or view.sizes is None:
            return
        sizes = ", ".join(map(str, view.sizes))
        per_row = abs(prod(view.sizes))
        if prod(m.operand.shape) == per_row or (
            -1 in view.sizes and per_row and prod(m.operand.shape) % per_row == 0
        ):
            yield from self._strides(m.operand)
            return
        what = f"no multiple of {per_row:,}" if -1 in view.sizes else f"({sizes}) has {per_row:,}"
        yield f"{total}, {what}"
        yield from self._origins(m.operand)

    def _strides(self, operand: TensorSpec) -> Iterator[str]:
        """For a view whose number of elements fits."""
        shape = format_shape(operand.shape)
        found = self.provenance.reordered_by(operand)
        why = "" if found is None else f": {name_of(found[0])}{self.provenance.at(found[1])} "
        yield (
            f"the memory of {shape} is not in the order of its axes"
            + (f"{why}changed only the strides" if why else "")
        )
        yield "view never copies: .reshape does, and so does .contiguous() before it"

    def _product(self) -> Iterator[str]:
        op = self.failure.op
        assert op is not None
        product = Matmul.of(op)
        a, b = product.a, product.b
        yield (
            f"a product of {format_shape(a.shape)} and {format_shape(b.shape)}: "
            f"{product.inner} columns meet {product.rows_of_b} rows"
        )
        yield from self._origins(a, b)

    def _dims(self) -> Iterator[str]:
        m = self.mismatch
        assert m.operand is not None
        shape = format_shape(m.operand.shape)
        call = self.failure.calls[-1] if self.failure.calls else None
        expected = _RANKS.get(call.module.base, "") if call and call.module else ""
        dims = counted(m.actual, "dimensions")
        yield f"input is {shape}: {dims}, the layer takes {expected or m.expected}"
        found = self.provenance.reranked_by(m.operand)
        if found is None:
            return
        before = found[1].inputs[0].shape
        shapes = f"{format_shape(m.operand.shape)} of {format_shape(before)}"
        yield f"{name_of(found[0])}{self.provenance.at(found[1])} makes {shapes}"
        if found[0].type == "squeeze" and before[:1] == (1,) and m.operand.shape[:1] != (1,):
            yield "squeeze() without an axis removes the batch of one too"

    def _dtype(self) -> Iterator[str]:
        x = self.mismatch.operand
        assert x is not None
        yield f"input is {format_shape(x.shape)} of {x.dtype}, the layer takes indices: int64"
        yield from self._dtype_origins([x])

    def _dtype_origins(self, specs: Sequence[TensorSpec]) -> Iterator[str]:
        """For the tensors that are no parameters of a layer."""
        for spec in specs:
            origin = self.provenance.dtype_from(spec)
            if origin is not None:
                yield f"{spec.dtype} comes from {origin}"

    def _indices(self) -> Iterator[str]:
        m = self.mismatch
        assert m.operand is not None
        index, rows = self.failure.index, m.expected
        if index is not None and index < 0:
            yield f"an index is {index}, and the rows of a table count from 0"
        else:
            yield f"the largest index is {index}, the table has {counted(rows, 'rows')}: 0 to " + (
                str((rows or 0) - 1)
            )
        yield f"the indices, {format_shape(m.operand.shape)}, come from " + (
            self.provenance.origin(m.operand)
        )

    def _other(self) -> Iterator[str]:
        """The input, and the message of the exception."""
        failure = self.failure
        is_wrong_call = About.FORWARD in failure.about
        for call in failure.calls[-1:]:
            shapes = [format_shape(spec.shape) for spec in call.inputs]
            if shapes and not is_wrong_call and (call.parent is not None or failure.in_model):
                dtypes = {spec.dtype for spec in call.inputs} - {"float32"}
                kind = f" of {', '.join(sorted(dtypes))}" if dtypes else ""
                yield f"input is {' and '.join(shapes)}{kind}"
        yield message(failure)
        yield from values_in_message(failure)
        yield from self._of_layer()
        for call in failure.calls[-1:]:
            if call.type == "einsum":
                yield from self._origins(*tensors_in(call.inputs))
        if failure.what == "dtypes" and failure.op is not None:
            operands = [spec for spec in failure.op.inputs if spec.parameter is None]
            usual = {s.dtype for s in failure.op.inputs if s.parameter is not None} or {"float32"}
            yield from self._dtype_origins([s for s in operands if s.dtype not in usual])
        yield from reasons(failure, self.outcome, self.places)
        is_root = all(call.parent is None for call in failure.calls[-1:])
        if is_wrong_call and is_root and self.outcome.signature not in ("", "()"):
            yield f"forward takes {self.outcome.signature}"
