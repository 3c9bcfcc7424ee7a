"""One rank of FSDP: torch's own `fully_shard`, on `meta` and without other ranks.

Each unit's parameters, gradients and optimizer state are sharded over the ranks; a unit's
parameters are gathered while it runs. When to gather and to free is decided by torch's own code
(torch.distributed.fsdp._fully_shard). It frees in the order of its calls, not when a device is
done, so the order on tensors without data is the order on a device.

Five things are patched: the process group has no peers, collectives do nothing, `meta` gets the
streams and events of the CPU, parameters may stay on `meta`, and the recorder is notified when a
storage is emptied or filled again, which the dispatcher does not see.
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

from ...errors import TORCH_PREFIX, ModelError, UsageError, message_of
from ...trace.step_records import StorageKind
from ..process.global_state import replaced
from ..recording.storages import StorageRecorder
from ..structure.modules import parameters_of
from .sharding_units import refuse_batch_norm, units_of


@dataclass(frozen=True, slots=True)
class Sharding:
    """How a model is sharded over `ranks`.

    `units` are patterns of module paths, empty for the model's blocks. `lower` is the dtype of
    gathered parameters and of the computation, None for that of the shards.
    """

    ranks: int
    units: tuple[str, ...] = ()
    lower: torch.dtype | None = None


class FullParameters:
    """A model's parameters and gradients, all of them on each rank.

    `stored` are the parameters in memory, `trained` those that an optimizer updates.
    """

    units: tuple[str, ...] = ()
    lower: str | None = None

    def __init__(self, model: nn.Module) -> None:
        self.stored: list[Tensor] = parameters_of(model)
        self.trained = [parameter for parameter in self.stored if parameter.requires_grad]

    def gradients(self) -> list[Tensor]:
        """The gradients of the backward pass, set on the tensors that the optimizer updates."""
        return [tensor.grad for tensor in self.trained if tensor.grad is not None]

    def clear_gradients(self) -> None:
        for tensor in self.trained:
            tensor.grad = None


class ShardedParameters(FullParameters):
    """The part of one rank under FSDP.

    `stored` are the shards of all parameters, padded to the same size on every rank; `trained` are
    views of them.
    """

    def __init__(
        self, units: tuple[str, ...], lower: torch.dtype | None, params: Sequence[Any]
    ) -> None:
        self.units = units
        self.lower = None if lower is None else str(lower).removeprefix("torch.")
        self.stored = [param._sharded_param_data for param in params]
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


def outside_use_error(error: BaseException) -> ModelError | None:
    """The error for a model that uses a unit's parameters outside of its call; else None."""
    if "DTensor" not in message_of(error):
        return None
    return ModelError(
        "FSDP gathers a unit's parameters for its call only; they are used outside of it",
        f"{TORCH_PREFIX}{message_of(error).splitlines()[0]}",
        hint="--fsdp-unit with modules whose parameters no other module uses",
    )


@contextmanager
def sharded(
    model: nn.Module, how: Sharding, recorder: StorageRecorder
) -> Iterator[ShardedParameters]:
    """Shard a model on `meta`, in place, for the steps of rank 0.

    No rank needs more memory than rank 0: dimensions that do not divide are filled from there.

    Raises:
        UsageError: this torch has no FSDP that is supported here, a pattern matches no module that
            can be a unit, or a parameter belongs to two units.
        ModelError: FSDP cannot shard a parameter of the model.
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
                raise ModelError(
                    "FSDP cannot shard this model", f"{TORCH_PREFIX}{error}"
                ) from error
            group = unit._get_fsdp_state()._fsdp_param_group
            if group is not None:  # None: the root of a model whose units own all parameters
                unit.set_custom_all_gather(communication[0])
                unit.set_custom_reduce_scatter(communication[1])
                groups.append(group)
        params = [param for group in reversed(groups) for param in group.fsdp_params]
        yield ShardedParameters(paths, how.lower, params)


# A rank without others


@contextmanager
def _ranks(count: int) -> Iterator[Any]:
    """A mesh of ranks, of which this process is the first and the others do not exist."""
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
    """Let FSDP shard parameters on `meta`, and notify the recorder."""

    def untraced(original: Any) -> Any:
        def hook(*args: Any) -> Any:  # FSDP's own operators are not rows of the model
            with torch._C.DisableTorchFunction():
                return original(*args)

        return hook

    def notifying(original: Any) -> Any:
        def resize(tensor: Tensor) -> None:
            original(tensor)
            recorder.resized(tensor, "gathered")

        return resize

    streams = SimpleNamespace(**vars(torch.cpu))
    streams.current_device = lambda: 0
    with ExitStack() as stack:
        for holder, name, around in _seams(notifying, untraced):
            stack.enter_context(replaced(holder, name, around(getattr(holder, name))))
        stack.enter_context(warnings.catch_warnings())
        # It warns of a unit that returns a view, which is up to the model's author.
        warnings.filterwarnings("ignore", "FSDP2-wrapped module")
        torch.meta = streams  # type: ignore[attr-defined]  # where FSDP expects it
        stack.callback(delattr, torch, "meta")
        yield


def _seams(notifying: Any, untraced: Any) -> list[tuple[Any, str, Any]]:
    """The functions of FSDP to replace: their holder, name and wrapper."""
    try:
        from torch.distributed.fsdp import FSDPModule
        from torch.distributed.fsdp._fully_shard import _fsdp_param as param
        from torch.distributed.fsdp._fully_shard._fsdp_param_group import FSDPParamGroup
        from torch.distributed.fsdp._fully_shard._fsdp_state import FSDPState

        seams = [
            (param, "alloc_storage", notifying),
            (param, "free_storage", notifying),
            (FSDPState, "_pre_forward", untraced),
            (FSDPState, "_post_forward", untraced),
            (FSDPParamGroup, "_validate_no_meta_params", lambda original: lambda group: None),
        ]
        for holder, name, _ in (*seams, (FSDPModule, "set_custom_reduce_scatter", None)):
            getattr(holder, name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"the FSDP of torch {torch.__version__} is not the one known here",
                         message_of(error), hint="torch 2.13") from error  # fmt: skip
    return seams


class _Exchange:
    """A collective that allocates its buffers and exchanges nothing."""

    kind: StorageKind

    def __init__(self, recorder: StorageRecorder) -> None:
        self.recorder = recorder

    def allocate(self, size: Sequence[int], *, dtype: torch.dtype, device: torch.device) -> Tensor:
        buffer = torch.empty(*size, dtype=dtype, device=device)
        self.recorder.classify(self.kind, [buffer])
        return buffer

    def __call__(self, output_tensor: Tensor, input_tensor: Tensor, **options: Any) -> None:
        return None


class _Gathering(_Exchange):
    kind = "gathered"


class _Scattering(_Exchange):
    kind = "buckets"

    def __call__(self, output_tensor: Tensor, input_tensor: Tensor, **options: Any) -> None:
        self.recorder.classify("gradients", [output_tensor])
