"""From a spec to a model with weights that fits the images and classes of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..analysis.results import Analysis
from ..errors import ModelError, UsageError
from ..inputs import InputSpec, format_shape
from ..models.loaded import Loaded, Recorded
from ..models.model_sources import SOURCES
from ..pipeline import ModelRun, load_model, run_model
from ..run_config import ModelRequest, RunConfig
from ..units import format_exact
from .datasets import Data, load_data, synthetic
from .results import Protocol

_CHANNELS, _CLASSES = "in_channels", "num_classes"


@dataclass(frozen=True)
class TrainableModel:
    """A model to train, its data and its costs. `image` is the model's input size, C×H×W."""

    loaded: Loaded
    analysis: Analysis
    data: Data
    image: tuple[int, ...]

    def build(self, protocol: Protocol) -> nn.Module:
        """Build the model with initial weights, which depend on the seed.

        Raises:
            ModelError: it cannot be built with data.
        """
        with_data = self.loaded.builders.with_data
        if with_data is None:
            raise ModelError(f"{self.loaded.spec} cannot be trained: it is no PyTorch model")
        torch.manual_seed(protocol.seed)
        try:
            model = with_data().float()
            with torch.no_grad():  # lazy layers get their sizes
                model.eval()(torch.zeros(1, *self.image))
        except Exception as error:  # constructors may raise anything
            raise ModelError(
                f"{self.loaded.spec} cannot be built with data", f"{type(error).__name__}: {error}"
            ) from error
        torch.manual_seed(protocol.seed)
        if protocol.init == "xavier":
            xavier_uniform(model)
        return model


def xavier_uniform(model: nn.Module) -> None:
    """Initialize conv and linear weights Xavier-uniform (Glorot and Bengio 2010), as d2l does."""
    convolutions = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    for layer in model.modules():
        if isinstance(layer, (*convolutions, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)


def trainable_model(
    spec: str, inputs: Sequence[InputSpec], arguments: Mapping[str, Any], protocol: Protocol
) -> TrainableModel:
    """Load a model, the data, and the model again with the channels and classes of the data.

    Raises:
        UsageError: a name or an input is malformed or unknown.
        ModelError: the model does not run on its input, or does not fit the data.
    """
    loaded = _trainable(load_model(ModelRequest(spec, inputs, {}, arguments)))
    channels, *sides = _image(loaded)
    if protocol.data == "synthetic":
        run = run_model(loaded, RunConfig())
        data = synthetic(protocol, (channels, *sides), _outputs(run))
        return TrainableModel(loaded, run.analysis, data, (channels, *sides))
    data = load_data(protocol, sides)
    chosen, names = _chosen_by(data, loaded, arguments, bool(inputs))
    if chosen != dict(arguments):
        channels = chosen.get(names[_CHANNELS], channels)
        size = InputSpec((2, channels, *sides))
        loaded = _trainable(load_model(ModelRequest(spec, [size], {}, chosen)))
    run = run_model(loaded, RunConfig())
    _check_classes(run, data, names[_CLASSES] if names[_CLASSES] in chosen else None)
    return TrainableModel(loaded, run.analysis, data, (channels, *sides))


def _trainable(loaded: Loaded | Recorded) -> Loaded:
    if isinstance(loaded, Recorded) or loaded.builders.with_data is None or loaded.mode:
        raise ModelError(f"{loaded.spec} is a graph without weights: it cannot be trained")
    return loaded


def _image(loaded: Loaded) -> tuple[int, ...]:
    """Channels, height and width of the batch of images that is the model's only input."""
    specs = [value for value in loaded.inputs if isinstance(value, InputSpec)]
    if len(loaded.inputs) != 1 or loaded.named_inputs or not specs or len(specs[0].shape) != 4:
        raise UsageError(
            f"{loaded.spec} does not take one batch of images: bench trains classifiers of images",
            hint="--input 1,3,224,224",
        )
    return tuple(specs[0].shape[1:])


def _chosen_by(
    data: Data, loaded: Loaded, arguments: Mapping[str, Any], sized: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """The constructor arguments with the channels and classes of the data, and their names.

    Only arguments that the constructor has are added, and the user's take precedence; an `--input`
    (`sized`) has the channels.
    """
    names = {_CHANNELS: _CHANNELS, _CLASSES: _CLASSES}
    if loaded.source in SOURCES:
        names |= SOURCES[loaded.source].argument_names
    from_data = {names[_CLASSES]: data.classes}
    if not sized:
        from_data[names[_CHANNELS]] = data.channels
    chosen = {
        name: value for name, value in from_data.items() if name in loaded.builders.argument_names
    }
    return {**chosen, **arguments}, names


def _outputs(run: ModelRun) -> int:
    """The number of classes of the model, whose first output must be batch × classes."""
    outputs = run.trace.calls[0].outputs
    if not outputs or len(outputs[0].shape) != 2:
        actual = ", ".join(format_shape(output.shape) for output in outputs) or "no tensor"
        raise ModelError(
            f"{run.loaded.spec} does not end in scores of classes",
            f"its output is {actual}, expected is batch × classes",
        )
    return outputs[0].shape[1]


def _check_classes(run: ModelRun, data: Data, argument: str | None) -> None:
    outputs, spec = _outputs(run), run.loaded.spec
    if outputs == data.classes:
        return
    raise ModelError(
        f"{spec} tells {format_exact(outputs)} classes apart, {data.name} has {data.classes}",
        *([] if argument else ["its constructor takes no argument num_classes"]),
        hint=f"--arg {argument}={data.classes}" if argument
        else f"an argument for the width of its last layer, and --arg NAME={data.classes}",
    )  # fmt: skip
