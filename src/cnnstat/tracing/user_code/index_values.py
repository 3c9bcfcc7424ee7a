"""The indices of look-ups, as far as a run without data determines them.

`torch.arange(64)` looked up in a table of 32 positions fails in PyTorch for any input, and is
refused here too. Indices that depend on data are not checked.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from ...operators.registry import Trait, is_in_place, traits_of
from ...trace.records import Op, TensorSpec
from ..meta_device.meta_rules import OutOfRange
from ..process.global_state import SEED
from ..recording.recorder import Recorder
from ..structure.known_indices import MOST_INDICES, indices_of
from .known_values import KnownValues, Unknown

_TABLES: dict[str, tuple[int, int, int | None]] = {
    "aten.embedding": (0, 1, None), "aten._embedding_bag": (0, 1, None),
    "aten._embedding_bag_forward_only": (0, 1, None), "aten.index_select": (0, 2, 1),
}  # fmt: skip
"""The places of the table and the indices among the arguments, and that of the axis; without one it
is the first."""


class IndexValues(KnownValues):
    """The indices of look-ups in a run without data."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder, False, MOST_INDICES)
        self._bases: dict[int, int] = {}  # from a view to the tensor whose memory it shows
        self._viewed: set[int] = set()
        self._uncertain: set[int] = set()  # written through a view, or below one
        self._followed = 0

    def check(self, name: str, args: Any) -> None:
        """Refuse indices that are outside their table, if they are known.

        Raises:
            OutOfRange: the operator would fail for any input.
        """
        if name not in _TABLES:
            return
        table_at, indices_at, dim_at = _TABLES[name]
        table, indices = args[table_at], args[indices_at]
        rows: Any = table.shape[0 if dim_at is None else args[dim_at]] if table.dim() else 1
        if not isinstance(rows, int):  # symbolic
            return
        with torch._C.DisableTorchFunction(), _disable_current_modes():
            try:
                values = self._indices(indices)
            except Unknown:
                return
            if values.numel() == 0:
                return
            smallest, largest = int(values.min()), int(values.max())
        if largest >= rows:
            raise OutOfRange(largest, rows)
        if smallest < 0:
            raise OutOfRange(smallest, rows)

    def _indices(self, indices: Tensor) -> Tensor:
        spec, before = self.recorder.spec(indices), self.recorder.position
        if self._writer(spec, before) is None and (known := indices_of(indices)) is not None:
            return known
        return self._value(spec, before)

    def _value(self, spec: TensorSpec, before: int) -> Tensor:
        self._follow_views()
        known = self.recorder.indices.get(spec.value)
        if known is not None and self._writer(spec, before) is None:
            return known
        if self._root(spec.value) in self._uncertain:
            raise Unknown
        return super()._value(spec, before)

    def _results(self, op: Op, index: int) -> list[Tensor]:
        if op.name == "aten.randint":  # drawn as in a run with data
            ranges = [arg for arg in op.args if isinstance(arg, int)]
            low, high = (0, *ranges)[-2:]
            size = next(arg for arg in op.args if isinstance(arg, tuple))
            return [torch.randint(low, high, size, generator=torch.Generator().manual_seed(SEED))]
        return super()._results(op, index)

    def _root(self, value: int) -> int:
        while value in self._bases:
            value = self._bases[value]
        return value

    def _follow_views(self) -> None:
        """Note which memory was written through a view: its values are not in the record."""
        ops = self.recorder.ops
        for op in ops[self._followed :]:
            if not op.inputs:
                continue
            first = op.inputs[0].value
            root = self._root(first)
            if is_in_place(op.name):
                if first != root or root in self._viewed:
                    self._uncertain.add(root)
            elif Trait.LAYOUT in traits_of(op.name):
                for out in op.outputs:
                    if out.value != first:
                        self._bases[out.value] = root
                        self._viewed.add(root)
        self._followed = len(ops)
