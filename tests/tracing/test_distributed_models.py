"""Live models that `torch.distributed` has wrapped or split: the figures of what was wrapped, no
false note, and the model trains on afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh

import cnnstat

PARAMS = 8 * 16 + 16 + 2 * 16 + 16 * 16 + 16 + 16 * 4 + 4
MACS = 4 * (8 * 16 + 16 * 16 + 16 * 4)
INPUT = (4, 8)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(8, 16)
        self.norm = nn.BatchNorm1d(16)
        self.b = nn.Sequential(nn.Linear(16, 16), nn.ReLU())
        self.c = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.c(self.b(self.norm(self.a(x))))


@pytest.fixture(autouse=True, scope="module")
def process_group() -> Iterator[None]:
    """One process, which is a group by itself."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def fully_sharded(**options: bool) -> nn.Module:
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (1,))
    model = Net()
    fully_shard(model.b, mesh=mesh, **options)
    fully_shard(model, mesh=mesh)
    return model


def flattened(use_orig_params: bool = False, model: nn.Module | None = None) -> nn.Module:
    from torch.distributed.fsdp import FullyShardedDataParallel

    model = model or Net()
    options = {"device_id": torch.device("cpu"), "use_orig_params": use_orig_params}
    model.b = FullyShardedDataParallel(model.b, **options)
    return FullyShardedDataParallel(model, **options)


def parallelized() -> nn.Module:
    from torch.distributed.tensor.parallel import ColwiseParallel, parallelize_module

    plan = {"a": ColwiseParallel(), "c": ColwiseParallel()}
    return parallelize_module(Net(), init_device_mesh("cpu", (1,)), plan)


SPLIT = [
    ("fully_shard", fully_sharded, "fully_shard"),
    ("not resharded", lambda: fully_sharded(reshard_after_forward=False), "fully_shard"),
    ("FSDP", flattened, "FullyShardedDataParallel"),
    ("FSDP with parameters", lambda: flattened(True), "FullyShardedDataParallel"),
    ("tensor parallel", parallelized, "DTensor"),
]


@pytest.mark.parametrize(("build", "splitter"), [pytest.param(b, s, id=n) for n, b, s in SPLIT])
def test_a_model_split_over_processes_is_analysed_whole(
    build: Callable[[], nn.Module], splitter: str
) -> None:
    model = build()
    plain = cnnstat.memory(Net(), INPUT)
    for _ in range(2):  # before and after a step of training
        analysis = cnnstat.analyze(model, INPUT)
        assert (analysis.totals.params, analysis.totals.macs) == (PARAMS, MACS)
        assert analysis.totals.exact
        (note,) = analysis.notes
        assert note.startswith(f"the model is split over processes ({splitter}):")
        assert cnnstat.memory(model, INPUT).peak_bytes == plain.peak_bytes
        assert [f.code for f in cnnstat.lint(model, INPUT).findings] == ["CN301"]
        model(torch.randn(INPUT)).sum().backward()


def test_the_class_is_that_of_the_model() -> None:
    rows = cnnstat.analyze(fully_sharded(), INPUT).layers
    assert [row.type for row in rows[:5]] == [
        "Net",
        "Linear",
        "BatchNorm1d",
        "Sequential",
        "Linear",
    ]


WRAPPED = [
    ("DistributedDataParallel", lambda: nn.parallel.DistributedDataParallel(Net()), "module.a"),
    ("DataParallel", lambda: nn.DataParallel(Net()), "module.a"),
    ("average", lambda: torch.optim.swa_utils.AveragedModel(Net()), "module.a"),
    ("synchronised norm", lambda: nn.SyncBatchNorm.convert_sync_batchnorm(Net()), "a"),
]


@pytest.mark.parametrize(("build", "first"), [pytest.param(b, f, id=n) for n, b, f in WRAPPED])
def test_a_wrapped_model(build: Callable[[], nn.Module], first: str) -> None:
    model = build()
    analysis = cnnstat.analyze(model, INPUT)
    assert (analysis.totals.params, analysis.totals.macs) == (PARAMS, MACS)
    assert analysis.totals.exact
    assert not analysis.notes
    assert first in [row.path for row in analysis.layers]
    assert cnnstat.analyze(model, INPUT, training=True).totals.params == PARAMS
    assert cnnstat.memory(model, INPUT).peak_bytes > 4 * 4 * PARAMS  # with Adam's two states
    if not any(isinstance(module, nn.SyncBatchNorm) for module in model.modules()):
        for _ in range(2):  # its reducer is as before
            model(torch.randn(INPUT)).sum().backward()


def test_values_that_are_elsewhere() -> None:
    with pytest.raises(cnnstat.ModelError, match="flattened the parameters into one"):
        cnnstat.analyze(flattened(), INPUT, lane="cpu")
    assert cnnstat.analyze(fully_sharded(), INPUT, lane="cpu").totals.macs == MACS


def test_a_parameter_that_was_shared_before_it_was_flattened() -> None:
    model = Net()
    model.b.append(nn.Linear(16, 16, bias=False))
    model.b[2].weight = model.b[0].weight
    analysis = cnnstat.analyze(flattened(model=model), INPUT)
    assert (analysis.totals.params, analysis.totals.macs) == (PARAMS, MACS + 4 * 16 * 16)
