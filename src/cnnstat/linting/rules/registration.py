"""CN101, CN103, CN104: layers that `nn.Module` does not register, or registers twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from torch.nn.parameter import is_lazy

from ...tracing.structure.modules import modules_of
from ...tracing.structure.unregistered import ModuleContainer, module_lists
from ..edits.statements import created_each, in_constructor, in_module_list
from ..registry import Edit, Hit, Page, rule
from ..runs import Runs

_UNREGISTERED = Page(
    what="A layer or a parameter is in a plain Python list, tuple, dict or set.",
    why="`nn.Module` looks at its attributes only, not inside of them: such parameters are in no "
    "`parameters()`, so no optimizer trains them, no `state_dict()` saves them and no `.to(device)`"
    " moves them.",
    fires="""\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(20, 32)
        self.hidden = [nn.Linear(32, 32) for _ in range(3)]

    def forward(self, x):
        x = self.first(x)
        for layer in self.hidden:
            x = layer(x).relu()
        return x
""",
    quiet="""\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(20, 32)
        self.hidden = nn.ModuleList(nn.Linear(32, 32) for _ in range(3))

    def forward(self, x):
        x = self.first(x)
        for layer in self.hidden:
            x = layer(x).relu()
        return x
""",
    decided="The attributes of every module are searched, through lists, tuples, dicts and sets, "
    "for modules with parameters and for parameters that `model.modules()` and "
    "`model.parameters()` do not contain. Modules of TorchScript are not searched.",
    wrong="A model that hides a second network on purpose, such as a frozen teacher or a moving "
    "average, which is to be neither trained nor saved with it.",
)


@rule("CN101", "unregistered-module", "error", _UNREGISTERED)
def unregistered_module(runs: Runs) -> Iterator[Hit]:
    containers = list(module_lists(runs.model))
    for found in containers:
        path = f"{found.owner}.{found.attribute}" if found.owner else found.attribute
        yield Hit(
            path=path,
            message="`{attribute}` is a plain {container}: {params} parameters of {described} are "
            "not trained, saved or moved",
            values={
                "attribute": path, "container": found.container, "described": found.described,
            },
            params=found.params,
            severity=None if found.is_trainable else "hint",
            fix=_registered(found),
        )  # fmt: skip
    listed = Counter(_layers_with_parameters(containers))
    for layer in runs.eval.unregistered:
        if listed[layer.type, layer.params]:  # of another instance of the model
            listed[layer.type, layer.params] -= 1
        elif layer.path not in runs.created_in_forward:
            yield Hit(
                path=layer.path,
                message="{at} is no attribute of a module: its {params} parameters are not "
                "trained, saved or moved",
                params=layer.params,
                at="called",
            )


def _layers_with_parameters(
    containers: Iterable[ModuleContainer],
) -> Iterator[tuple[str, int]]:
    """The class of each layer in the containers with its own parameters, and their number."""
    layers = {id(m): m for found in containers for x in found.modules for m in modules_of(x)}
    for layer in layers.values():
        params = [p for p in layer._parameters.values() if p is not None and not is_lazy(p)]
        if params:
            yield type(layer).__name__, sum(p.numel() for p in params)


def _registered(found: ModuleContainer) -> Edit | None:
    if found.container not in ("list", "tuple", "dict"):
        return None
    kind = "Dict" if found.container == "dict" else "List"
    container = f"{'Module' if found.modules else 'Parameter'}{kind}"
    text = f"self.{found.attribute} = nn.{container}(…)"
    return Edit(text=text, plan=in_module_list(found.owner, found.attribute, container))


_CREATED = Page(
    what="A layer with parameters is created in `forward`.",
    why="Its weights are new and random in every call: nothing that it learns is kept, and the "
    "optimizer does not have them.",
    fires="""\
from torch import nn

example_input = (2, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(16, 16)

    def forward(self, x):
        x = self.first(x).relu()
        return nn.Linear(16, 10)(x)
""",
    quiet="""\
from torch import nn

example_input = (2, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(16, 16)
        self.second = nn.Linear(16, 10)

    def forward(self, x):
        x = self.first(x).relu()
        return self.second(x)
""",
    decided="The run calls a module with parameters that is no part of the model, and that was "
    "created during the run.",
    wrong="A fixed random projection that is meant to change with every call.",
)


@rule("CN103", "layer-created-in-forward", "error", _CREATED)
def layer_created_in_forward(runs: Runs) -> Iterator[Hit]:
    for layer in runs.eval.unregistered:
        if frames := runs.created_in_forward.get(layer.path):
            yield Hit(
                path=layer.path,
                message="{type} is created in every forward: its {params} parameters are new each "
                "time",
                values={"type": layer.type},
                params=layer.params,
                place=frames[0],
                fix=Edit(text="create it in __init__", plan=in_constructor(frames[0])),
            )


_REPEATED = Page(
    what="One layer is in a `ModuleList` or `Sequential` several times.",
    why="`[layer] * 3` repeats the reference, not the layer: all entries share their weights, so "
    "the network has a third of the parameters that it seems to have.",
    fires="""\
from torch import nn

example_input = (2, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*[nn.Linear(16, 16), nn.ReLU()] * 3)

    def forward(self, x):
        return self.layers(x)
""",
    quiet="""\
from torch import nn

example_input = (2, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        blocks = [(nn.Linear(16, 16), nn.ReLU()) for _ in range(3)]
        self.layers = nn.Sequential(*[layer for block in blocks for layer in block])

    def forward(self, x):
        return self.layers(x)
""",
    decided="Entries of one `ModuleList` or `Sequential` are the same object and have parameters.",
    wrong="Weights that are shared on purpose, as in ALBERT or in a detector whose heads are one.",
)


@rule("CN104", "one-layer-repeated", "warning", _REPEATED)
def one_layer_repeated(runs: Runs) -> Iterator[Hit]:
    modules = runs.eval.modules
    owners = {parameter.owner for parameter in runs.eval.parameters if not parameter.buffer}
    for module in modules.values():
        parent, _, _ = module.path.rpartition(".")
        around = modules.get(parent)
        names = [path for path in (module.path, *module.aliases)
                 if path.rpartition(".")[0] == parent]  # fmt: skip
        inside = f"{module.path}."
        has_parameters = any(o == module.path or o.startswith(inside) for o in owners)
        if len(names) < 2 or around is None or not has_parameters:
            continue
        if around.library and around.base in ("ModuleList", "Sequential"):
            yield Hit(
                path=parent,
                message="{entries} of {parent} are one {type}: they share their {params} "
                "parameters",
                values={
                    "entries": _listed([name.rpartition(".")[2] for name in names]),
                    "parent": parent, "type": module.type,
                },
                fix=Edit(
                    text="create the layer anew for each entry",
                    plan=created_each(*_owner_and_name(parent)),
                ),
                params=sum(
                    p.numel for p in runs.eval.parameters
                    if not p.buffer and (p.owner == module.path or p.owner.startswith(inside))
                ),
            )  # fmt: skip


def _owner_and_name(path: str) -> tuple[str, str]:
    owner, _, name = path.rpartition(".")
    return owner, name


def _listed(entries: list[str]) -> str:
    """`0, 2 and 4`; `0 to 11` for many in a row."""
    numbers = [int(entry) for entry in entries if entry.isdecimal()]
    if len(entries) > 3 and numbers == list(range(numbers[0], numbers[0] + len(entries))):
        return f"{numbers[0]} to {numbers[-1]}"
    return f"{', '.join(entries[:-1])} and {entries[-1]}"
