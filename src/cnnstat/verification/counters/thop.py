"""thop's profile: `thop/vision/basic_hooks.py`, `calc_func.py`, `rnn_hooks.py`, 0.1.1.

It has a formula per layer of torch.nn, chosen by exact class; every other module counts 0, its
parameters too. A layer registered in two modules counts in both. MACs and parameters are floats
with integral values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from math import prod
from typing import Any

from ...trace.records import Call, Trace
from ..differences import Difference, Figures, macs_by_path
from ..results import Cause
from .sandbox import CountRequest
from .structure import ModuleTree


def count(request: CountRequest) -> Figures:
    request.require_eval()
    thop: Any = import_module("thop")
    model, inputs = request.positional("meta")
    macs, params = thop.profile(model, inputs, verbose=False)
    return Figures(round(params), round(macs))


Formula = Callable[[Call, dict[str, Any]], int]


def differences(trace: Trace) -> Iterator[Difference]:
    tree = ModuleTree(trace)
    ours = macs_by_path(trace)
    theirs: dict[str, int] = {}
    for call in trace.calls:
        formula = _formula(call, trace)
        if formula is not None and call.module is not None:
            theirs[call.path] = theirs.get(call.path, 0) + formula(call, call.module.settings)
    for path in dict.fromkeys((*ours, *theirs)):
        if path in theirs:
            yield Difference(path, *_cause(trace.modules[path].type), theirs[path] - ours[path])
            # A layer in n modules gets n hooks, each of which counts, and is summed n times.
            again = (tree.listed(path) ** 2 - 1) * theirs[path]
            yield Difference(path, "twice", "layers in n modules: n² times", again)
        else:
            yield Difference(
                path, "unseen", "code outside layers it knows: not counted", -ours[path]
            )
    yield from _parameters(trace, tree, set(theirs))


def _parameters(trace: Trace, tree: ModuleTree, hooked: set[str]) -> Iterator[Difference]:
    """Parameters: those of each known, called layer, once for each module that contains it."""
    listed = {path: tree.listed(path) if path in hooked and path else 0 for path in trace.modules}
    for parameter in trace.parameters:
        if parameter.buffer:
            continue
        names = (parameter.name, *parameter.aliases)
        owners = {tree.canonical[name.rpartition(".")[0]] for name in names}
        times = sum(listed[path] for path in owners)
        if times == 0:
            what = "parameters outside layers it knows: not counted"
            yield Difference(parameter.owner, "unseen", what, -parameter.numel, "params")
        elif times > 1:
            what = "parameters in several modules: once for each"
            value = (times - 1) * parameter.numel
            yield Difference(parameter.owner, "twice", what, value, "params")


def _formula(call: Call, trace: Trace) -> Formula | None:
    """The formula of the exact class; thop does not know subclasses."""
    module = trace.modules.get(call.path) if call.module is not None else None
    return _FORMULAS.get(module.type) if module and module.library else None


def _cause(type: str) -> tuple[Cause, str]:
    if "Norm" in type:
        return "norm", "norm layers: 4 per element, 2 without parameters"
    if "Pool" in type:
        return "pooling", "average pooling: its divisions, and sums if adaptive"
    if type in ("PReLU", "Softmax"):
        return "activation", "activations: PReLU 1 per element, softmax about 3"
    if "Upsampl" in type or type == "Upsample":
        return "resizing", "upsampling: nearest 1, linear 5, bilinear 11"
    if type.startswith(("RNN", "GRU", "LSTM")):
        return "elementwise", "recurrent layers: biases and gates"
    if "Transpose" in type:
        return "formula", "transposed convolutions: output for input positions"
    return "formula", f"{type}: another formula"


def _zero(call: Call, settings: dict[str, Any]) -> int:
    return 0


def _convolution(call: Call, settings: dict[str, Any]) -> int:
    x, out = call.inputs[0], call.outputs[0]
    kernel: tuple[int, ...] = settings["kernel_size"]
    groups: int = settings["groups"]
    return out.numel * (x.shape[1] // groups) * prod(kernel)


def _norm(call: Call, settings: dict[str, Any]) -> int:
    affine = settings.get("affine") or settings.get("elementwise_affine")
    return call.inputs[0].numel * (4 if affine else 2)


def _per_input(call: Call, settings: dict[str, Any]) -> int:
    return call.inputs[0].numel


def _per_output(call: Call, settings: dict[str, Any]) -> int:
    return call.outputs[0].numel


def _softmax(call: Call, settings: dict[str, Any]) -> int:
    x = call.inputs[0]
    features: int = x.shape[settings["dim"]]
    return x.numel // features * (3 * features - 1)


def _adaptive(call: Call, settings: dict[str, Any]) -> int:
    out = call.outputs[0]
    pairs = zip(call.inputs[0].shape[2:], out.shape[2:], strict=True)
    return int((prod(n / m for n, m in pairs) + 1) * out.numel)


def _upsample(call: Call, settings: dict[str, Any]) -> int:
    per_element = {"nearest": 1, "linear": 5, "bilinear": 11, "bicubic": 259}
    return per_element.get(settings["mode"], 0) * call.outputs[0].numel


def _linear(call: Call, settings: dict[str, Any]) -> int:
    return int(settings["in_features"]) * call.outputs[0].numel


_GATES = {"RNN": (1, 0), "GRU": (3, 4), "LSTM": (4, 4)}
"""The number of products of a step, and of more operations on each element of the state."""


def _step(kind: str, inputs: int, hidden: int, bias: bool) -> int:
    gates, extra = _GATES[kind]
    return gates * hidden * (inputs + hidden + 1 + 2 * bias) + extra * hidden


def _cell(call: Call, settings: dict[str, Any]) -> int:
    kind = str(call.type).removesuffix("Cell")
    step = _step(kind, settings["input_size"], settings["hidden_size"], settings["bias"])
    return step * call.inputs[0].shape[0]


def _recurrent(call: Call, settings: dict[str, Any]) -> int:
    hidden, bias = settings["hidden_size"], settings["bias"]
    directions = 2 if settings["bidirectional"] else 1
    layers: int = settings["num_layers"]
    steps = _step(call.type, settings["input_size"], hidden, bias)
    steps += (layers - 1) * _step(call.type, hidden * directions, hidden, bias)
    return directions * steps * prod(call.inputs[0].shape[:2])


_FORMULAS: dict[str, Formula] = {
    **dict.fromkeys(
        ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"],
        _convolution,
    ),
    **dict.fromkeys(
        ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm", "LayerNorm",
         "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"],
        _norm,
    ),
    **dict.fromkeys(
        ["ZeroPad2d", "ReLU", "ReLU6", "LeakyReLU", "MaxPool1d", "MaxPool2d", "MaxPool3d",
         "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "Dropout", "Sequential",
         "PixelShuffle"],
        _zero,
    ),
    **dict.fromkeys(["AvgPool1d", "AvgPool2d", "AvgPool3d"], _per_output),
    **dict.fromkeys(["AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d"], _adaptive),
    **dict.fromkeys(["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"], _upsample),
    **dict.fromkeys(["RNN", "GRU", "LSTM"], _recurrent),
    **dict.fromkeys(["RNNCell", "GRUCell", "LSTMCell"], _cell),
    "PReLU": _per_input,
    "Softmax": _softmax,
    "Linear": _linear,
}  # fmt: skip
