"""timm's models: a fixed sample against torch's counter (benchmarks/accuracy.py runs all)."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import cnnstat
from cnnstat.cli.main import run
from cnnstat.models import timm as timm_models

timm = timm_models.package()

SAMPLE = [
    "resnet18", "mobilenetv3_small_050", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224",
    "convnext_atto", "efficientnet_b0", "mixer_s32_224", "xcit_nano_12_p16_224", "coat_lite_tiny",
    "volo_d1_224", "regnetx_002", "levit_128s", "vit_small_patch16_rope_mixed_224",
]  # fmt: skip


@pytest.mark.parametrize("name", SAMPLE)
def test_against_torchs_counter(name: str) -> None:
    analysis = cnnstat.analyze(f"timm:{name}")
    model = timm.create_model(name).eval()  # as its users build it, with values
    assert analysis.totals.params == sum(p.numel() for p in model.parameters())
    (given,) = analysis.inputs
    assert given.shape == (1, *model.default_cfg["input_size"])
    with FlopCounterMode(display=False) as counter:
        model.to("meta")(torch.empty(given.shape, device="meta"))
    assert analysis.totals.macs == counter.get_total_flops() / 2
    assert analysis.totals.exact
    assert (analysis.lane, analysis.model.source) == ("meta", "timm")


def test_arguments_make_the_default_input() -> None:
    chosen = {"img_size": 64, "in_chans": 1, "num_classes": 5}
    analysis = cnnstat.analyze("timm:vit_tiny_patch16_224", arguments=chosen)
    assert analysis.inputs[0].shape == (1, 1, 64, 64)
    assert analysis.layers[0].outputs == ((1, 5),)


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("timm:resnet5", 2, ["timm has no model 'resnet5'", "did you mean timm:resnet50"]),
        ("timm:hf-hub:timm/resnet50", 2, ["timm has no model 'hf-hub:timm/resnet50'"]),
        ("timm:resnet18 --arg widht=3", 1, ["cannot be built with widht=3", "widht"]),
    ],
)
def test_refusals(capsys, line: str, status: int, says: list[str]) -> None:
    assert run(["shapes", *line.split()]) == status
    printed = capsys.readouterr().err
    assert all(text in printed for text in says)


def test_without_timm(capsys, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    assert run(["shapes", "timm:resnet18"]) == 1
    assert "pip install 'cnnstat[timm]'" in capsys.readouterr().err


def test_a_tag_of_weights_may_be_named(capsys) -> None:
    assert run(["shapes", "timm:resnet18.a1_in1k", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["params"] == 11_689_512
