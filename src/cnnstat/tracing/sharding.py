"""One rank of FSDP: torch's `fully_shard` runs itself, on `meta` and without other ranks.

Each unit's parameters, gradients and optimizer state are sharded over the ranks; a unit's
parameters are gathered while it runs. What is gathered when, and what is freed when, is decided by
torch's own code (torch.distributed.fsdp._fully_shard): it frees by its own order of calls, not by
when a device is done, so the order on a tensor without data is the order on a device.

Five things are put in its way: the process group talks to nobody, collectives do nothing, `meta`
has the streams and events of the CPU, parameters may stay on `meta`, and the recorder is told when
storages are emptied and filled again, which passes no dispatcher.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import TORCH_SAYS, ModelError, UsageError
from ..trace.step_records import HeldKind
from .global_state import replaced
from .sharding_units import refuse_batch_norm, units_of
from .storages import StorageRecorder


@dataclass(frozen=True, slots=True)
class Sharding:
    """Over how many ranks; `units` are patterns of paths, empty for the model's blocks.

    `lower` is the dtype of gathered parameters and of what runs on them, None for that of the
    shards.
    """

    ranks: int
    units: tuple[str, ...] = ()
    lower: torch.dtype | None = None


class Whole:
    """A model's parameters and their gradients, where each rank has all of them."""

    units: tuple[str, ...] = ()
    lower: str | None = None

    def __init__(self, model: nn.Module) -> None:
        self.held: list[Tensor] = list(model.parameters())
        self.trained = [parameter for parameter in self.held if parameter.requires_grad]

    def gradients(self) -> list[Tensor]:
        """What the backward pass made, for the optimizer to take."""
        return [tensor.grad for tensor in self.trained if tensor.grad is not None]

    def clear_gradients(self) -> None:
        for tensor in self.trained:
            tensor.grad = None


class Shards(Whole):
    """What one rank has of them under FSDP.

    `held` are the shards of all parameters, padded to the size that every rank has; `trained` are
    views of those that an optimizer updates.
    """

    def __init__(
        self, units: tuple[str, ...], lower: torch.dtype | None, params: Sequence[Any]
    ) -> None:
        self.units = units
        self.lower = None if lower is None else str(lower).removeprefix("torch.")
        self.held = [param._sharded_param_data for param in params]
        self._sharded = [p.sharded_param for p in params if p.sharded_param.requires_grad]
        self.trained = [sharded._local_tensor for sharded in self._sharded]

    def gradients(self) -> list[Tensor]:
        for shard, sharded in zip(self.trained, self._sharded, strict=True):
            shard.grad = None if sharded.grad is None else sharded.grad._local_tensor
        return super().gradients()

    def clear_gradients(self) -> None:
        super().clear_gradients()
        for sharded in self._sharded:
            sharded.grad = None


def misused(error: Exception) -> ModelError | None:
    """What is said of a model that reaches for a unit's parameters while it is not called."""
    if "DTensor" not in str(error):
        return None
    return ModelError(
        "FSDP gathers a unit's parameters for its call only; they are used outside of it",
        f"{TORCH_SAYS}{str(error).splitlines()[0]}",
        hint="--fsdp-unit with modules whose parameters no other module uses",
    )


@contextmanager
def sharded(model: nn.Module, how: Sharding, recorder: StorageRecorder) -> Iterator[Shards]:
    """Shard a model on `meta`, in place; inside, its steps are those of rank 0.

    No rank holds more than rank 0: a dimension that does not divide is shared out from there.

    Raises:
        UsageError: torch has no FSDP that is known here, a pattern fits no module that can be a
            unit, or a parameter belongs to two units.
        ModelError: FSDP takes no such parameter as the model has.
    """
    paths = units_of(model, how.units)
    if how.lower is not None:
        refuse_batch_norm(model, how.lower)
    with _ranks(how.ranks) as mesh, _on_meta(recorder):
        from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

        policy = MixedPrecisionPolicy()
        if how.lower is not None:
            policy = MixedPrecisionPolicy(param_dtype=how.lower, reduce_dtype=torch.float32)
        communication = _Gathering(recorder), _Scattering(recorder)
        groups = []
        for module in (*(model.get_submodule(path) for path in reversed(paths)), model):
            try:
                unit: Any = fully_shard(module, mesh=mesh, mp_policy=policy)
            except (ValueError, NotImplementedError) as error:  # a scalar; odd strides
                raise ModelError("FSDP cannot shard this model", f"{TORCH_SAYS}{error}") from error
            group = unit._get_fsdp_state()._fsdp_param_group
            if group is not None:  # the root of a model whose units have everything
                unit.set_custom_all_gather(communication[0])
                unit.set_custom_reduce_scatter(communication[1])
                groups.append(group)
        params = [param for group in reversed(groups) for param in group.fsdp_params]
        yield Shards(paths, how.lower, params)


