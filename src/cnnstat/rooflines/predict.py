"""The public function `roofline`: what a step of a model takes at least on a device."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from ..choices import (
    OPTIMIZERS,
    LaneName,
    Mode,
    OptimizerName,
    RooflinePrecision,
    check_choice,
    precisions_of,
)
from ..errors import UsageError
from ..models.batch_size import batch_of, with_batch
from ..models.loaded import Loaded
from ..models.saved import is_saved
from ..pipeline import RunOptions, load_model, run_model
from .bounds import Question, roofline_of
from .devices import peak_of
from .results import Device, Roofline
from .saved import find_device


def roofline(
    model: str | nn.Module,
    *inputs: Any,
    device: str | Path | Device | None = None,
    device_peaks: str | None = None,
    precision: RooflinePrecision = "fp32",
    batch_size: int | None = None,
    training: bool = False,
    optimizer: OptimizerName | None = None,
    mode: Mode | None = None,
    lane: LaneName | None = None,
    arguments: Mapping[str, Any] | None = None,
    **named_inputs: Any,
) -> Roofline:
    """Tell what one step takes at least on a device: for each layer, and what limits it.

    Args:
        model, inputs, named_inputs, mode, lane, arguments: as `analyze` has them.
        device: a name of `cnnstat devices` (`"h100-sxm"`, `"h100"`), the name that a driver reports
            (`torch.cuda.get_device_name()`), a `Device`, or a file that
            `cnnstat devices --measure --output FILE.json` wrote.
        device_peaks: the peaks instead, in FLOP/s and bytes/s: `"fp32=1.2T,bandwidth=40G"`.
        precision: of the arithmetic and of all floating-point tensors in memory: fp32, tf32 (fp32
            in memory), bf16, fp16, fp64. In training, parameters, gradients and the optimizer's
            state stay in fp32 between the steps (fp64 with fp64).
        batch_size: the size of the first dimension of every input that shares it.
        training: whether a step has a backward pass and an update of the parameters.
        optimizer: of that update, as `memory` has it; "sgd" by default.

    Raises:
        UsageError: the device, the precision or an input cannot be understood.
        ModelError: the model cannot be built or run; ShapeError if its shapes don't fit.
    """
    chosen = find_device(device, device_peaks)
    check_choice("precision", precision, precisions_of("roofline"))
    check_choice("optimizer", optimizer, (None, *OPTIMIZERS))
    if optimizer is not None and not training:
        raise UsageError("an optimizer belongs to a training step", hint="add --training")
    peak_of(chosen, precision)
    if is_saved(model):
        raise UsageError(f"{model} is a saved analysis, which has no operators: name the model")
    loaded = load_model(model, inputs, named_inputs, arguments, "cnnstat.roofline(model, {}, …)")
    if not isinstance(loaded, Loaded):
        raise UsageError(f"{model} is a graph that is not run: a roofline needs a PyTorch model")
    if batch_size is not None:
        loaded = with_batch(loaded, batch_size)
    run = run_model(loaded, RunOptions(mode, lane, training))
    update = (optimizer or "sgd") if training else None
    question = Question(chosen, precision, update)
    return roofline_of(run.trace, run.analysis, question, batch_of(loaded))
