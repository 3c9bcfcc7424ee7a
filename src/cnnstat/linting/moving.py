"""A run of a model that was moved to another device: what stays on the CPU stops it.

The device is `meta`. Unlike the runs that are recorded, this one brings no operands together.
"""

from __future__ import annotations

import linecache
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ..diagnosis.subjects import quietly
from ..errors import NOT_OF_THE_MODEL, format_exception
from ..fast_meta import kernels_active
from ..models.construction import without_fills
from ..models.loaded import Loaded
from ..trace.records import About, Frame
from ..tracing.places import frames_of
from ..tracing.process.class_state import class_state_preserved
from ..tracing.process.global_state import modes_preserved, preserve_rng_state, replaced_here
from ..tracing.process.isolation import process_preserved
from ..tracing.recording.tensor_records import storage_key
from ..tracing.run.failures import about
from ..tracing.run.lanes import META
from ..tracing.structure.containers import map_inputs, tensors_among
from ..tracing.structure.modules import parameters_of, paths_of, set_training
from ..tracing.structure.unregistered import module_lists
from .runs import NotRun

_LARGEST = 2 * 2**30
"""Bytes of parameters up to which a model is built on the CPU."""
_ASSIGNED = re.compile(r"\s*(self\.)?(?P<name>\w+)\s*=(?P<value>[^=].*)")
_MOVES = {"aten::copy_", "aten::_to_copy"}
_INDEXES = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"}


@dataclass(frozen=True)
class LeftBehind:
    """A tensor on the CPU at which the run of the moved model ends.

    `path` is that of the module whose code runs it, `attribute` the path of the tensor itself,
    empty for one that forward creates.
    """

    path: str
    frame: Frame
    attribute: str
    operator: str


def left_behind(loaded: Loaded) -> LeftBehind | None:
    """What stays on the CPU when the model is moved; None if it runs.

    Raises:
        NotRun: it cannot be built or moved, or fails for another reason.
    """
    model = _moved(loaded)
    attributes = dict(_attributes(model))
    check = _OneDevice()  # type: ignore[no-untyped-call]
    with (
        quietly(), preserve_rng_state(), modes_preserved(), process_preserved(),
        class_state_preserved(model), torch.no_grad(),
    ):  # fmt: skip
        set_training(model, False)
        args = map_inputs(tuple(loaded.inputs), META.place)
        kwargs = map_inputs(dict(loaded.named_inputs), META.place)
        try:
            with META.context(), _masks_of_any_kind(), kernels_active(), check:
                model(*args, **kwargs)
            return None
        except NOT_OF_THE_MODEL:
            raise
        except BaseException as error:  # the model's code may raise anything
            if About.DEVICES not in about(error):
                reason = format_exception(error)
                raise NotRun("moved to another device", reason) from error
            return _found(error, model, check, attributes)


@contextmanager
def _masks_of_any_kind() -> Iterator[None]:
    """Let nn.TransformerEncoder take a mask that it would compare with the causal one as any other.

    The devices of what it runs are the same.
    """

    def detect(mask: Any, is_causal: bool | None = None, size: int | None = None) -> bool:
        return is_causal is True

    with replaced_here(nn.modules.transformer, "_detect_is_causal_mask", detect):
        yield


def _found(
    error: BaseException, model: nn.Module, check: _OneDevice, attributes: dict[int, str]
) -> LeftBehind | None:
    frames, _ = frames_of(error)
    if not frames or _mentions_cuda(error, frames[-1]):
        return None
    paths = {id(module): path for path, module in reversed(paths_of(model))}
    path, step = "", error.__traceback__
    while step is not None:
        owner = step.tb_frame.f_locals.get("self")
        path = paths.get(id(owner), path) if isinstance(owner, nn.Module) else path
        step = step.tb_next
    return LeftBehind(path, frames[-1], attributes.get(check.on_cpu, ""), check.operator)


def _mentions_cuda(error: BaseException, frame: Frame) -> bool:
    """Whether the function that fails moves tensors to a GPU, on a machine that has one.

    It may do so by a name that the file assigns: `Tensor = cuda.FloatTensor if … else …`.
    """
    lines = [linecache.getline(frame.file, frame.line)]
    names: set[str] = set()
    for raised, _ in traceback.walk_tb(error.__traceback__):
        code = raised.f_code
        if (code.co_filename, code.co_name) == (frame.file, frame.function):
            lines += [linecache.getline(frame.file, n or 0) for _, _, n in code.co_lines()]
            names.update(code.co_names)
    for line in linecache.getlines(frame.file):
        assigned = _ASSIGNED.match(line)
        if assigned and assigned["name"] in names:
            lines.append(assigned["value"])
    return any("cuda" in line for line in lines)


def _moved(loaded: Loaded) -> nn.Module:
    """The model as `.to(device)` leaves it, with parameters that are not initialised."""
    build = loaded.builders.with_data
    nbytes = sum(p.numel() * p.element_size() for p in parameters_of(loaded.model))
    if build is None or nbytes > _LARGEST:
        raise NotRun("moved to another device", "its parameters take too much memory")
    with quietly(), preserve_rng_state():
        try:
            with without_fills():
                model = build()
            with _same_parameters():
                for listed in module_lists(model):  # what CN101 reports
                    for module in listed.modules:
                        module.to("meta")
                return model.to("meta")
        except NOT_OF_THE_MODEL:
            raise
        except BaseException as error:  # likewise
            raise NotRun("moved to another device", format_exception(error)) from error


@contextmanager
def _same_parameters() -> Iterator[None]:
    """Moving keeps the identity of parameters, as between the CPU and CUDA."""
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        yield
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)


def _attributes(model: nn.Module) -> Iterator[tuple[int, str]]:
    """The memory of tensors that are plain attributes, with their paths."""
    for path, module in paths_of(model):
        for name, value in vars(module).items():
            if name not in ("_parameters", "_buffers", "_modules"):
                for tensor in tensors_among(value):
                    yield storage_key(tensor), f"{path}.{name}" if path else name


class _OneDevice(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch declares no types
    """Refuses operands on several devices, as CUDA's kernels do; scalars may be on the CPU."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # see `Operators` in tracing/

    on_cpu = 0
    operator = ""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func.name()).partition(".")[0]
        kwargs = kwargs or {}
        tensors = [t for t in tensors_among((args, kwargs)) if t.dim() > 0]
        if name in _MOVES:
            return self._copied(func, args, kwargs)
        if name in _INDEXES and tensors and tensors[0].is_meta:  # an index may be on the CPU
            tensors = [t for t in tensors if t.is_meta]
        if len({tensor.device.type for tensor in tensors}) > 1:
            left = next(tensor for tensor in tensors if not tensor.is_meta)
            self.on_cpu, self.operator = storage_key(left), name.removeprefix("aten::")
            raise RuntimeError("Expected all tensors to be on the same device")
        return func(*args, **kwargs)

    def _copied(self, func: Any, args: Any, kwargs: Any) -> Any:
        """A copy between devices; one to the CPU has no data to copy."""
        if len(args) > 1 and isinstance(args[1], Tensor):
            return args[0]
        device = kwargs.get("device")
        if args[0].is_meta and device is not None and torch.device(device).type == "cpu":
            dtype = kwargs.get("dtype") or args[0].dtype
            return torch.empty(args[0].shape, dtype=dtype)
        return func(*args, **kwargs)
