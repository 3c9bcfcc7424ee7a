"""What would let a model run at a size for which it was not created.

Either the first linear layer of a classifier becomes as wide as the size needs, or the model is
created for the size, by the argument of its constructor that sets it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..analysis.results import Analysis
from ..choices import Mode
from ..comparison.classifier import find_site
from ..errors import CnnstatError
from ..inputs import InputSpec
from ..pipeline import load_model, run_model
from ..run_config import ModelRequest, RunConfig
from .results import Fitting
from .symbolic_model import SymbolicModel

# The names that timm, torchvision and transformers use.
_SIZE_ARGUMENTS = ("img_size", "image_size", "input_size", "vision_config.image_size")


@dataclass(frozen=True)
class FittedModel:
    """A model that is changed to fit sizes; `spec` has letters for the varied dimensions."""

    subject: SymbolicModel
    model: str
    spec: InputSpec
    arguments: Mapping[str, Any]
    mode: Mode

    def fitting(self, value: int, sizes: Mapping[str, int]) -> Fitting | None:
        """The first change with which the model runs at a size; None if none does."""
        for fitting in self._changes():
            if self.analysis(fitting, value, sizes) is not None:
                return fitting
        return None

    def _changes(self) -> Iterator[Fitting]:
        site = find_site(self.subject.analysis(self.subject.base))
        if site is not None:
            yield Fitting("layer", site.linears[0].path)
        if {name for dim, name in self.spec.symbols if dim > 1}:  # not the batch or channels
            yield from (Fitting("argument", name) for name in _SIZE_ARGUMENTS)

    def analysis(self, by: Fitting, value: int, sizes: Mapping[str, int]) -> Analysis | None:
        """The changed model at a size; None if it does not run."""
        try:
            if by.what == "layer":
                return self.subject.resized(sizes, by.name)
            request = ModelRequest(
                self.model, (self.spec.at(sizes),), {}, {**self.arguments, by.name: value}
            )
            return run_model(load_model(request), RunConfig(self.mode, diagnosed=False)).analysis
        except CnnstatError:
            return None
