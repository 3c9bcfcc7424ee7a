"""Live models that `torch.distributed` has wrapped or split: the figures of what was wrapped, no
false note, and the model trains on afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

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


def on_gpu(module: nn.Module) -> nn.Module:
    """`DataParallel` of a model on CUDA, as far as it shows without one."""
    wrapped = nn.DataParallel(module)
    wrapped.device_ids, wrapped.src_device_obj = [0], torch.device("cuda:0")
    return wrapped


def inside(wrap: Callable[[nn.Module], nn.Module]) -> nn.Module:
    net = Net()
    net.b = wrap(net.b)  # type: ignore[assignment]
    return net


ddp = nn.parallel.DistributedDataParallel
WRAPPED: list[tuple[str, Callable[[], nn.Module], str, str]] = [
    ("DistributedDataParallel", lambda: ddp(Net()), "Net", "b.0"),
    ("DataParallel", lambda: nn.DataParallel(Net()), "Net", "b.0"),
    ("of a model on CUDA", lambda: on_gpu(Net()), "Net", "b.0"),
    ("compiled, outside", lambda: torch.compile(ddp(Net())), "Net", "b.0"),
    ("compiled, inside", lambda: on_gpu(torch.compile(Net())), "Net", "b.0"),
    ("both", lambda: on_gpu(ddp(Net())), "Net", "b.0"),
    ("DataParallel inside", lambda: inside(on_gpu), "Net", "b.module.0"),
    ("DistributedDataParallel inside", lambda: inside(ddp), "Net", "b.module.0"),
    ("average", lambda: torch.optim.swa_utils.AveragedModel(Net()), "AveragedModel",
     "module.b.0"),
    ("synchronised norm", lambda: nn.SyncBatchNorm.convert_sync_batchnorm(Net()), "Net", "b.0"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("build", "name", "inner"), [pytest.param(*r[1:], id=r[0]) for r in WRAPPED]
)
def test_a_wrapped_model(build: Callable[[], nn.Module], name: str, inner: str) -> None:
    model = build()
    names = list(model.state_dict())
    analysis = cnnstat.analyze(model, INPUT)
    assert (analysis.totals.params, analysis.totals.macs) == (PARAMS, MACS)
    assert analysis.totals.exact
    assert not analysis.notes
    assert analysis.model.class_name == name
    assert inner in [row.path for row in analysis.layers]
    for lane in ("fake", "cpu"):
        assert cnnstat.analyze(model, INPUT, lane=lane).totals.macs == MACS
    assert cnnstat.analyze(model, INPUT, training=True).totals.params == PARAMS
    assert cnnstat.memory(model, INPUT).peak_bytes > 4 * 4 * PARAMS  # with Adam's two states
    assert list(model.state_dict()) == names
    on_cuda = any(getattr(m, "src_device_obj", None) for m in model.modules())
    is_synchronised = any(isinstance(module, nn.SyncBatchNorm) for module in model.modules())
    if not is_synchronised and not on_cuda and not name.startswith("compiled"):
        for _ in range(2):  # its reducer is as before
            model(torch.randn(INPUT)).sum().backward()


def test_a_wrapped_model_is_measured_and_trained() -> None:
    model = on_gpu(Net())
    assert cnnstat.latency(model, inputs=[INPUT], device="cpu")
    data = (torch.randn(8, 8), torch.arange(8) % 4)
    (run,) = cnnstat.measure(model, data=data, steps=2, device="cpu").runs
    assert run.model.spec == "Net"


def test_wrapped_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "wrapped.py").write_text("""
import torch
from torch import nn


def build():
    net = nn.Sequential(nn.Linear(8, 16), nn.DataParallel(nn.Linear(16, 4)))
    for wrapper in (net[1], whole := nn.DataParallel(net)):
        wrapper.device_ids, wrapper.src_device_obj = [0], torch.device("cuda:0")
    return whole


net = build()
""")
    for name in ("build", "net"):
        for lane in (None, "cpu"):
            analysis = cnnstat.analyze(f"{tmp_path}/wrapped.py:{name}", INPUT, lane=lane)
            assert analysis.totals.macs == 4 * (8 * 16 + 16 * 4)
            assert [r.path for r in analysis.layers] == ["", "0", "1", "1.module"]


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
