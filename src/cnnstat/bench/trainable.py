"""From a spec to a model with weights that fits the images and classes of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from ..analysis.results import Analysis
from ..diagnosis.data_edits import data_edit
from ..errors import CnnstatError, ModelError, UsageError, format_exception
from ..inputs import InputSpec, format_shape
from ..models.loaded import InputData, Loaded, Recorded
from ..models.model_sources import SOURCES
from ..pipeline import ModelRun, load_model, run_model
from ..run_config import ModelRequest, RunConfig
from ..tracing.places import raising_line
from ..tracing.structure.containers import map_inputs
from ..tracing.structure.modules import has_lazy_tensors, move_to
from ..units import format_exact
from .datasets import Data, load_data, synthetic
from .nonfinite import tensors_in
from .objective import Objective
from .results import Protocol
from .sources import Sources
from .target_checks import check_targets
from .targets import is_elementwise, labels_of, outputs_for
from .user_batches import Arguments, UserBatch, call
from .user_data import UserSplit

_CHANNELS, _CLASSES = "in_channels", "num_classes"


@dataclass(frozen=True)
class TrainableModel:
    """A model to train, its data, its loss and its costs.

    `image` is the shape of one example of its input, C×H×W for images.
    """

    name: str
    loaded: Loaded
    analysis: Analysis
    data: Data
    image: tuple[int, ...]
    objective: Objective

    def build(self, protocol: Protocol, device: torch.device) -> nn.Module:
        """Build the model on a device, with initial weights, which depend on the seed.

        The weights are drawn on the CPU, so they are the same on every device. What the model and
        the loss compute is tried on the device: their code may name it.

        Raises:
            ModelError: it cannot be built with data, or the loss cannot be computed.
        """
        with_data = self.loaded.builders.with_data
        if with_data is None:
            raise ModelError(f"{self.name} cannot be trained: it is no PyTorch model")
        sample = self.data.sample or _blank(self.image)
        torch.manual_seed(protocol.seed)
        try:
            model = with_data().float()
            if has_lazy_tensors(model):
                _run(model, sample, torch.device("cpu"))
            torch.manual_seed(protocol.seed)
            if protocol.init == "xavier":
                xavier_uniform(model)
            move_to(model, device)  # in place: the optimizer has these parameters
            output = _run(model, sample, device)
        except Exception as error:  # constructors may raise anything
            raise ModelError(
                f"{self.name} cannot be built with data", format_exception(error)
            ) from error
        if isinstance(self.objective.loss, nn.Module):
            move_to(self.objective.loss, device)
        if not protocol.inference:
            self._try_loss(output, sample.on(device))
        torch.manual_seed(protocol.seed)
        return model

    def _try_loss(self, output: Any, sample: UserBatch) -> None:
        objective, targets, classes = self.objective, sample.targets, self.data.classes
        try:
            if objective.loss is None and classes is not None:
                targets = labels_of(targets, classes, self.data.name)
            objective.fit(output, targets)
        except CnnstatError:
            raise
        except Exception as error:  # the user's loss may raise anything
            raise ModelError(
                f"the loss cannot be computed of the output of {self.name}",
                *raising_line(error), format_exception(error),
            ) from error  # fmt: skip


def _run(model: nn.Module, sample: UserBatch, device: torch.device) -> Any:
    with torch.no_grad():
        return call(model.eval(), sample.on(device).inputs)


def _blank(image: Sequence[int]) -> UserBatch:
    return UserBatch(torch.zeros(1, *image), torch.zeros(1, dtype=torch.int64), 1)


def xavier_uniform(model: nn.Module) -> None:
    """Initialize conv and linear weights Xavier-uniform (Glorot and Bengio 2010), as d2l does."""
    convolutions = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    for layer in model.modules():
        if isinstance(layer, (*convolutions, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)


def trainable_model(
    name: str,
    inputs: Sequence[InputSpec],
    arguments: Mapping[str, Any],
    protocol: Protocol,
    sources: Sources | None = None,
) -> TrainableModel:
    """Load a model, the data, and the model again with the channels and classes of the data.

    `name` is a spec, or that of an object in `sources`.

    Raises:
        UsageError: a name or an input is malformed or unknown.
        ModelError: the model does not run on its input, or does not fit the data.
    """
    sources = sources or Sources()
    loss = sources.loss_function(protocol)
    data = sources.user_data(protocol)
    if data is not None:
        return _on_user_data(name, arguments, protocol, sources, data)
    model = sources.model(name)
    loaded = _trainable(load_model(_request(model, inputs, {}, arguments)))
    channels, *sides = _image(loaded)
    if protocol.data == "synthetic":
        run = run_model(loaded, RunConfig())
        data = synthetic(protocol, (channels, *sides), 10 if loss else _outputs(run, None))
    else:
        data = load_data(protocol, sides)
        chosen, names = _chosen_by(data, loaded, arguments, bool(inputs))
        if chosen != dict(arguments):
            channels = chosen.get(names[_CHANNELS], channels)
            size = InputSpec((2, channels, *sides))
            loaded = _trainable(load_model(_request(model, [size], {}, chosen)))
        run = run_model(loaded, RunConfig())
        if loss is None:
            _check_classes(run, data, names[_CLASSES] if names[_CLASSES] in chosen else None)
    objective = Objective(
        data.classes, loss, protocol.label_smoothing, counted=data.test is not None
    )
    return TrainableModel(name, loaded, run.analysis, data, (channels, *sides), objective)


def _request(
    model: Any, inputs: Sequence[Any], named: Mapping[str, Any], arguments: Mapping[str, Any]
) -> ModelRequest:
    call = "cnnstat.measure(model, input=(1, 3, 224, 224))"
    return ModelRequest(model, inputs, named, arguments, call)


def _on_user_data(
    name: str, arguments: Mapping[str, Any], protocol: Protocol, sources: Sources, data: Data
) -> TrainableModel:
    """The model on data of the user, whose batches it gets as they are."""
    assert data.sample is not None
    model, loss = sources.model(name), sources.loss_function(protocol)
    args, named = _specs(data.sample)
    loaded = _loaded_for(data, model, args, named, arguments)
    if loss is not None and is_elementwise(loss):
        data = replace(data, classes=outputs_for(data.sample.targets) or data.classes)
    chosen, names = _chosen_by(data, loaded, arguments, sized=False)
    if chosen != dict(arguments):
        loaded = _loaded_for(data, model, args, named, chosen)
    run = run_model(loaded, RunConfig())
    if loss is None:
        if _outputs(run, data.classes) == 1:
            raise ModelError(
                f"{name} has one output, of which cross-entropy learns nothing",
                hint="--loss torch.nn:BCEWithLogitsLoss for two classes, torch.nn:MSELoss for a "
                "regression",
            )
        _check_classes(run, data, names[_CLASSES] if names[_CLASSES] in chosen else None)
        data = replace(data, classes=_outputs(run, data.classes))
        data = replace(data, notes=(*data.notes, *check_targets(data)))
    elif is_elementwise(loss):
        data = replace(data, classes=None)  # outputs, which are no classes
    first = next(iter((*args, *named.values())))
    image = tuple(first.shape[1:]) if isinstance(first, InputSpec) else ()
    objective = Objective(data.classes, loss, protocol.label_smoothing, may_ignore=True)
    return TrainableModel(name, loaded, run.analysis, data, image, objective)


def _loaded_for(
    data: Data, model: Any, args: Sequence[Any], named: Mapping[str, Any],
    arguments: Mapping[str, Any],
) -> Loaded:  # fmt: skip
    """The model, with the shapes of a batch of the user's data as its inputs.

    Raises:
        ModelError: it takes images, and the examples have no channels.
    """
    assert isinstance(data.train, UserSplit)
    source = InputData(data.name, tensors_in(data.train) is not None)
    try:
        loaded = _trainable(load_model(_request(model, args, named, arguments)))
    except CnnstatError:
        spec = args[0] if len(args) == 1 and isinstance(args[0], InputSpec) else None
        if spec is None or len(spec.shape) != 3:
            raise
        count, *sides = spec.shape
        image = replace(spec, shape=(count, 1, *sides))
        _trainable(load_model(_request(model, [image], named, arguments)))  # raises if that fails
        raise ModelError(
            f"the examples of {data.name} are {format_shape(sides)}",
            f"{model} takes images: channels, height, width",
            hint=f"{data_edit(spec, image, source)} instead of x at {data.name}",
        ) from None
    return replace(loaded, data=source)


def _specs(sample: UserBatch) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """The inputs of a batch by shape and type."""

    def spec(value: Any) -> Any:
        return InputSpec(tuple(value.shape), str(value.dtype).removeprefix("torch."))

    if type(sample.inputs) is Arguments:
        positional, named = sample.inputs
        return map_inputs(positional, spec), map_inputs(named, spec)
    return [map_inputs(sample.inputs, spec)], {}


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
    from_data = {} if data.classes is None else {names[_CLASSES]: data.classes}
    if not sized:
        from_data[names[_CHANNELS]] = data.channels
    chosen = {
        name: value for name, value in from_data.items() if name in loaded.builders.argument_names
    }
    return {**chosen, **arguments}, names


def _outputs(run: ModelRun, classes: int | None) -> int:
    """The number of classes of the model, one of whose outputs must be batch × classes."""
    outputs = run.trace.calls[0].outputs
    widths = [output.shape[1] for output in outputs if len(output.shape) == 2]
    if not widths:
        actual = ", ".join(format_shape(output.shape) for output in outputs) or "no tensor"
        raise ModelError(
            f"{run.loaded.spec} does not end in scores of classes",
            f"its output is {actual}, expected is batch × classes",
            hint="--loss my_losses.py:loss for other outputs",
        )
    return classes if classes in widths else widths[0]


def _check_classes(run: ModelRun, data: Data, argument: str | None) -> None:
    outputs, spec = _outputs(run, data.classes), run.loaded.spec
    if outputs == data.classes or data.classes is None:
        return
    if data.sample is not None and data.classes < outputs and not argument:
        return  # the labels of the user's data may be fewer than the classes of the model
    raise ModelError(
        f"{spec} tells {format_exact(outputs)} classes apart, {data.name} has {data.classes}",
        *([] if data.first_label in (None, 0) else [
            f"the labels of {data.name} are {data.first_label} to {data.classes - 1}, and classes "
            "count from 0"
        ]),
        *([] if argument else ["its constructor takes no argument num_classes"]),
        hint=f"--arg {argument}={data.classes}" if argument
        else f"an argument for the width of its last layer, and --arg NAME={data.classes}",
    )  # fmt: skip
