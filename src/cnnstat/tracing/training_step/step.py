"""One step of training or inference on `meta`: the memory of a loop of plain PyTorch.

    for batch, target in data:
        optimizer.zero_grad(set_to_none=True)
        output = model(batch)
        loss = cross_entropy(output, target)
        loss.backward()
        optimizer.step()

Batch, target, output and loss are alive until the end of the step. Training is recorded in its
second step: the first creates the optimizer's state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ...choices import DeviceKind, Mode, OptimizerName
from ...errors import NOT_OF_THE_MODEL, ModelError
from ...inputs import InputSpec
from ...trace.step_records import Step, StorageKind
from ..meta_device.autocast import Autocast
from ..process.class_state import class_state_preserved
from ..process.global_state import modes_preserved, preserve_rng_state, slow_attention
from ..process.interruptions import pass_to_caller
from ..process.isolation import process_preserved
from ..recording.storages import StorageRecorder
from ..run.copies import substitutes_in
from ..run.dispatch import Operators
from ..run.failures import explain
from ..run.lanes import META, Lane
from ..run.observers import recording
from ..structure.containers import map_inputs
from ..structure.modules import (
    has_lazy_tensors,
    modules_by_id,
    named_tensors,
    parameters_of,
    set_training,
)
from ..user_code.created_modules import path_in
from ..user_code.saved_tensors import saved_on_host
from ..user_code.value_reads import ValueReads
from .device_kernels import forms_of, kernels_of
from .sharding import FullParameters, Sharding, outside_use_error, sharded
from .step_parts import Loss, LossScale, Stepper, checkpoint_layers, gradient_buckets, stepper


@dataclass(frozen=True, slots=True)
class StepOptions:
    """How a step runs.

    Args:
        optimizer: None for inference.
        dtype: of parameters and inputs.
        checkpoint: patterns of paths of modules that are recomputed in the backward pass.
        autocast: the lower dtype of mixed precision; with float16 the loss is scaled.
        ddp: whether the step is that of one rank of DistributedDataParallel.
        fsdp: how the model is sharded, for the step of one rank.
        accumulated: whether to add to the gradients of earlier batches.
        without_constants: whether what forward creates has no values either, as what it is created
            for: a gradient cannot pass from the parameters to a tensor on the CPU.
    """

    mode: Mode
    optimizer: OptimizerName | None
    device: DeviceKind
    dtype: torch.dtype = torch.float32
    checkpoint: tuple[str, ...] = ()
    autocast: torch.dtype | None = None
    ddp: bool = False
    fsdp: Sharding | None = None
    accumulated: bool = False
    without_constants: bool = False


def trace_step(
    model: nn.Module,
    inputs: Sequence[Any],
    named_inputs: Mapping[str, Any],
    options: StepOptions,
    lane: Lane = META,
) -> tuple[Step, ...]:
    """Run and record one step of inference, or two of training; the last one is what repeats.

    Args:
        model: on `meta`, or with data for the lane `cpu`; the run may change its attributes.
        inputs: positional arguments, as `trace` takes them.
        named_inputs: keyword arguments, likewise.
        options: how the step runs.
        lane: where it runs; with data there is no sharding and no autocast.

    Raises:
        ShapeError: the model does not run on these inputs.
        LaneError: it does not run without data.
        ModelError: the model itself fails, or has nothing to train.
    """
    subject = _Subject(model, inputs, named_inputs, options, lane)
    with subject.placed():
        return tuple(subject.inference() if options.optimizer is None else subject.training())


class _Subject:
    """A model prepared for its steps."""

    def __init__(
        self,
        model: nn.Module,
        inputs: Sequence[Any],
        named_inputs: Mapping[str, Any],
        options: StepOptions,
        lane: Lane,
    ) -> None:
        self.options, self.lane = options, lane
        self.args, self.kwargs = map(self._cast, lane.placed(inputs, named_inputs))
        self.model = model
        set_training(model, options.mode == "train")
        self.autocast: Autocast | None = None  # off while lazy layers get their parameters
        # A first run gives lazy layers their parameters, and the model those of its forward.
        if has_lazy_tensors(model) or not parameters_of(model):
            self._run(self._forward, self._recorder(), False)
        if options.dtype is not torch.float32:
            model.to(options.dtype)
        self.recorder = self._recorder()
        self.loss = Loss()
        self.buckets: list[Tensor] = []
        self.loss_scale = LossScale() if options.autocast is torch.float16 else None
        lower = options.autocast
        training = options.optimizer is not None
        self.autocast = None if lower is None else Autocast(options.device, lower, training)
        self.checkpointed = checkpoint_layers(model, options.checkpoint, self.autocast)

    @contextmanager
    def placed(self) -> Iterator[None]:
        """Shard the parameters, if `options.fsdp`, while the steps run."""
        if self.options.fsdp is None:
            self.parameters = FullParameters(self.model)
            yield
            return
        with sharded(self.model, self.options.fsdp, self.recorder) as self.parameters:
            yield

    def inference(self) -> Iterator[Step]:
        """The forward pass; two if sharded, as the first leaves the last unit gathered."""
        for _ in range(2 if self.options.fsdp else 1):
            self._begin()
            forms = self._run(self._infer, self.recorder, False)
            yield self._record(forms)

    def training(self) -> Iterator[Step]:
        """Two steps; with accumulation those of the last batch, which has the update."""
        trained = self.parameters.trained
        if not trained:
            raise ModelError("there is nothing to train: no parameter requires a gradient")
        assert self.options.optimizer is not None
        optimizer = stepper(self.options.optimizer, trained, self.options.device)
        if self.options.ddp:
            self.buckets = gradient_buckets(trained)
        for _ in range(2):
            self.parameters.clear_gradients()
            if self.options.accumulated:
                self._begin()
                self._run(self._differentiate, self.recorder, True)
            self._begin()
            forms = self._run(lambda: self._train(optimizer), self.recorder, True)
            yield self._record(forms)

    def _recorder(self) -> StorageRecorder:
        default: StorageKind = "temporaries" if self.options.optimizer else "activations"
        recorder = StorageRecorder(
            modules_by_id(self.model), default, self.lane.limit, self.lane.has_data
        )
        recorder.find = partial(path_in, self.model)
        return recorder

    def _begin(self) -> None:
        recorder = self.recorder
        recorder.begin_step()
        tensors = named_tensors(self.model)
        recorder.classify("buffers", [tensor for _, tensor, is_buffer in tensors if is_buffer])
        recorder.classify("parameters", self.parameters.stored)
        recorder.classify("gradients", self.parameters.gradients())
        recorder.classify("buckets", self.buckets)
        recorder.classify("inputs", [self.args, self.kwargs, self.loss.targets])

    def _forward(self) -> Any:
        return self.model(*self.args, **self.kwargs)

    def _infer(self) -> Any:
        with self._autocast():
            return self._forward()

    def _autocast(self) -> AbstractContextManager[None]:
        return nullcontext() if self.autocast is None else self.autocast.on()

    def _train(self, optimizer: Stepper) -> None:
        recorder = self.recorder
        alive = self._differentiate()
        recorder.begin("optimizer")
        with torch._C.DisableTorchFunction():
            overflow = None if self.loss_scale is None else self.loss_scale.unscale()
            optimizer.step()
            del overflow, alive
        recorder.classify("optimizer_state", self._optimizer_state(optimizer))

    def _differentiate(self) -> Any:
        """Forward, loss and backward; returns what the loop's variables keep alive."""
        recorder = self.recorder
        with self._autocast():
            output = self._forward()
            recorder.begin("loss")
            loss = self.loss.of(output)
        recorder.classify("inputs", self.loss.targets)
        recorder.mark_activations()
        recorder.begin("backward")
        with torch._C.DisableTorchFunction():  # these operators are no rows of the model
            root = loss if self.loss_scale is None else self.loss_scale.scaled(loss)
            root.backward()  # type: ignore[no-untyped-call]  # torch declares no types
        recorder.classify("gradients", self.parameters.gradients())
        return output, loss

    def _optimizer_state(self, optimizer: Stepper) -> list[Any]:
        scaling = [] if self.loss_scale is None else self.loss_scale.state
        return [*optimizer.state.values(), *scaling]

    def _run(
        self, action: Callable[[], Any], recorder: StorageRecorder, training: bool
    ) -> set[str]:
        operators = Operators(recorder, self.lane, kernels=kernels_of(self.options.device))
        try:
            with (
                preserve_rng_state(has_drawn=False),
                modes_preserved(),
                process_preserved(),
                class_state_preserved(self.model),
                ValueReads().generators(),
                slow_attention(),
                torch.inference_mode(False),
                torch.set_grad_enabled(training),
                self.lane.context(),
                saved_on_host(self.options.device),
                torch.device("meta") if self.options.without_constants else nullcontext(),
                self.autocast.registered() if self.autocast else nullcontext(),
                forms_of(self.options.device) as forms,
                recording(recorder, operators, substitutes_in(self.model)),
            ):
                action()
        except (ModelError, *NOT_OF_THE_MODEL):
            raise
        except BaseException as error:  # the model's code may raise anything
            pass_to_caller(error)
            reached = outside_use_error(error) if self.options.fsdp else None
            raise reached or explain(error, recorder, self.lane) from error
        return forms

    def _record(self, forms: set[str]) -> Step:
        recorder = self.recorder
        return Step(
            storages=recorder.storages(),
            operators=recorder.operators,
            places=recorder.places,
            loss=self.loss.kind,
            attention=tuple(sorted(forms)),
            checkpointed=self.checkpointed,
            units=self.parameters.units,
            lower=self.parameters.lower,
        )

    def _cast(self, value: Any) -> Any:
        """The inputs with floating-point tensors in the dtype of the model."""
        dtype = self.options.dtype
        if dtype is torch.float32:  # model and inputs are left in the dtype that they have
            return value

        def in_precision(tensor: InputSpec | Tensor) -> Tensor:
            assert isinstance(tensor, Tensor)
            return tensor.to(dtype) if tensor.is_floating_point() else tensor

        return map_inputs(value, in_precision)
