"""torchvision's models: `torchvision:resnet50`, at the size their published figures hold for."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..analysis.records import Listed
from ..errors import ModelError, UsageError, nearest
from ..shapes import InputSpec
from .construction import construct
from .names import remember

PREFIX = "torchvision:"

# What the published weights were made with and the plain constructor does otherwise: initial
# weights need scipy and minutes, and GoogLeNet's auxiliary heads exist only while training.
_AS_PUBLISHED: dict[str, dict[str, Any]] = {
    "googlenet": {"init_weights": False, "aux_logits": False},
    "inception_v3": {"init_weights": False},
}


def build(spec: str, arguments: Mapping[str, Any]) -> tuple[nn.Module, InputSpec | None]:
    """Build the model and tell its default input, None where the weights tell no size.

    Raises:
        UsageError: torchvision has no such model.
        ModelError: torchvision is not installed, or the model cannot be built.
    """
    models = _torchvision().models
    name = spec.removeprefix(PREFIX)
    known = models.list_models()
    remember("torchvision", known)
    if name not in known:
        close = nearest(name, known)
        raise UsageError(f"torchvision has no model {name!r}", *filter(None, [close]))
    chosen = {**_AS_PUBLISHED.get(name, {}), **arguments}
    try:
        # weights=None: nothing is downloaded
        model = construct(models.get_model_builder(name), {"weights": None, **chosen})
    except Exception as error:  # a constructor raises what it likes on odd arguments
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise ModelError(
            f"{spec} cannot be built{f' with {given}' if given else ''}",
            f"{type(error).__name__}: {error}",
        ) from error
    return model, _default_input(models.get_model_weights(name))


def _default_input(weights: Any) -> InputSpec | None:
    """The smallest crop that published weights were tested at: others need other arguments."""
    sizes = [crop for crop in map(_crop, weights) if crop]
    return InputSpec((1, 3, min(sizes), min(sizes))) if sizes else None


def _crop(entry: Any) -> int | None:
    """The side of the square that published weights were tested at."""
    crop = getattr(entry.transforms(), "crop_size", None)
    return crop[0] if isinstance(crop, list | tuple) and len(crop) == 1 else None


def listed(choose: Callable[[Iterable[str]], list[str]]) -> Iterator[Listed]:
    """The models that `choose` takes of all: their default input, their published parameters.

    Raises:
        ModelError: torchvision is not installed.
    """
    models = _torchvision().models
    for name in choose(models.list_models()):
        weights = models.get_model_weights(name)
        default = _default_input(weights)
        place = models.get_model_builder(name).__module__
        shape = default.shape if default is not None else None
        yield Listed(f"{PREFIX}{name}", place, shape, _params(weights), "", "torchvision")


def _params(weights: Any) -> int | None:
    """The published parameters at the default input: some models have other ones at others."""
    ordered = sorted(weights, key=lambda entry: _crop(entry) or 0)
    return ordered[0].meta["num_params"] if ordered else None


def _torchvision() -> Any:
    try:
        make_importable()
        return importlib.import_module("torchvision")
    except Exception as error:  # beside the wrong torch its import fails in many ways
        raise ModelError(
            "torchvision is needed for its models", f"{type(error).__name__}: {error}",
            hint="pip install 'cnnstat[torchvision]'",
        ) from error  # fmt: skip


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
