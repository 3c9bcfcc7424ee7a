"""torchvision's models, `torchvision:resnet50`, in the form and size of their published figures.

They are built as with published weights (frozen batch norm in detection, auxiliary heads where the
weights have them, …), and the weights are not loaded.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import ModelError, UsageError, nearest
from ..shapes import InputSpec
from ..tracing.attempts import Builders
from .construction import builders, construct

PREFIX = "torchvision:"

# Where arguments ask for another form than the published: initial weights would take minutes, and
# GoogLeNet's auxiliary heads exist only while training.
_UNPUBLISHED: dict[str, dict[str, Any]] = {
    "googlenet": {"init_weights": False, "aux_logits": False},
    "inception_v3": {"init_weights": False},
}
_FRAMES = 16  # of a video, and …
_FLOW_SIDE = 512  # … the side of a pair of frames, that torchvision states its operations for


def build(spec: str, arguments: Mapping[str, Any]) -> tuple[nn.Module, Builders, tuple[Any, ...]]:
    """Build the model and tell how to build it anew and its default inputs.

    Raises:
        UsageError: torchvision has no such model.
        ModelError: torchvision is not installed, or the model cannot be built.
    """
    models = _torchvision().models
    name = spec.removeprefix(PREFIX)
    known = models.list_models()
    if name not in known:
        close = nearest(name, known)
        raise UsageError(f"torchvision has no model {name!r}", *filter(None, [close]))
    weights = _smallest(models.get_model_weights(name))
    factory = _without_weights(models.get_model_builder(name))
    plain = {**_UNPUBLISHED.get(name, {}), "weights": None, **arguments}
    published = (
        {"weights": weights.meta.get("unquantized", weights), **arguments} if weights else plain
    )
    try:
        try:
            model = construct(factory, published)
        except (ValueError, TypeError):  # the arguments contradict the weights
            published = plain
            model = construct(factory, plain)
    except Exception as error:  # a constructor raises what it likes on odd arguments
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise ModelError(
            f"{spec} cannot be built{f' with {given}' if given else ''}",
            f"{type(error).__name__}: {error}",
        ) from error
    return model, builders(factory, published), _default_inputs(model, weights)


def _without_weights(builder: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    def build(**arguments: Any) -> nn.Module:
        with _weights_left_out(), warnings.catch_warnings():
            # builders warn of what arguments they will take some day
            warnings.simplefilter("ignore", FutureWarning)
            return builder(**arguments)

    return build


@contextmanager
def _weights_left_out() -> Iterator[None]:
    """Inside, the weights that a builder is given shape the model; nothing is fetched or loaded."""
    weights: Any = importlib.import_module("torchvision.models._api").WeightsEnum
    fetch, load = weights.get_state_dict, nn.Module.load_state_dict
    weights.get_state_dict = lambda *args, **kwargs: {}
    nn.Module.load_state_dict = lambda *args, **kwargs: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        weights.get_state_dict = fetch
        nn.Module.load_state_dict = load  # type: ignore[method-assign]


def _crop(weights: Any) -> tuple[int, ...]:
    """The side or sides that the images are cropped (or, in segmentation, resized) to."""
    transforms = weights.transforms()
    size = getattr(transforms, "crop_size", None) or getattr(transforms, "resize_size", None) or ()
    return tuple(size)


def _smallest(weights: Any) -> Any:
    """Of several published weights those with the smallest images; None where there are none."""
    entries = list(weights)
    sizes = [_crop(entry) for entry in entries]
    if len(set(sizes)) > 1:
        return min(entries, key=_crop)
    return getattr(weights, "DEFAULT", None)


def _default_inputs(model: nn.Module, weights: Any) -> tuple[Any, ...]:
    """An image, a clip, a pair of frames or a list of images, as the model takes them."""
    task = type(model).__module__.split(".")[2]
    if task == "detection":
        transform: Any = model.transform
        height, width = transform.fixed_size or (transform.min_size[-1],) * 2
        return ([InputSpec((3, height, width))],)
    if task == "optical_flow":
        return (InputSpec((1, 3, _FLOW_SIDE, _FLOW_SIDE)),) * 2
    crop = _crop(weights) if weights else ()
    if not crop:
        return ()
    height, width = crop * 2 if len(crop) == 1 else crop
    frames = (_FRAMES,) if task == "video" else ()
    return (InputSpec((1, 3, *frames, height, width)),)


def _torchvision() -> Any:
    try:
        _make_importable()
        torchvision = importlib.import_module("torchvision")
        _make_traceable(torchvision)
        return torchvision
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


def _make_importable() -> None:
    """Declare torchvision's operators if its compiled ones cannot be loaded."""
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


def _make_traceable(torchvision: Any) -> None:
    """Give declared operators the kernels for `meta` that torchvision keeps for compiled ones.

    `nms` has one for fake tensors alone; on `meta` a bound answers it.
    """
    if not _libraries or torchvision.extension._has_ops():
        return
    torchvision.extension._has_ops = lambda: True
    for schema in _SCHEMAS:
        name = schema.partition("(")[0]
        kernel = getattr(torchvision._meta_registrations, f"meta_{name.removeprefix('_')}", None)
        if kernel is not None and "nms" not in name:
            _libraries[0].impl(name, kernel, "Meta")
