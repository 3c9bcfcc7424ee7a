"""Models of torchvision, `torchvision:resnet50`, as published: architecture and input size.

They are built as for their pretrained weights (frozen batch norm in detection, auxiliary heads if
the weights have them, …), but the weights are not loaded.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from ..call_arguments import parse_shape
from ..inputs import InputSpec
from ..tracing.process.global_state import replaced_here
from ..tracing.run.lane_selection import Builders
from . import torchvision_import as vision_operators
from .construction import builders, construct, construction_error, format_error
from .loaded import Loaded, inputs_or_default
from .model_sources import Select
from .name_cache import remember
from .not_found import unknown_in_source
from .results import Listed

PREFIX = "torchvision:"

# If the arguments contradict the pretrained weights: initialisation would take minutes, and
# GoogLeNet's auxiliary heads run only in training.
_UNPUBLISHED: dict[str, dict[str, Any]] = {
    "googlenet": {"init_weights": False, "aux_logits": False},
    "inception_v3": {"init_weights": False},
}
# The input sizes for which torchvision publishes operation counts.
_FRAMES = 16  # of a video
_FLOW_SIDE = 512  # of a pair of frames


def load(
    spec: str, inputs: Sequence[Any], named: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Loaded:
    """Build a model of torchvision on `meta`; several inputs of a detector are a list of images.

    Raises:
        UsageError: torchvision has no such model, or it has no default input.
        ModelError: torchvision is not installed, or the model cannot be built.
    """
    model, build, default = _build(spec, arguments)
    if default and isinstance(default[0], list) and inputs:
        # images without a batch dimension, of any sizes
        images = inputs[0] if isinstance(inputs[0], list | tuple) else inputs
        inputs = [[parse_shape(image) for image in images]]
    chosen, keywords = inputs_or_default(default, inputs, named, spec)
    return Loaded(spec, "torchvision", model, build, chosen, keywords, dict(arguments))


def _build(spec: str, arguments: Mapping[str, Any]) -> tuple[nn.Module, Builders, tuple[Any, ...]]:
    """The model, how to build it again, and its default inputs."""
    models = vision_operators.torchvision().models
    name = spec.removeprefix(PREFIX)
    known = models.list_models()
    remember("torchvision", known)
    if name not in known:
        raise unknown_in_source("torchvision", name)
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
    except Exception as error:  # constructors raise anything
        raise construction_error(spec, arguments, format_error(error)) from error
    return model, builders(factory, published, "num_classes"), _default_inputs(model, weights)


def _without_weights(builder: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    def build(**arguments: Any) -> nn.Module:
        with _weights_left_out(), warnings.catch_warnings():
            # builders warn that their arguments will change
            warnings.simplefilter("ignore", FutureWarning)
            return builder(**arguments)

    return build


@contextmanager
def _weights_left_out() -> Iterator[None]:
    """Let a builder use the metadata of pretrained weights; nothing is downloaded or loaded."""
    weights: Any = importlib.import_module("torchvision.models._api").WeightsEnum
    with (
        replaced_here(weights, "get_state_dict", lambda *args, **kwargs: {}),
        replaced_here(nn.Module, "load_state_dict", lambda *args, **kwargs: None),
    ):
        yield


def _crop(weights: Any) -> tuple[int, ...]:
    """The size, one or two sides, that images are cropped (in segmentation: resized) to."""
    transforms = weights.transforms()
    size = getattr(transforms, "crop_size", None) or getattr(transforms, "resize_size", None) or ()
    return tuple(size)


def _smallest(weights: Any) -> Any:
    """The pretrained weights with the smallest images; None without weights."""
    entries = list(weights)
    sizes = [_crop(entry) for entry in entries]
    if len(set(sizes)) > 1:
        return min(entries, key=_crop)
    return getattr(weights, "DEFAULT", None)


def _default_inputs(model: nn.Module, weights: Any) -> tuple[Any, ...]:
    """The input of the model's task: an image, a clip, a pair of frames or a list of images."""
    task = type(model).__module__.split(".")[2]
    if task == "detection":
        transform: Any = model.transform
        height, width = transform.fixed_size or (transform.min_size[-1],) * 2
        return ([InputSpec((3, height, width))],)
    return _published_inputs(task, weights)


def _published_inputs(task: str, weights: Any) -> tuple[InputSpec, ...]:
    """The inputs that the pretrained weights are for; none for detectors, which accept any size."""
    if task == "optical_flow":
        return (InputSpec((1, 3, _FLOW_SIDE, _FLOW_SIDE)),) * 2
    crop = _crop(weights) if weights else ()
    if not crop:
        return ()
    height, width = crop * 2 if len(crop) == 1 else crop
    frames = (_FRAMES,) if task == "video" else ()
    return (InputSpec((1, 3, *frames, height, width)),)


def listed(select: Select) -> Iterator[Listed]:
    """The selected models with their default input and their published number of parameters.

    Raises:
        ModelError: torchvision is not installed.
    """
    models = vision_operators.torchvision().models
    for name in select(models.list_models()):
        weights = _smallest(models.get_model_weights(name))
        place = models.get_model_builder(name).__module__
        inputs = _published_inputs(place.split(".")[2], weights)
        shape = inputs[0].shape if inputs else None
        params = weights.meta["num_params"] if weights else None
        yield Listed(f"{PREFIX}{name}", place, shape, params, "", "torchvision")
