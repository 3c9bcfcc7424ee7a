"""From a model to what a step of it takes at least on a device."""

from __future__ import annotations

from ..errors import UsageError
from ..models.loaded import Loaded
from ..models.model_inputs import batch_of, with_batch
from ..pipeline import load_model, run_model
from ..run_config import ModelRequest, RunConfig
from .bounds import Question, roofline_of
from .results import Roofline


def predict_roofline(
    request: ModelRequest, question: Question, batch_size: int | None, config: RunConfig
) -> Roofline:
    """Run a model, a training step with `config.training`, and bound its time."""
    loaded = load_model(request)
    if not isinstance(loaded, Loaded):
        raise UsageError(
            f"{request.model} is a graph that is not run: a roofline needs a PyTorch model"
        )
    if batch_size is not None:
        loaded = with_batch(loaded, batch_size)
    run = run_model(loaded, config)
    return roofline_of(run.trace, run.analysis, question, batch_of(loaded))
