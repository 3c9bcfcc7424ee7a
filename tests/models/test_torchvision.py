"""torchvision's models: the figures that torchvision publishes with its weights, and the extra."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import cnnstat
from cnnstat.analysis.results import Analysis
from cnnstat.cli.main import run
from cnnstat.models import torchvision_import as vision_operators

# One or two of each family; benchmarks/accuracy.py runs all of them.
SAMPLE = [
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet",
    "inception_v3", "maxvit_t", "mnasnet0_5", "mobilenet_v3_small", "regnet_x_400mf",
    "regnet_y_400mf", "resnet50", "resnext50_32x4d", "shufflenet_v2_x1_0", "squeezenet1_1",
    "swin_t", "swin_v2_t", "vgg16_bn", "vit_b_16", "vit_h_14", "wide_resnet50_2",
]  # fmt: skip


def published(name: str, side: int) -> tuple[int, float]:
    """Parameters and GMACs of the weights that were tested at this size."""
    for weights in vision_operators.torchvision().models.get_model_weights(name):
        if weights.transforms().crop_size == [side]:
            return weights.meta["num_params"], weights.meta["_ops"]
    raise AssertionError(f"no weights of {name} at {side}")


@pytest.mark.parametrize("name", SAMPLE)
def test_published_figures(name: str) -> None:
    analysis = cnnstat.analyze(f"torchvision:{name}")
    params, gmacs = published(name, analysis.inputs[0].shape[-1])
    assert analysis.totals.params == params
    assert round(analysis.totals.macs / 1e9, 3) == gmacs
    assert analysis.totals.exact
    assert analysis.model.source == "torchvision"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("resnet18", "resnet18"), ("resnet50", "resnet50"), ("vgg16", "vgg16"),
     ("vgg11-bn", "vgg11_bn"), ("densenet121", "densenet121")],
)  # fmt: skip
def test_zoo_is_the_same_network(ours: str, theirs: str) -> None:
    a, b = cnnstat.analyze(ours), cnnstat.analyze(f"torchvision:{theirs}")
    assert (a.totals.params, a.totals.macs) == (b.totals.params, b.totals.macs)


def test_arguments_and_input() -> None:
    analysis = cnnstat.analyze("torchvision:resnet18", "1,3,64,64", arguments={"num_classes": 10})
    assert analysis.layers[0].outputs == ((1, 10),)
    assert analysis.totals.params == 11_689_512 - (512 * 990 + 990)


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a download was tried")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    cnnstat.analyze("torchvision:resnet18")


OTHER_TASKS = [
    "fcn_resnet50", "lraspp_mobilenet_v3_large", "r3d_18", "mvit_v2_s", "raft_small",
    "quantized_mobilenet_v2", "fcos_resnet50_fpn", "retinanet_resnet50_fpn_v2",
    "ssdlite320_mobilenet_v3_large", "fasterrcnn_resnet50_fpn",
]  # fmt: skip


@pytest.mark.parametrize("name", OTHER_TASKS)
def test_published_figures_of_other_tasks(name: str) -> None:
    analysis = cnnstat.analyze(f"torchvision:{name}")
    published = vision_operators.torchvision().models.get_model_weights(name).DEFAULT.meta
    assert analysis.totals.params == published["num_params"]
    assert round(analysis.totals.macs / 1e9, 3) == published["_ops"]
    assert analysis.lane == "meta"


# GMACs published for one image: the part that is fixed, and as many boxes as it gave.
BOXES = [
    ("fasterrcnn_mobilenet_v3_large_320_fpn", {}),  # none
    ("fasterrcnn_mobilenet_v3_large_fpn", {}),
    ("maskrcnn_resnet50_fpn", {1000: 1000}),  # all proposals, no detection
    ("keypointrcnn_resnet50_fpn", {1000: 1000, 100: 1}),
]


@pytest.mark.parametrize(("name", "kept"), BOXES)
def test_published_figures_follow_from_the_factors(name: str, kept: dict[int, int]) -> None:
    totals = cnnstat.analyze(f"torchvision:{name}").totals
    published = vision_operators.torchvision().models.get_model_weights(name).DEFAULT.meta
    factors = {part.rows: part.macs_per_row for part in totals.bounded.parts}
    macs = totals.bounded.fixed_macs + sum(factors[rows] * n for rows, n in kept.items())
    assert round(macs / 1e9, 3) == published["_ops"]
    assert totals.params == published["num_params"]
    assert not totals.exact


def test_images_of_any_size_for_a_detector() -> None:
    spec = "torchvision:ssd300_vgg16"
    analysis = cnnstat.analyze(spec, (3, 200, 300), (3, 100, 100))
    assert [i.shape for i in analysis.inputs] == [(3, 200, 300), (3, 100, 100)]
    assert analysis.totals.bounded.fixed_macs == 2 * cnnstat.analyze(spec).totals.bounded.fixed_macs


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("torchvision:resnet5", 2, ["no model 'resnet5'", "did you mean torchvision:resnet50"]),
        ("torchvision:", 2, ["no model ''"]),
        ("torchvision:resnet18 --arg widht=3", 1, ["cannot be built with widht=3", "widht"]),
    ],
)
def test_refusals(capsys, line: str, status: int, says: list[str]) -> None:
    assert run(["shapes", *line.split()]) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    for text in says:
        assert text in printed.err


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)  # as if it were not installed
    assert run(["shapes", "torchvision:resnet18"]) == 1
    assert "pip install 'cnnstat[torchvision]'" in capsys.readouterr().err


@pytest.mark.parametrize("spec", ["torchvision:resnet18", "torchvision:ssd300_vgg16",
                                  "timm:naflexvit_base_patch16_gap"])  # fmt: skip
def test_the_quick_import_changes_nothing(spec: str) -> None:
    command = [sys.executable, "-m", "cnnstat", "shapes", spec, "--format", "json"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    plain = cnnstat.analyze(spec)  # by the plain import of this process
    assert msgspec.json.decode(printed, type=Analysis) == plain


def test_deformable_convolution_in_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "deformed.py"
    file.write_text(
        "from torch import nn\nfrom torchvision.ops import DeformConv2d, roi_align\n"
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.offset = nn.Conv2d(3, 18, 3, padding=1)\n"
        "        self.conv = DeformConv2d(3, 4, 3, padding=1)\n"
        "    def forward(self, x):\n        return self.conv(x, self.offset(x))\n"
    )
    found = cnnstat.analyze(f"{file}:Net", (1, 3, 8, 8))
    assert found.lane == "meta"
    assert found.totals.macs == 64 * 18 * 27 + 64 * 4 * 27
    assert found.layers[0].outputs == ((1, 4, 8, 8),)
