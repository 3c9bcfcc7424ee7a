"""Import torchvision, also with a torch for which its compiled operators were not built."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from ..errors import ModelError
from ..fast_meta import may_import_fast, stand_ins_for


def torchvision() -> Any:
    """Import torchvision, with or without its compiled operators.

    Raises:
        ModelError: it is not installed, or cannot be imported.
    """
    try:
        make_importable()
        with quick_import("torchvision"):
            package = importlib.import_module("torchvision")
        make_traceable()
        return package
    except Exception as error:  # with an incompatible torch, the import fails in many ways
        raise ModelError(
            "torchvision is needed for its models", f"{type(error).__name__}: {error}",
            hint="pip install 'cnnstat[torchvision]'",
        ) from error  # fmt: skip


_COMPILER = "torch._dynamo"
"""torchvision imports it for one function of roi_align, timm for one decorator."""


def quick_import(library: str) -> AbstractContextManager[None]:
    """For importing torchvision or timm: leaves torch's compiler out if the fast path is on."""
    quick = may_import_fast(library) and _COMPILER not in sys.modules
    return stand_ins_for(_COMPILER) if quick else nullcontext()


# torchvision's wheels are linked against CUDA. With a CPU-only torch, their compiled operators
# cannot be loaded, and registering their fake kernels fails, since the schemas are missing. An
# analysis needs the schemas, not the operators. (Schemas: torchvision/csrc/ops/*.cpp, 0.28.)
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, "
    "SymInt pooled_width, int sampling_ratio, bool aligned) -> Tensor",
    "roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, "
    "SymInt pooled_width) -> (Tensor, Tensor)",
    "ps_roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, "
    "SymInt pooled_width, int sampling_ratio) -> (Tensor, Tensor)",
    "ps_roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, "
    "SymInt pooled_width) -> (Tensor, Tensor)",
    "deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, "
    "SymInt stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, "
    "SymInt dilation_w, SymInt groups, SymInt offset_groups, bool use_mask) -> Tensor",
    "_roi_align_backward(Tensor grad, Tensor rois, float spatial_scale, SymInt pooled_height, "
    "SymInt pooled_width, SymInt batch_size, SymInt channels, SymInt height, SymInt width, "
    "int sampling_ratio, bool aligned) -> Tensor",
    "_roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax, float spatial_scale, "
    "SymInt pooled_height, SymInt pooled_width, SymInt batch_size, SymInt channels, "
    "SymInt height, SymInt width) -> Tensor",
    "_ps_roi_align_backward(Tensor grad, Tensor rois, Tensor channel_mapping, "
    "float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio, "
    "SymInt batch_size, SymInt channels, SymInt height, SymInt width) -> Tensor",
    "_ps_roi_pool_backward(Tensor grad, Tensor rois, Tensor channel_mapping, "
    "float spatial_scale, SymInt pooled_height, SymInt pooled_width, SymInt batch_size, "
    "SymInt channels, SymInt height, SymInt width) -> Tensor",
    "_deform_conv2d_backward(Tensor grad, Tensor input, Tensor weight, Tensor offset, "
    "Tensor mask, Tensor bias, SymInt stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, "
    "SymInt dilation_h, SymInt dilation_w, SymInt groups, SymInt offset_groups, "
    "bool use_mask) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    "_interpolate_bilinear2d_aa(Tensor input, int[] output_size, bool align_corners) -> Tensor",
)
_libraries: list[Any] = []  # keeps the schemas registered: they are removed with their library


def make_importable() -> None:
    """Declare the schemas of torchvision's operators if they cannot be loaded; imports nothing."""
    if "torchvision" in sys.modules:
        return
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None or _libraries:
        return
    operators: Any = torch.ops  # torch declares no types for these two
    library_of: Any = torch.library.Library
    for compiled in Path(found.origin).parent.glob("_C*.so"):
        try:
            operators.load_library(str(compiled))
        except OSError:
            library = library_of("torchvision", "FRAGMENT")
            _libraries.append(library)
            for schema in _SCHEMAS:
                library.define(schema)


def make_traceable() -> None:
    """Register torchvision's `meta` kernels for the declared operators.

    Except `nms`, whose kernel needs fake tensors: on `meta`, `tracing` answers with a bound.
    """
    package: Any = sys.modules.get("torchvision")
    if package is None or not _libraries or package.extension._has_ops():
        return
    package.extension._has_ops = lambda: True
    for schema in _SCHEMAS:
        name = schema.partition("(")[0]
        kernel = getattr(package._meta_registrations, f"meta_{name.removeprefix('_')}", None)
        if kernel is not None and "nms" not in name:
            _libraries[0].impl(name, kernel, "Meta")