# A rank without others


@contextmanager
def _ranks(count: int) -> Iterator[Any]:
    """A mesh of ranks, of which this process is the first and the others are not there."""
    from torch import distributed

    if not distributed.is_available():
        raise UsageError("this torch is built without torch.distributed: it has no FSDP")
    if distributed.is_initialized():
        raise UsageError("--fsdp cannot be told in a process that is itself one of several ranks",
                         hint="run it without torchrun")  # fmt: skip
    from torch.distributed.device_mesh import init_device_mesh

    with replaced(sys, "excepthook", sys.excepthook):  # torch puts the rank before tracebacks
        distributed.init_process_group("fake", rank=0, world_size=count)
        try:
            yield init_device_mesh("meta", (count,))
        finally:
            distributed.destroy_process_group()


@contextmanager
def _on_meta(recorder: StorageRecorder) -> Iterator[None]:
    """Inside, FSDP takes parameters on `meta`, and the recorder follows it."""

    def unseen(original: Any) -> Any:
        def hook(*args: Any) -> Any:  # nothing of what it calls is the model's
            with torch._C.DisableTorchFunction():
                return original(*args)

        return hook

    def told(original: Any) -> Any:
        def resize(tensor: Tensor) -> None:
            original(tensor)
            recorder.resized(tensor, "gathered")

        return resize

    streams = SimpleNamespace(**vars(torch.cpu))
    streams.current_device = lambda: 0
    with ExitStack() as stack:
        for holder, name, around in _seams(told, unseen):
            stack.enter_context(replaced(holder, name, around(getattr(holder, name))))
        stack.enter_context(warnings.catch_warnings())
        # of a view that a unit returns, which is a matter for its author
        warnings.filterwarnings("ignore", "FSDP2-wrapped module")
        torch.meta = streams  # type: ignore[attr-defined]  # where FSDP looks for `meta`'s
        stack.callback(delattr, torch, "meta")
        yield


def _seams(told: Any, unseen: Any) -> list[tuple[Any, str, Any]]:
    """What of FSDP is put between: where it is, its name, and what is made of it."""
    try:
        from torch.distributed.fsdp import FSDPModule
        from torch.distributed.fsdp._fully_shard import _fsdp_param as param
        from torch.distributed.fsdp._fully_shard._fsdp_param_group import FSDPParamGroup
        from torch.distributed.fsdp._fully_shard._fsdp_state import FSDPState

        seams = [
            (param, "alloc_storage", told),
            (param, "free_storage", told),
            (FSDPState, "_pre_forward", unseen),
            (FSDPState, "_post_forward", unseen),
            (FSDPParamGroup, "_validate_no_meta_params", lambda original: lambda group: None),
        ]
        for holder, name, _ in (*seams, (FSDPModule, "set_custom_reduce_scatter", None)):
            getattr(holder, name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"the FSDP of torch {torch.__version__} is not the one known here",
                         str(error), hint="torch 2.13") from error  # fmt: skip
    return seams


class _Exchange:
    """A collective that makes its buffers and exchanges nothing."""

    kind: HeldKind

    def __init__(self, recorder: StorageRecorder) -> None:
        self.recorder = recorder

    def allocate(self, size: Sequence[int], *, dtype: torch.dtype, device: torch.device) -> Tensor:
        buffer = torch.empty(*size, dtype=dtype, device=device)
        self.recorder.keep(self.kind, [buffer])
        return buffer

    def __call__(self, output_tensor: Tensor, input_tensor: Tensor, **options: Any) -> None:
        return None


class _Gathering(_Exchange):
    kind = "gathered"


class _Scattering(_Exchange):
    kind = "buckets"

    def __call__(self, output_tensor: Tensor, input_tensor: Tensor, **options: Any) -> None:
        self.recorder.keep("gradients", [output_tensor])
