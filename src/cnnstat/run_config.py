"""The request of a caller, before anything is loaded: which model on which inputs, and how to run.

Both records go through the signatures as they are, so an option that reaches the run is a field
here, an argument of a public function and an option of a command, and nothing in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from .call_arguments import parse_arguments
from .choices import LANES, MODES, LaneName, Mode, check_choice
from .other_tools import understood


@dataclass(frozen=True)
class RunConfig:
    """How a model is run.

    Args:
        mode: None for the mode of an exported graph, else "train" if `training`, else "eval".
        lane: None for the first lane on which the model runs.
        training: whether to run the backward pass too.
        diagnosed: whether to explain a failure.
        fast: whether to use the kernels of `fast_meta`; the result is the same.
        fused: whether a recurrent layer is one operator; torch unrolls it on `meta`.
        composites: whether to record composite operators too.
        gradients: whether to run the forward pass with gradients, for one that computes some.

    Raises:
        UsageError: the mode or the lane is unknown.
    """

    mode: Mode | None = None
    lane: LaneName | None = None
    training: bool = False
    diagnosed: bool = True
    fast: bool = True
    fused: bool = True
    composites: bool = False
    gradients: bool = False

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, (None, *MODES))
        check_choice("lane", self.lane, (None, *LANES))

    @property
    def chosen_mode(self) -> Mode:
        """The mode of modules, which can be set to either."""
        return self.mode or ("train" if self.training else "eval")


DEFAULT = RunConfig()
named_objects: ContextVar[Mapping[str, Any]] = ContextVar(
    "named_objects", default=MappingProxyType({})
)
"""Models that have a name for the time of a call: the variables of a notebook, for `%cnnstat`."""


@dataclass(frozen=True)
class ModelRequest:
    """A model and its inputs, as a caller of a public function passes them.

    Args:
        model: a spec, an `nn.Module`, or a class or function that makes one.
        inputs: positional inputs, as `analyze` takes them.
        named_inputs: inputs passed by keyword.
        arguments: constructor arguments, for a spec.
        call: the call to suggest where an input is missing; `{}` is its shape.
        is_parsed: whether every shape and text among the inputs is parsed.
    """

    model: Any
    inputs: Sequence[Any] = ()
    named_inputs: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] | None = None
    call: str = "cnnstat.analyze(model, {})"
    is_parsed: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.model, str):  # frozen, and this is what the caller means by the name
            object.__setattr__(self, "model", named_objects.get().get(self.model, self.model))

    def parsed(self) -> ModelRequest:
        """The request with every shape and text parsed, and named specs among the named inputs.

        Raises:
            UsageError: an input is malformed.
        """
        if self.is_parsed:
            return self
        # an input that is None is none, as in torchinfo
        inputs = () if len(self.inputs) == 1 and self.inputs[0] is None else self.inputs
        inputs, named = understood(self.model, inputs, self.named_inputs, self.call)
        found = parse_arguments(inputs, named)
        return replace(
            self, inputs=tuple(found.positional), named_inputs=found.named, is_parsed=True
        )
