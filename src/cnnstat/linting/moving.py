"""A run of a model that was moved to another device: what stays on the CPU.

The device is `meta`. Unlike the runs that are recorded, this one notes operands on two devices.
"""

from __future__ import annotations

import linecache
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from ..diagnosis.subjects import quietly
from ..errors import NOT_OF_THE_MODEL, format_exception
from ..fast_meta import kernels_active
from ..models.construction import without_fills
from ..models.loaded import Loaded
from ..trace.records import About, Frame
from ..tracing.places import is_model_source, place_of
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
    """A tensor on the CPU that an operator of the moved model gets.

    `path` is that of the module whose code runs it, `attribute` the path of the tensor itself,
    empty for one that forward creates.
    """

    path: str
    frame: Frame
    attribute: str
    operator: str


def left_behind(loaded: Loaded) -> list[LeftBehind]:
    """What stays on the CPU when the model is moved, each tensor or place once.

    Raises:
        NotRun: it cannot be built or moved, or fails for another reason.
    """
    model = _moved(loaded)
    check = _OneDevice(model)
    with (
        quietly(), preserve_rng_state(), modes_preserved(), process_preserved(),
        class_state_preserved(model), torch.no_grad(),
    ):  # fmt: skip
        set_training(model, False)
        args = map_inputs(tuple(loaded.inputs), META.place)
        kwargs = map_inputs(dict(loaded.named_inputs), META.place)
        try:
            with META.context(), _masks_of_any_kind(), kernels_active(), check:
                check.run(model, args, kwargs)
        except NOT_OF_THE_MODEL:
            raise
        except BaseException as error:  # the model's code may raise anything
            if About.DEVICES in about(error):  # a check of torch's before any operator
                check.note([frame for frame, _ in traceback.walk_tb(error.__traceback__)][::-1], 0)
            elif not check.found:
                reason = format_exception(error)
                raise NotRun("moved to another device", reason) from error
    return list(check.found.values())


def _frames() -> Iterator[FrameType]:
    """The frames of the run of the model, the innermost first."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not _OneDevice.run.__code__:
        yield frame
        frame = frame.f_back


def _on_meta(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_meta or not tensor.dim() else torch.empty_like(tensor, device="meta")


@contextmanager
def _masks_of_any_kind() -> Iterator[None]:
    """Let nn.TransformerEncoder take a mask that it would compare with the causal one as any other.

    The devices of what it runs are the same.
    """

    def detect(mask: Any, is_causal: bool | None = None, size: int | None = None) -> bool:
        return is_causal is True

    with replaced_here(nn.modules.transformer, "_detect_is_causal_mask", detect):
        yield


def _mentions_cuda(raised: FrameType) -> bool:
    """Whether a function moves tensors to a GPU, on a machine that has one.

    It may do so by a name that the file assigns: `Tensor = cuda.FloatTensor if … else …`.
    """
    code = raised.f_code
    lines = [linecache.getline(code.co_filename, n or 0) for _, _, n in code.co_lines()]
    for line in linecache.getlines(code.co_filename):
        assigned = _ASSIGNED.match(line)
        if assigned and assigned["name"] in code.co_names:
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


class _OneDevice(TorchDispatchMode):
    """Notes operands on several devices, which CUDA's kernels refuse; scalars may be on the CPU."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # see `Operators` in tracing/

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch declares no types
        self.paths = {id(module): path for path, module in reversed(paths_of(model))}
        self.attributes = dict(_attributes(model))
        self.found: dict[object, LeftBehind] = {}

    def run(self, model: nn.Module, args: Any, kwargs: Any) -> None:
        """Run the model; the frames below this one are its own."""
        model(*args, **kwargs)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if types and any(hasattr(cls, "__tensor_flatten__") for cls in types):
            return NotImplemented  # a wrapper subclass: it dispatches to the tensors inside
        name = str(func.name()).partition(".")[0]
        kwargs = kwargs or {}
        tensors = [t for t in tensors_among((args, kwargs)) if t.dim() > 0]
        if name in _MOVES:
            return self._copied(func, args, kwargs)
        if name in _INDEXES and tensors and tensors[0].is_meta:  # an index may be on the CPU
            tensors = [t for t in tensors if t.is_meta]
        if len({tensor.device.type for tensor in tensors}) > 1:
            left = next(tensor for tensor in tensors if not tensor.is_meta)
            self.note(list(_frames()), storage_key(left), name.removeprefix("aten::"))
            args, kwargs = tree_map_only(Tensor, _on_meta, (args, kwargs))  # as if it had moved
        return func(*args, **kwargs)

    def note(self, frames: list[FrameType], storage: int, operator: str = "") -> None:
        """Note what is left behind; the frames of the run, the innermost first."""
        inner = next((f for f in frames if is_model_source(f.f_code.co_filename)), None)
        if inner is None or _mentions_cuda(inner):
            return
        owners = (f.f_locals.get("self") for f in frames)
        path = next((self.paths[id(o)] for o in owners if id(o) in self.paths), "")
        frame = place_of(inner.f_code, inner.f_lasti, inner.f_lineno)
        attribute = self.attributes.get(storage, "")
        self.found.setdefault(attribute or frame, LeftBehind(path, frame, attribute, operator))

    def _copied(self, func: Any, args: Any, kwargs: Any) -> Any:
        """A copy between devices; one to the CPU has no data to copy."""
        if len(args) > 1 and isinstance(args[1], Tensor):
            return args[0]
        device = kwargs.get("device")
        if args[0].is_meta and device is not None and torch.device(device).type == "cpu":
            dtype = kwargs.get("dtype") or args[0].dtype
            return torch.empty(args[0].shape, dtype=dtype)
        return func(*args, **kwargs)
