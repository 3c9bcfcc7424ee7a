"""CN305–CN307 and CN313: settings and kinds of layers that are meant otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from ...inputs import format_shape
from ..edits.layers import of_class, settings, without_last_positional
from ..registry import Edit, Hit, Page, rule
from ..runs import Runs

_EPS = Page(
    what="`eps` of a norm is 0.02 or more.",
    why="The second argument of `nn.BatchNorm2d` is `eps`, not `momentum`: `BatchNorm2d(64, 0.8)` "
    "adds 0.8 to the variance, and `BatchNorm2d(64, 64)` 64. Channels that vary less are hardly "
    "normalised. The default is 0.00001.",
    fires="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16, 0.8), nn.ReLU())
""",
    quiet="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16, momentum=0.2), nn.ReLU()
        )
""",
    decided="The settings of the norms of torch and of classes derived from them.",
    wrong="An `eps` that a paper asks for.",
)
_NORMS = ("BatchNorm", "InstanceNorm", "SyncBatchNorm", "LayerNorm", "GroupNorm", "RMSNorm")


@rule("CN305", "norm-eps", "warning", _EPS)
def norm_eps(runs: Runs) -> Iterator[Hit]:
    for module in runs.eval.modules.values():
        eps = module.settings.get("eps")
        if module.base.startswith(_NORMS) and isinstance(eps, int | float) and eps >= 0.02:
            by_place = module.base.startswith(("BatchNorm", "InstanceNorm"))
            yield Hit(
                path=module.path, at="arguments",
                message="eps of {at} is {eps}" + by_place * ": the second argument is no momentum",
                values={"eps": f"{eps:g}"},
                fix=Edit(
                    text="without it; momentum=… by its name",
                    plan=without_last_positional(module.path, "eps"),
                ) if by_place else None,
            )  # fmt: skip


_MOMENTUM = Page(
    what="`momentum` of a batch norm is 0.5 or more, or 0.",
    why="In torch it is the share of the new batch in the running mean, 0.1 by default; in "
    "TensorFlow and Keras it is that of the old mean, 0.99. `momentum=0.99` in torch keeps 1 % of "
    "the past, so that eval mode depends on the last batch; 0 keeps the first values, 0 and 1.",
    fires="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16, momentum=0.99), nn.ReLU()
        )
""",
    quiet="""\
from torch import nn

example_input = (2, 3, 32, 32)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16, momentum=0.01), nn.ReLU()
        )
""",
    decided="The settings of batch norms with running statistics.",
    wrong="A norm whose statistics are computed anew after training.",
)


@rule("CN306", "norm-momentum", "warning", _MOMENTUM)
def norm_momentum(runs: Runs) -> Iterator[Hit]:
    for module in runs.eval.modules.values():
        share = module.settings.get("momentum")
        keeps = module.settings.get("track_running_stats")
        if not keeps or not isinstance(share, int | float) or 0 < share < 0.5:
            continue
        yield Hit(
            path=module.path, at="arguments",
            message="momentum {share} of {at} keeps {remaining} of the running mean at each batch: "
            "it is the share of the new batch",
            values={"share": f"{share:g}", "remaining": f"{1 - share:.0%}"},
            fix=Edit(
                text=f"momentum={1 - share:g}",
                plan=settings(module.path, {"momentum": float(f"{1 - share:g}")}),
            ) if 0.5 < share < 1 else None,
        )  # fmt: skip


_RNN_DROPOUT = Page(
    what="An LSTM, GRU or RNN of one layer has dropout.",
    why="torch applies it between the layers of a stack, behind each but the last. With one layer "
    "it does nothing.",
    fires="""\
from torch import nn

example_input = (4, 20, 12)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(12, 32, batch_first=True, dropout=0.3)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x, _ = self.lstm(x)
        return self.head(x[:, -1])
""",
    quiet="""\
from torch import nn

example_input = (4, 20, 12)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(12, 32, batch_first=True)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x, _ = self.lstm(x)
        return self.head(self.dropout(x[:, -1]))
""",
    decided="The settings of the layer.",
    wrong="A number of layers that is an argument, with which others are built.",
)


@rule("CN307", "rnn-dropout-no-effect", "warning", _RNN_DROPOUT)
def rnn_dropout(runs: Runs) -> Iterator[Hit]:
    for module in runs.eval.modules.values():
        rate, layers = (module.settings.get(name) for name in ("dropout", "num_layers"))
        if module.base in ("LSTM", "GRU", "RNN") and rate and layers == 1:
            yield Hit(
                path=module.path, at="arguments",
                message="dropout {rate} of {at}, which has one layer, does nothing",
                values={"rate": rate}, fix=Edit(text="nn.Dropout on its output"),
            )  # fmt: skip


_CHANNELS = Page(
    what="A dropout of whole channels gets a tensor without the axes of a map.",
    why="`nn.Dropout2d` drops channels of N×C×H×W. On N×C it drops single values, as `nn.Dropout` "
    "does, and on N×L×C whole steps instead of channels. torch warns of both, and will refuse or "
    "change them.",
    fires="""\
from torch import nn

example_input = (4, 20)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(20, 64), nn.ReLU(), nn.Dropout2d(0.5), nn.Linear(64, 10))
""",
    quiet="""\
from torch import nn

example_input = (4, 20)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10))
""",
    decided="The number of axes that `Dropout2d` and `Dropout3d`, or the functions of these names, "
    "get in train mode: less than N, C and those of the map. With three axes it is a hint.",
    wrong="One example without a batch axis.",
)
_DIMENSIONS = {"Dropout2d": 2, "Dropout3d": 3, "dropout2d": 2, "dropout3d": 3}


@rule("CN313", "channel-dropout-rank", "warning", _CHANNELS)
def channel_dropout(runs: Runs) -> Iterator[Hit]:
    for call in runs.train.calls:
        name = call.module.base if call.module else call.type
        dimensions = _DIMENSIONS.get(name)
        rank = len(call.inputs[0].shape) if call.inputs else 0
        inside = _DIMENSIONS.get(runs.train.calls[call.parent].type) if call.parent else None
        if dimensions is None or not 1 < rank < dimensions + 2 or inside is not None:
            continue
        meant = "Dropout" if rank == 2 else f"Dropout{rank - 2}d"
        yield Hit(
            path=call.path, call=call.call, at="arguments" if call.module else "called",
            message="{name} gets {shape}, no map: it drops "
            + ("single values" if rank == 2 else "along axis 1, which torch will change"),
            severity=None if rank == 2 else "hint",
            values={"name": name, "shape": format_shape(call.inputs[0].shape)},
            fix=Edit(text=f"nn.{meant}", plan=of_class(call.path, meant)) if call.module else None,
        )  # fmt: skip
