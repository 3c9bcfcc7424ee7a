"""Importing torchvision, and through it timm, beside a torch its compiled part does not fit."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from ..errors import ModelError
from ..fast_meta import is_quick, left_out


def torchvision() -> Any:
    """Import torchvision, beside whatever torch there is.

    Raises:
        ModelError: it is not installed, or cannot be imported.
    """
    try:
        make_importable()
        with quick_import("torchvision"):
            package = importlib.import_module("torchvision")
        make_traceable()
        return package
    except Exception as error:  # beside the wrong torch its import fails in many ways
        raise ModelError(
            "torchvision is needed for its models", f"{type(error).__name__}: {error}",
            hint="pip install 'cnnstat[torchvision]'",
        ) from error  # fmt: skip


_COMPILER = "torch._dynamo"
"""Imported by torchvision for one function of roi_align, by timm to mark a function of its own."""


def quick_import(library: str) -> AbstractContextManager[None]:
    """Inside, torchvision or timm may be imported; without torch's compiler if that is wanted."""
    quick = is_quick(library) and _COMPILER not in sys.modules
    return left_out(_COMPILER) if quick else nullcontext()


# torchvision's wheels are linked against CUDA. Beside a torch without it their compiled operators
# cannot be loaded, and the import fails on their fake kernels, which need the schemas. No model
# needs the operators themselves to be analysed. (Schemas: torchvision/csrc/ops/*.cpp, 0.28.)
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
_libraries: list[Any] = []  # schemas live as long as their library


def make_importable() -> None:
    """Declare torchvision's operators if its compiled ones cannot be loaded. Does not import it."""
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
    """Give declared operators the kernels for `meta` that torchvision keeps for compiled ones.

    `nms` has one for fake tensors alone; on `meta` a bound answers it.
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
