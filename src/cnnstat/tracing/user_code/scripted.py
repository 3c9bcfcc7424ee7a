"""TorchScript modules of a live model: copies, and the rows of their layers.

TorchScript runs a module and all modules inside it in C++, where no Python call is seen. Each
operator is attributed to the module whose parameter it uses; one without a parameter is a function
in the module that was open last.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from ..recording.open_calls import OpenCall
from ..recording.recorder import Recorder
from ..recording.tensor_records import storage_key
from ..structure.containers import tensors_among
from ..structure.modules import modules_of

_RECURRENT = {"RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"}
_OF_STEPS = {
    f"aten.{name}" for name in (
        "add", "add_", "mul", "mul_", "sub", "rsub", "sigmoid", "sigmoid_", "tanh", "tanh_",
        "relu", "unsafe_split", "split", "chunk", "unsafe_chunk", "unbind", "select", "stack",
        "cat", "transpose", "unsqueeze", "squeeze", "t", "clone", "slice", "detach",
    )
}  # fmt: skip
"""What torch decomposes recurrent layers into, beside the products with their weights."""


def scripted_copy(module: nn.Module, placed: Callable[[Tensor], Tensor]) -> list[nn.Module]:
    """The copies of a scripted module and of those inside, in the order of `modules_of`.

    `placed` gives the copy of a parameter or buffer.
    """
    copied: nn.Module = copy.deepcopy(module)
    pairs = list(zip(modules_of(module), modules_of(copied), strict=True))
    for original, clone in pairs:
        for name in ("_parameters", "_buffers"):
            tensors, copies = getattr(original, name), getattr(clone, name)
            for key, tensor in list(tensors.items()):
                if tensor is not None:
                    copies[key] = placed(tensor)
        weights = getattr(original, "_flat_weights", None)  # of a recurrent layer, once more
        if weights:
            setattr(clone, "_flat_weights", [placed(weight) for weight in weights])  # noqa: B010  # mypy: no attribute of Module
    return [clone for _, clone in pairs]


class ScriptedRows:
    """Opens and closes the calls of modules that run inside a scripted one."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.open: list[OpenCall] = []
        self._paths = {record.path: record for record in recorder.modules.values()}

    def run(self, name: str, args: Any, kwargs: Any, operator: Callable[[], Any]) -> Any:
        """Run an operator in the call that it belongs to."""
        recorder = self.recorder
        self._close_ended()
        root = self.open[0].parent if self.open else recorder.stack[-1]
        assert root is not None
        owner, inputs = self._owner_of((args, kwargs))
        if owner is None and (not inputs or not name.startswith("aten.")):
            return operator()  # it creates a tensor, or asks one for its device
        is_function = owner is None and not self._is_step(name)
        if is_function:
            self._leave_layer()
            self.open.append(recorder.open_function(name.rpartition(".")[2].strip("_"), ()))
            self.open[-1].scripted = True
        elif owner is not None:
            self._enter(root, owner)
        result = operator()
        self._describe(inputs, result)
        if is_function:
            self._pop()
        return result

    def _is_step(self, name: str) -> bool:
        """Whether an operator is part of the recurrent layer that is open, step by step."""
        module = self.open[-1].module if self.open else None
        return module is not None and module.base in _RECURRENT and name in _OF_STEPS

    def _close_ended(self) -> None:
        """Forget calls that ended with the scripted module around them."""
        stack = self.recorder.stack
        self.open = [call for call in self.open if any(call is other for other in stack)]

    def _owner_of(self, operands: Any) -> tuple[str | None, tuple[Any, ...]]:
        """The path of the module whose parameter is among the operands, and the other operands."""
        owner, inputs = None, []
        for tensor in tensors_among(operands):
            parameter = self.recorder.parameter_of(storage_key(tensor))
            if parameter is None:
                inputs.append(tensor)
            elif owner is None:
                owner = parameter.rpartition(".")[0]
        return owner, self.recorder.specs_in(inputs)

    def _enter(self, root: OpenCall, owner: str) -> None:
        """Open the calls from `root` to the module `owner`, and close those of others."""
        parts = owner.split(".")
        chain = [".".join(parts[: n + 1]) for n in range(len(parts))]
        inside = f"{root.path}." if root.path else ""
        chain = [path for path in chain if path.startswith(inside) and path in self._paths and path]
        while self.open and self.open[-1].path not in chain:
            self._pop()
        for path in chain[len(self.open) :]:
            record = self._paths[path]
            call = self.recorder.open_recorded(record)
            call.scripted = True
            self.open.append(call)

    def _leave_layer(self) -> None:
        """Close the call of a layer: a module without modules inside."""
        while self.open and not any(p.startswith(f"{self.open[-1].path}.") for p in self._paths):
            self._pop()

    def _describe(self, inputs: Any, result: Any) -> None:
        tensors = tensors_among(result)[:1]  # the others are for the backward pass
        outputs = self.recorder.specs_in(tensors)
        for call in self.open:
            call.inputs = call.inputs or inputs
            call.outputs = outputs
            call.new_bytes = self.recorder.new_bytes_since(call.first_op, tensors)

    def _pop(self) -> None:
        call = self.open.pop()
        assert self.recorder.stack[-1] is call
        self.recorder.stack.pop()
