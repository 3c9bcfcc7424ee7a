"""Count the parameters of a model's modules, without running it."""

from __future__ import annotations

from collections import Counter

from ..errors import InputMissing, UsageError
from ..models.loaded import Loaded
from ..operators.describe import static_config
from ..pipeline import load_model, model_of, this_tool
from ..run_config import ModelRequest
from ..trace.records import Parameter
from ..tracing.structure.modules import class_name, has_lazy_tensors, modules_by_id
from ..tracing.user_code.created_modules import parameter_records
from .results import ModuleParameters, Parameters, ParameterTotals


def count_parameters(request: ModelRequest) -> Parameters:
    """The parameters of the model of a request, which needs no inputs.

    Raises:
        UsageError: the spec cannot be understood, or names a graph.
        ModelError: the model cannot be built.
    """
    try:
        loaded, notes = load_model(request), []
    except InputMissing as missing:
        if missing.loaded is None:
            raise
        loaded = missing.loaded
        notes = [f"the model was not run: {missing.message}", f"shapes and MACs: {missing.hint}"]
    if not isinstance(loaded, Loaded):
        raise UsageError(
            f"{loaded.spec} is a graph without modules", hint=f"cnnstat shapes {loaded.spec}"
        )
    if has_lazy_tensors(loaded.model):
        notes.append("lazy layers have no parameters before the model runs")
    return _counted(loaded, notes)


def _counted(loaded: Loaded, notes: list[str]) -> Parameters:
    found = [parameter for parameter, _ in parameter_records(loaded.model)]
    params, trainable, sizes, total = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for parameter in found:
        if not parameter.buffer:
            params[parameter.owner] += parameter.numel
            trainable[parameter.owner] += parameter.numel * parameter.trainable
            sizes[parameter.owner] += parameter.nbytes
            total.update(dict.fromkeys(_around(parameter.owner), parameter.numel))
    if params[""] and len(total) > 1:
        notes = [*notes, f"{params['']:,} parameters are the model's own, in no row"]
    shared = {alias.rpartition(".")[0] for parameter in found for alias in parameter.aliases}
    rows = tuple(
        ModuleParameters(
            module.path, len(_around(module.path)) - 1, module.type, static_config(module),
            params[module.path], trainable[module.path], sizes[module.path], total[module.path],
            module.path in shared and not params[module.path],
        )
        for module in modules_by_id(loaded.model).values()
    )  # fmt: skip
    return Parameters(
        tool=this_tool(), model=model_of(loaded, class_name(loaded.model)), modules=rows,
        totals=_totals(found), notes=(*loaded.notes, *notes),
    )  # fmt: skip


def _around(path: str) -> list[str]:
    """The paths of a module and of those around it, the model's first."""
    names = path.split(".") if path else []
    return ["", *(".".join(names[:n]) for n in range(1, len(names) + 1))]


def _totals(found: list[Parameter]) -> ParameterTotals:
    parameters = [parameter for parameter in found if not parameter.buffer]
    return ParameterTotals(
        params=sum(p.numel for p in parameters),
        trainable_params=sum(p.numel for p in parameters if p.trainable),
        buffers=sum(p.numel for p in found if p.buffer),
        param_bytes=sum(p.nbytes for p in parameters),
    )
