"""One step of training or inference on `meta`: what a loop of plain PyTorch would hold.

    for batch, target in data:
        optimizer.zero_grad(set_to_none=True)
        output = model(batch)
        loss = cross_entropy(output, target)
        loss.backward()
        optimizer.step()

The batch, the target, the output and the loss are held to the end of the step. Of training the
second step is recorded: the first makes the optimizer's state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..choices import DeviceKind, Mode, OptimizerName
from ..errors import ModelError
from ..inputs import InputSpec
from ..trace.step_records import HeldKind, Step
from .autocast import Autocast
from .containers import placed
from .copies import substitutes_in
from .device_kernels import forms_of, kernels_of
from .dispatch import Operators
from .failures import explain
from .global_state import random_state_kept, slow_attention
from .lanes import META
from .modules import described, has_lazy_tensors
from .observers import recording
from .sharding import Sharding, Whole, misused, sharded
from .step_parts import Loss, LossScale, Stepper, checkpoint_layers, gradient_buckets, stepper
from .storages import StorageRecorder


@dataclass(frozen=True, slots=True)
class StepOptions:
    """How a step is made; `optimizer` is None for inference.

    `dtype` is what parameters and inputs are made of,
    `checkpoint` are patterns of paths of modules that run again for their gradients. `autocast` is
    the lower of two dtypes in mixed precision; if that is float16, the loss is scaled. `ddp`: the
    step is that of one rank of DistributedDataParallel. `fsdp`: it is that of one rank over which
    the model is sharded. `accumulated`: gradients of batches before are there, and are added to.
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


def trace_step(
    model: nn.Module,
    inputs: Sequence[Any],
    named_inputs: Mapping[str, Any],
    options: StepOptions,
) -> tuple[Step, ...]:
    """Record the steps that are run: two of training, the second being the one that is repeated.

    Args:
        model: a model on `meta` that belongs to the caller, for the run may change its attributes.
        inputs: positional arguments, as `trace` takes them.
        named_inputs: keyword arguments, likewise.

    Raises:
        ShapeError: the model does not run on these inputs.
        LaneError: it does not run without data.
        ModelError: it fails for a reason of its own, or has nothing to train.
    """
    subject = _Subject(model, inputs, named_inputs, options)
    with subject.placed():
        return tuple(subject.inference() if options.optimizer is None else subject.training())


class _Subject:
    """A model set up for its steps."""

    def __init__(
        self,
        model: nn.Module,
        inputs: Sequence[Any],
        named_inputs: Mapping[str, Any],
        options: StepOptions,
    ) -> None:
        self.options = options
        self.args = self._cast(placed(tuple(inputs), META.place))
        self.kwargs = self._cast(placed(dict(named_inputs), META.place))
        self.model = model
        model.train(options.mode == "train")
        if has_lazy_tensors(model):
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
        """Inside, the parameters are what a rank has of them."""
        if self.options.fsdp is None:
            self.parameters = Whole(self.model)
            yield
            return
        with sharded(self.model, self.options.fsdp, self.recorder) as self.parameters:
            yield

    def inference(self) -> Iterator[Step]:
        """The forward pass; two of them if sharded: the first leaves its last gathered."""
        for _ in range(2 if self.options.fsdp else 1):
            self._begin()
            forms = self._run(self._infer, self.recorder, False)
            yield self._record(forms)

    def training(self) -> Iterator[Step]:
        """Two steps; of accumulated batches the last, with the update."""
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
        made: HeldKind = "temporaries" if self.options.optimizer else "activations"
        return StorageRecorder(described(self.model), made)

    def _begin(self) -> None:
        recorder = self.recorder
        recorder.begin_step()
        recorder.keep("buffers", self.model.buffers())
        recorder.keep("parameters", self.parameters.held)
        recorder.keep("gradients", self.parameters.gradients())
        recorder.keep("buckets", self.buckets)
        recorder.keep("inputs", [self.args, self.kwargs, self.loss.targets])

    def _forward(self) -> Any:
        return self.model(*self.args, **self.kwargs)

    def _infer(self) -> Any:
        with self._autocast():
            return self._forward()

    def _autocast(self) -> AbstractContextManager[None]:
        return nullcontext() if self.autocast is None else self.autocast.on()

    def _train(self, optimizer: Stepper) -> None:
        recorder = self.recorder
        held = self._differentiate()
        recorder.begin("optimizer")
        with torch._C.DisableTorchFunction():
            overflow = None if self.loss_scale is None else self.loss_scale.unscale()
            optimizer.step()
            del overflow, held
        recorder.keep("optimizer_state", self._optimizer_state(optimizer))

    def _differentiate(self) -> Any:
        """Forward, loss and backward; what the loop's body goes on holding."""
        recorder = self.recorder
        with self._autocast():
            output = self._forward()
            recorder.begin("loss")
            loss = self.loss.of(output)
        recorder.keep("inputs", self.loss.targets)
        recorder.keep_activations()
        recorder.begin("backward")
        with torch._C.DisableTorchFunction():  # nothing of this is the model's
            root = loss if self.loss_scale is None else self.loss_scale.scaled(loss)
            root.backward()  # type: ignore[no-untyped-call]  # torch declares no types
        recorder.keep("gradients", self.parameters.gradients())
        return output, loss

    def _optimizer_state(self, optimizer: Stepper) -> list[Any]:
        scaling = [] if self.loss_scale is None else self.loss_scale.state
        return [*optimizer.state.values(), *scaling]

    def _run(
        self, action: Callable[[], Any], recorder: StorageRecorder, training: bool
    ) -> set[str]:
        operators = Operators(recorder, META, kernels=kernels_of(self.options.device))
        try:
            with (
                random_state_kept(),
                slow_attention(),
                torch.inference_mode(False),
                torch.set_grad_enabled(training),
                META.active(),
                self.autocast.registered() if self.autocast else nullcontext(),
                forms_of(self.options.device) as forms,
                recording(recorder, operators, substitutes_in(self.model)),
            ):
                action()
        except ModelError:
            raise
        except Exception as error:  # the model's code: anything may come out of it
            reached = misused(error) if self.options.fsdp else None
            raise reached or explain(error, recorder, META) from error
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
        """The inputs in the precision of the model; whole numbers stay whole."""
        dtype = self.options.dtype

        def in_precision(tensor: InputSpec | Tensor) -> Tensor:
            assert isinstance(tensor, Tensor)
            return tensor.to(dtype) if tensor.is_floating_point() else tensor

        return placed(value, in_precision)
