"""The parts of a training step beside the model: loss, loss scale, optimizer, buckets, checkpoints.

All on tensors without data: targets are made up, and gradients never overflow.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...choices import OPTIMIZERS, DeviceKind, OptimizerName
from ...errors import ModelError
from ..meta_device.autocast import Autocast
from ..process.global_state import replaced_here
from ..structure.containers import output_tensors
from ..structure.modules import modules_matching
from ..structure.nested import is_jagged

CROSS_ENTROPY = "cross-entropy"
SUM_OF_OUTPUTS = "the sum of the outputs"
RETURNED_LOSS = "the model's own"


class Loss:
    """A loss that suits the output of a model; its targets are created at the first use.

    Cross-entropy for class scores [N, classes], [N, classes, H, W, …] or, of tokens,
    [N, T, classes], summed over several such outputs (GoogLeNet's auxiliary heads); the model's own
    loss if it returns a scalar; else the sum of all outputs.
    """

    def __init__(self) -> None:
        self.kind: str | None = None
        self.targets: list[Tensor] = []

    def of(self, output: object) -> Tensor:
        """The loss, a scalar.

        Raises:
            ModelError: no output depends on a trained parameter.
        """
        found = {id(t): t for t in output_tensors(output) if t.requires_grad}
        outputs = list(found.values())
        if not outputs:
            raise ModelError(
                "there is nothing to train: no output depends on a parameter that is trained"
            )
        single = [t for t in outputs if t.dim() == 0]
        if single:
            self.kind = RETURNED_LOSS
            return single[0]
        if all(_are_scores(t, alone=len(outputs) == 1) for t in outputs):
            self.kind = CROSS_ENTROPY
            return self._cross_entropy(outputs)
        self.kind = SUM_OF_OUTPUTS
        loss, *others = [(t.values() if is_jagged(t) else t).sum() for t in outputs]
        for other in others:
            loss = loss + other
        return loss

    def _cross_entropy(self, outputs: Sequence[Tensor]) -> Tensor:
        if not self.targets:
            self.targets = [
                torch.zeros(_target_shape(t), dtype=torch.int64, device=t.device) for t in outputs
            ]
        loss: Tensor | None = None
        for scores, target in zip(outputs, self.targets, strict=True):
            if scores.dim() == 3:
                scores, target = scores.flatten(0, 1), target.flatten()
            part = F.cross_entropy(scores, target)
            loss = part if loss is None else loss + part
        assert loss is not None
        return loss


def _are_scores(tensor: Tensor, alone: bool) -> bool:
    """Whether the tensor may be class scores; three dimensions only if it is the sole output.

    An LSTM has several outputs of three dimensions, which are no scores.
    """
    dims = (2, 3, 4, 5) if alone else (2, 4, 5)
    return not tensor.is_nested and tensor.is_floating_point() and tensor.dim() in dims


def _target_shape(scores: Tensor) -> tuple[int, ...]:
    if scores.dim() == 3:
        return tuple(scores.shape[:2])
    return (scores.shape[0], *scores.shape[2:])


class LossScale:
    """A stand-in for `torch.amp.GradScaler`, which keeps gradients from vanishing in float16.

    The real one reads whether a gradient overflowed, and then skips the step. Without data the step
    is never skipped. The state, the scale and its growth tracker, is created at the first use.
    """

    def __init__(self) -> None:
        self.state: list[Tensor] = []

    def scaled(self, loss: Tensor) -> Tensor:
        if not self.state:
            self.state = [_number(loss, torch.float32), _number(loss, torch.int32)]
        return loss * self.state[0]

    def unscale(self) -> Tensor:
        """The flag for an overflow, which is alive until the optimizer's step ends.

        The gradients are divided in place, which needs no memory.
        """
        scale = self.state[0]
        scale.double().reciprocal().float()
        return _number(scale, torch.float32)


def _number(template: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.full((), 0, dtype=dtype, device=template.device)


class Stepper:
    """One of torch's optimizers, whose step does not import torch's compiler.

    `Optimizer` wraps `step` in markers for torch._dynamo, whose import takes as long as torch's:
    the wrapped function is called instead.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self._step: Callable[..., Any] = inspect.unwrap(type(optimizer).step)

    def step(self) -> None:
        with torch.no_grad():
            self._step(self.optimizer)

    @property
    def state(self) -> Any:
        return self.optimizer.state


def stepper(name: OptimizerName, parameters: Sequence[Tensor], device: DeviceKind) -> Stepper:
    """An optimizer with torch's default implementation for the device.

    On CUDA that updates all parameters at once (`foreach`), with temporaries for all of them; on
    the CPU one after the other.
    """
    row = OPTIMIZERS[name]
    optimizer_class: Any = getattr(torch.optim, row.torch_class)
    base = torch.optim.Optimizer
    plain = inspect.unwrap(base.add_param_group)
    with replaced_here(base, "add_param_group", plain):
        return Stepper(
            optimizer_class(parameters, lr=0.1, foreach=device == "cuda", **row.settings)
        )


_MIB = 2**20
_FIRST, _OTHERS = 1 * _MIB, 25 * _MIB  # `kDefaultFirstBucketBytes`, `bucket_cap_mb`


def gradient_buckets(parameters: Sequence[Tensor]) -> list[Tensor]:
    """The buckets of DistributedDataParallel for these parameters, on `meta`.

    They are a second copy of all gradients, which ranks exchange: gradients are copied into them,
    reduced and copied back, unless they are views of the buckets (`gradient_as_bucket_view`, off by
    default). They live as long as the model.

    Parameters are in reverse order, each dtype on its own. A bucket is closed once it reaches its
    size: 1 MiB for the first of a dtype, then 25 MiB
    (torch/csrc/distributed/c10d/reducer.cpp, compute_bucket_assignment_by_size).
    """
    by_dtype: dict[torch.dtype, list[Tensor]] = defaultdict(list)
    for parameter in reversed(parameters):
        by_dtype[parameter.dtype].append(parameter)
    return [
        torch.empty(count, dtype=dtype, device="meta")
        for dtype, found in by_dtype.items() for count in _filled(found)
    ]  # fmt: skip


def _filled(parameters: Sequence[Tensor]) -> Iterator[int]:
    """The elements of each bucket."""
    count, limit = 0, _FIRST
    for parameter in parameters:
        count += parameter.numel()
        if count * parameter.itemsize >= limit:
            yield count
            count, limit = 0, _OTHERS
    if count:
        yield count


def checkpoint_layers(
    model: nn.Module, patterns: Sequence[str], autocast: Autocast | None
) -> tuple[str, ...]:
    """Checkpoint the modules whose path matches a pattern, in place, and return their paths.

    Of nested modules only the outer one is checkpointed: it recomputes those inside.

    Raises:
        UsageError: a pattern matches no module.
    """
    chosen: list[str] = []
    for name in modules_matching(model, patterns, "--checkpoint"):
        if not any(name.startswith(f"{outer}.") for outer in chosen):
            chosen.append(name)
            module = model.get_submodule(name)
            module.forward = partial(_checkpointed, partial(_cast, autocast, module.forward))
    return tuple(chosen)


def _cast(autocast: Autocast | None, forward: Any, *args: Any, **kwargs: Any) -> Any:
    with nullcontext() if autocast is None else autocast.resumed():
        return forward(*args, **kwargs)


def _checkpointed(forward: Any, *args: Any, **kwargs: Any) -> Any:
    from torch.utils.checkpoint import checkpoint  # imports torch's compiler on first use

    return checkpoint(forward, *args, use_reentrant=False, **kwargs)
