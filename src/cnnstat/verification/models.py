"""Model → Verification: the model is run here, and counted by the others."""

from __future__ import annotations

from dataclasses import replace

from ..errors import UsageError
from ..models.loaded import Recorded
from ..pipeline import load_model, run_model
from ..run_config import ModelRequest, RunConfig
from ..tracing.copies import meta_copy
from .counters import Question, absent, consult
from .differ import Run, verify
from .results import Verification


def verify_model(request: ModelRequest, config: RunConfig) -> Verification:
    """Count a model with cnnstat and with the other counters, and explain the differences."""
    loaded = load_model(request)
    if isinstance(loaded, Recorded):
        raise UsageError(f"{request.model} is a graph: other counters need a PyTorch model")
    untouched = meta_copy(loaded.model)
    run = run_model(loaded, config)
    has_data, notes = run.trace.lane != "meta", []
    if has_data:  # all are to see the same values then
        notes.append(f"run on the CPU by all: {run.trace.lane_reason}")
        run = run_model(loaded, replace(config, lane="cpu"))
        assert loaded.builders.with_data is not None  # it was executed just now
        untouched = loaded.builders.with_data()
    needed = run.analysis.totals.peak_bytes
    given = (loaded.inputs, loaded.named_inputs)
    question = Question(untouched, *given, run.mode, needed, has_data)
    question.settle()
    counted = Run(run.analysis, question.trace(composites=False), question.trace(composites=True))
    if missing := absent():
        notes.append(f"not installed, so not asked: {', '.join(missing)}")
    return verify(counted, consult(question), notes)
