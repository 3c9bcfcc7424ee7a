"""`memory --fsdp`: what one rank holds, against real ranks."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import distributed, nn

import cnnstat
from cnnstat.errors import ModelError, UsageError
from cnnstat.tracing.training_step.sharding_units import units_of
from tests.ranks import Job, peaks

RESNET = (2, 1, 64, 64)
JOBS = [
    Job("lenet", (8, 1, 28, 28), ()),
    Job("nin", (2, 1, 96, 96), ("block2", "block3"), "sgd", torch.bfloat16, ("block1", "block3")),
    Job("resnet18", RESNET, ("conv2_x.block1", "conv4_x", "conv4_x.block1"), "adamw",
        checkpointed=("conv3_x.block1",)),
    Job("resnet18", RESNET, ("conv5_x",), None),
    Job("nin", (2, 1, 96, 96), ("block1", "block3"), "momentum", accumulate=2),
]  # fmt: skip


def predicted(job: Job, ranks: int) -> cnnstat.Memory:
    return cnnstat.memory(
        job.spec, job.shape, device="cpu", fsdp=ranks, fsdp_units=job.units,
        optimizer=job.optimizer or "sgd", inference=job.optimizer is None,
        checkpoint=job.checkpointed, accumulate=job.accumulate,
        precision="bf16" if job.lower else "fp32",
    )  # fmt: skip


def test_a_rank_holds_what_a_real_one_holds():
    ranks = 3  # few dimensions divide
    assert [predicted(job, ranks).peak_bytes for job in JOBS] == peaks(JOBS, ranks)


def test_kinds_of_one_linear_layer():
    # 10 → 6 over 4 ranks: 2 rows of 10 and 2 numbers of the bias on the first; the last has none
    step = cnnstat.memory(nn.Linear(10, 6), (1, 10), device="cpu", fsdp=4, optimizer="momentum")
    shard = 4 * (2 * 10 + 2)
    gathered = 4 * shard  # padding included

    def most(kind: str, phase: str) -> int:
        return max(getattr(m.held, kind) for m in step.timeline if m.phase == phase)

    assert {moment.held.parameters for moment in step.timeline} == {shard}
    assert most("gathered", "forward") == 2 * gathered  # the exchange's buffer, and what it is for
    assert most("gathered", "loss") == gathered  # the model itself stays gathered until backward
    assert most("buckets", "backward") == gathered
    assert most("gathered", "optimizer") == most("buckets", "optimizer") == 0
    assert most("gradients", "optimizer") == shard
    assert most("optimizer_state", "optimizer") == shard


def test_what_is_gathered_in_another_dtype_is_told():
    told = cnnstat.memory("nin", fsdp=2, precision="bf16").notes
    assert any("gathered in bfloat16, gradients reduced in float32" in note for note in told)
    told = cnnstat.memory("nin", fsdp=2, precision="bf16-true").notes
    assert not any("gathered in" in note for note in told)


def test_more_ranks_hold_less_of_what_is_sharded():
    two, eight = (
        cnnstat.memory("resnet18", RESNET, fsdp=ranks, optimizer="adamw") for ranks in (2, 8)
    )
    plain = cnnstat.memory("resnet18", RESNET, optimizer="adamw")
    assert eight.peak_bytes < two.peak_bytes < plain.peak_bytes
    assert two.peak.held.gathered > 0
    assert plain.fsdp is None
    assert (two.fsdp.ranks, eight.fsdp.ranks) == (2, 8)


def test_blocks_are_the_units():
    def composite() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    class Inner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = composite()

    class Stage(nn.Module):
        """Of repeated blocks, with a layer of its own."""

        def __init__(self, last: nn.Module) -> None:
            super().__init__()
            self.blocks = nn.ModuleList([Inner(), Inner()])
            self.last = last

    class Bottleneck(nn.Module):
        """Of two lists of layers, as torchvision's convolutions with a norm."""

        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Sequential(composite(), composite())

    class Block(nn.Module):
        """Of two that differ, as T5's."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.ModuleList([composite(), nn.MultiheadAttention(4, 1)])

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(composite() for _ in range(2))
            self.stages = nn.Sequential(nn.Sequential(composite(), composite()), nn.ReLU())
            self.head = composite()
            self.nothing = nn.ModuleList([nn.Sequential(nn.ReLU())])
            self.deep = nn.ModuleList([Stage(nn.Linear(4, 4)), Stage(nn.Identity()), Block(),
                                       Bottleneck()])  # fmt: skip

    expected = ("layers.0", "layers.1", "stages.0.0", "stages.0.1",
                "deep.0", "deep.0.blocks.0", "deep.0.blocks.1", "deep.1.blocks.0",
                "deep.1.blocks.1", "deep.2", "deep.3")  # fmt: skip
    assert units_of(Encoder(), ()) == expected
    assert units_of(Encoder(), ("layers.*", "head")) == ("layers.0", "layers.0.0", "layers.1",
                                                         "layers.1.0", "head")  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "units"),
    [("lenet", 0), ("nin", 4), ("resnet18", 8), ("torchvision:swin_t", 12 + 1 + 3),
     ("torchvision:mobilenet_v3_large", 17), ("torchvision:googlenet", 45),
     ("torchvision:vit_b_16", 12), ("densenet121", 58 + 3)],
)  # fmt: skip
def test_units_of_known_networks(spec, units):
    step = cnnstat.memory(spec, fsdp=2, inference=True)
    assert len(step.fsdp.units) == units


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(x))


class Reaching(Tied):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 4, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(self.embed(x), self.head.weight)


class Scalar(Tied):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))


@pytest.mark.parametrize(
    ("model", "options", "error", "said"),
    [
        (Tied, {"fsdp_units": ["head"]}, UsageError,
         "head.weight and embed.weight are one parameter"),
        (Reaching, {"fsdp_units": ["head"]}, ModelError, "used outside of it"),
        (Scalar, {}, ModelError, "doesn't support scalar parameters"),
        (Tied, {"fsdp_units": ["body"]}, UsageError, "'body' fits no module"),
        (lambda: nn.ModuleDict({"list": nn.ModuleList([nn.Linear(4, 4)])}),
         {"fsdp_units": ["list"]}, UsageError, "list is a ModuleList, which is never called"),
        (lambda: nn.Sequential(nn.BatchNorm1d(4)), {"precision": "bf16"}, UsageError,
         "0 is a BatchNorm1d"),
        (Tied, {"precision": "fp16"}, UsageError, 'precision="bf16"'),
        (Tied, {"ddp": True}, UsageError, "either copied"),
        (Tied, {"fsdp": 1}, UsageError, "it takes two"),
        (Tied, {"fsdp": None, "fsdp_units": ["head"]}, UsageError, "fsdp=8"),
    ],
)  # fmt: skip
def test_what_cannot_be_sharded_is_said(model, options, error, said):
    with pytest.raises(error, match=said):
        cnnstat.memory(model(), (2, 4), **{"fsdp": 2, **options})


def test_nothing_is_left_behind():
    hook, model = sys.excepthook, Tied()
    cnnstat.memory(model, (2, 4), fsdp=2)
    with pytest.raises(UsageError):
        cnnstat.memory(model, (2, 4), fsdp=2, fsdp_units=["head"])
    assert sys.excepthook is hook
    assert not distributed.is_initialized()
    assert not hasattr(torch, "meta")
    assert type(model) is Tied
    assert isinstance(model.embed.weight, nn.Parameter)


def test_a_process_that_is_a_rank_itself():
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        with pytest.raises(UsageError, match="one of several ranks"):
            cnnstat.memory("lenet", (2, 1, 28, 28), fsdp=2)
    finally:
        distributed.destroy_process_group()


def test_a_torch_with_another_fsdp(monkeypatch):
    monkeypatch.delattr(torch.distributed.fsdp._fully_shard._fsdp_param, "free_storage")
    with pytest.raises(UsageError, match="is not the one known here"):
        cnnstat.memory("lenet", (2, 1, 28, 28), fsdp=2)
    assert not distributed.is_initialized()
