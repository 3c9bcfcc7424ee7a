"""What `explain` says of a layer: its formulas give its figures, and the figures are the analysis'.

Every formula is read back and worked out here, once with its letters and once with its numbers.
"""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil, floor

import msgspec
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from torch import nn

import cnnstat
from cnnstat import pipeline
from cnnstat.cli.main import run as run_command
from cnnstat.errors import ModelError, UsageError
from cnnstat.explanation.explainer import Explainer
from cnnstat.explanation.restored import explain_saved
from cnnstat.explanation.results import Explanation
from cnnstat.models.zoo.catalog import CATALOG
from cnnstat.render import render
from cnnstat.run_config import ModelRequest, RunConfig
from tests.networks import Function
from tests.test_random_trees import trees

SIGNS = {"−": "-", "·": "*", "⌊": "floor(", "⌈": "ceil(", "⌋": ")", "⌉": ")"}
FIGURES = ("params", "macs", "other_ops", "activation_bytes")


def worked_out(text, letters):
    """The value of a formula as a person reads it: ⌊(224 + 2 · 3 − 11) / 4⌋ + 1."""
    assert re.fullmatch(r"[\w\s()⌊⌋⌈⌉+−·/.,]+", text), text
    code = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    code = re.sub(r"\d+(?:\.\d+)?", lambda number: f"Fraction('{number[0]}')", code)
    code = code.translate({ord(sign): meant for sign, meant in SIGNS.items()})
    names = {"Fraction": Fraction, "floor": floor, "ceil": ceil}
    # `in` is a word of Python's
    code = re.sub(r"\bin\b", "in_", code)
    values = {("in_" if n == "in" else n): Fraction(v) for n, v in letters.items()}
    return eval(code, names | values)


def by_axes(steps):
    """What steps say of each axis, in order."""
    sizes = {}
    for step in steps:
        for place, axis in enumerate(step.axes):
            assert axis not in sizes, f"two lines for dimension {axis}"
            sizes[axis] = (
                step.result[place] if isinstance(step.result, (list, tuple)) else step.result
            )
    return tuple(sizes[axis] for axis in sorted(sizes))


def check(explanation):
    """Every line gives its result, and the results are the figures of the row."""
    row = explanation.layer
    for step in explanation.steps:
        if step.numbers is not None:
            assert worked_out(step.numbers, {}) == Fraction(step.result), step
        if step.formula is not None:
            assert step.letters
            assert worked_out(step.formula, step.letters) == Fraction(step.result), step
        assert step.letters.keys() <= explanation.letters.keys()
    of = {f: [s for s in explanation.steps if s.figure == f] for f in (*FIGURES, "output")}
    assert by_axes(of["output"]) == (row.outputs[0] if row.outputs else ()), row.path
    for figure in FIGURES:
        parts = [step.result for step in of[figure] if not step.is_sum]
        assert sum(parts) == getattr(row, figure), (row.path, figure)
        added = [s for s in of[figure] if s.remark is None or not s.remark.startswith("shared")]
        if len(added) > 1:
            assert added[-1].result == sum(parts)
    for figure in ("receptive_field", "stride"):
        steps = [s for s in explanation.steps if s.figure == figure]
        assert by_axes(steps) == (getattr(row, figure) or ()), (row.path, figure)
    check_recursion(explanation)
    children = [child.total for child in explanation.children]
    if children:
        for figure in FIGURES:
            parts = [getattr(t, figure) for t in children]
            assert sum(parts) + getattr(row, figure) == getattr(row.total, figure)


def check_recursion(explanation):
    before = None
    for step in explanation.recursion:
        if before is not None:
            assert (step.field_before, step.jump_before) == (before.field_after, before.jump_after)
        before = step
        if step.remark is not None:
            continue
        sizes = zip(step.field_before, step.kernel, step.dilation, step.jump_before, strict=True)
        assert step.field_after == tuple(r + (k - 1) * d * j for r, k, d, j in sizes)
        jumps = zip(step.jump_before, step.stride, strict=True)
        assert step.jump_after == tuple(j * s for j, s in jumps)
    if before is not None:
        assert before.field_after == explanation.layer.receptive_field
        assert before.jump_after == explanation.layer.stride


def check_formulas(explanation):
    """Convolutions, pooling and linear layers are worked out, not only stated."""
    row, steps = explanation.layer, explanation.steps
    if explanation.children or not row.macs:
        return
    assert all(
        s.formula for s in steps if s.figure in ("params", "macs") and s.numbers and not s.is_sum
    ), row.path
    if row.window is not None:
        assert any(s.formula for s in steps if s.figure == "output"), row.path


def explained_rows(model, *inputs, **options):
    """The explanation of every row of a model."""
    run = pipeline.run_model(
        pipeline.load_model(ModelRequest(model, inputs)), RunConfig("eval", None, **options)
    )
    explainer = Explainer(run.trace, run.analysis)
    return [explainer.of(row) for row in run.analysis.layers]


@pytest.mark.parametrize("name", CATALOG)
def test_every_layer_of_the_built_in_networks(name):
    for explanation in explained_rows(name):
        check(explanation)
        check_formulas(explanation)


@pytest.mark.parametrize(
    "spec",
    ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "vit_b_16", "swin_t", "r3d_18"],
)
def test_every_layer_of_torchvision_models(spec):
    for explanation in explained_rows(f"torchvision:{spec}"):
        check(explanation)
        check_formulas(explanation)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[*HealthCheck])
@given(trees())
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_layer_of_random_trees(drawn):
    tree, x = drawn
    for explanation in explained_rows(tree, x):
        check(explanation)


def steps_of(module, shapes, layer="", figure="output"):
    """(name, formula, numbers, result) of one figure."""
    explanation = cnnstat.explain(module, layer, *shapes)
    check(explanation)
    return [
        (s.name, s.formula, s.numbers, s.result)
        for s in explanation.steps if s.figure == figure
    ]  # fmt: skip


WINDOWS = [
    # dilated by 2: the window spans 2 · (3 − 1) + 1 = 5
    (nn.Conv2d(3, 4, 3, dilation=2), (1, 3, 9, 9),
     "height, width", "⌊(9 + 2 · 0 − 2 · (3 − 1) − 1) / 1⌋ + 1", 5),
    (nn.Conv1d(3, 4, 5, stride=2, padding=2), (1, 3, 9),
     "length", "⌊(9 + 2 · 2 − 5) / 2⌋ + 1", 5),
    (nn.Conv3d(1, 4, 3), (1, 1, 4, 5, 6), "depth", "⌊(4 + 2 · 0 − 3) / 1⌋ + 1", 2),
    (nn.ConvTranspose2d(3, 4, 3, 2, 1, 1), (1, 3, 5, 5),
     "height, width", "(5 − 1) · 2 + 3 + 1 − 2 · 1", 10),
    (nn.MaxPool2d(3, 2), (1, 3, 8, 8), "height, width", "⌊(8 + 2 · 0 − 3) / 2⌋ + 1", 3),
    (nn.MaxPool2d(3, 2, ceil_mode=True), (1, 3, 8, 8),
     "height, width", "⌈(8 + 2 · 0 − 3) / 2⌉ + 1", 4),
    # the fourth window would begin at 6, where the 5 + 1 padded rows end
    (nn.AvgPool1d(2, 2, 1, ceil_mode=True), (1, 3, 5),
     "length", "⌈(5 + 2 · 1 − 2) / 2⌉ + 1 − 1", 3),
    (nn.Conv1d(3, 4, 4, padding="same"), (1, 3, 9), "padded length", "9 + 1", 10),
]  # fmt: skip


@pytest.mark.parametrize(("module", "shape", "name", "numbers", "result"), WINDOWS, ids=str)
def test_output_sizes_of_windows(module, shape, name, numbers, result):
    found = {step[0]: step[2:] for step in steps_of(module, [shape])}
    assert found[name] == (numbers, result)


OUTPUTS = [
    (nn.Flatten(), [(1, 256, 6, 6)], "dimension 1", "256 · 6 · 6", 9216),
    (Function(lambda x: x.view(2, 3, 4, 5)), [(2, 12, 5)], "dimensions 1 to 2", None, (3, 4)),
    (Function(lambda x, y: torch.cat([x, y], 1)), [(1, 3, 4, 4), (1, 5, 4, 4)],
     "channels", "3 + 5", 8),
    (Function(lambda x: F.pad(x, (1, 2))), [(1, 3, 4)], "dimension 2", "4 + 3", 7),
    (Function(lambda x: F.interpolate(x, scale_factor=1.5)), [(1, 3, 5)], "length", "⌊5 · 1.5⌋", 7),
    (Function(lambda x: x.t()), [(2, 3)], "all", None, (3, 2)),
    (nn.LSTM(3, 4, bidirectional=True), [(5, 2, 3)], "features", "2 · 4", 8),
    (Function(lambda x, y: x @ y), [(2, 3, 4), (2, 4, 5)], "columns", None, 5),
    (nn.AdaptiveAvgPool2d(1), [(1, 3, 7, 7)], "height", None, 1),
    (Function(lambda x, y: x + y), [(2, 1, 4), (3, 1)], "all", None, (2, 3, 4)),
    (Function(lambda x, m, v: F.batch_norm(x, m, v)), [(2, 3, 4), (3,), (3,)],
     "all", None, (2, 3, 4)),
]  # fmt: skip


@pytest.mark.parametrize(("module", "shapes", "name", "numbers", "result"), OUTPUTS)
def test_output_sizes_of_other_layers(module, shapes, name, numbers, result):
    layer = "" if not isinstance(module, Function) else _only_function(module, shapes)
    found = {step[0]: step[2:] for step in steps_of(module, shapes, layer)}
    assert found[name] == (numbers, result)


ORDERS = [
    (Function(lambda x: x.t()), (2, 3), "1, 0"),
    (Function(lambda x: x.transpose(-1, 0)), (2, 3, 4), "2, 1, 0"),
    (Function(lambda x: x.permute(0, -1, 1)), (2, 3, 4), "0, 2, 1"),
]


@pytest.mark.parametrize(("module", "shape", "order"), ORDERS)
def test_reordered_dimensions(module, shape, order):
    explanation = cnnstat.explain(module, _only_function(module, [shape]), shape)
    remarks = [step.remark for step in explanation.steps]
    assert f"the input's dimensions in the order {order}" in remarks


def _only_function(module, shapes):
    (row,) = cnnstat.analyze(module, *shapes).layers[1:]
    return row.path


COSTS = [
    # grouped: each filter meets 8 / 4 channels
    (nn.Conv2d(8, 8, 3, groups=4), [(1, 8, 6, 6)], "macs",
     [("weight", "1 · 4 · 4 · 8 · (8 / 4) · 3 · 3", 2304)]),
    # transposed: each input position meets every weight
    (nn.ConvTranspose2d(2, 3, 3, 2), [(1, 2, 4, 4)], "macs",
     [("weight", "1 · 4 · 4 · 2 · 3 · 3 · 3", 864)]),
    (nn.Linear(3, 4), [(2, 5, 3)], "macs", [("weight", "2 · 5 · 3 · 4", 120)]),
    (nn.LSTM(3, 4, proj_size=2), [(5, 2, 3)], "macs",
     [("layer 1", "5 · 2 · (4 · 4 · 3 + 4 · 4 · 2 + 2 · 4)", 880)]),
    (nn.MultiheadAttention(6, 2), [(5, 1, 6)] * 3, "macs",
     [("in_proj_weight, 3 times", "3 · 5 · 6 · 6", 540), ("scores, q · kᵀ", "2 · 5 · 3 · 5", 150),
      ("scores · v", "2 · 5 · 5 · 3", 150), ("out_proj.weight", "5 · 6 · 6", 180),
      ("sum", "540 + 150 + 150 + 180", 1020)]),
    (nn.Conv2d(8, 8, 3, groups=4), [(1, 8, 6, 6)], "params",
     [("weight", "8 · (8 / 4) · 3 · 3", 144), ("bias", "8", 8), ("sum", "144 + 8", 152)]),
    (nn.GRU(3, 4, bias=False), [(5, 2, 3)], "params",
     [("weight_ih_l0", "3 · 4 · 3", 36), ("weight_hh_l0", "3 · 4 · 4", 48),
      ("sum", "36 + 48", 84)]),
    (nn.Embedding(10, 4), [torch.zeros(2, 3, dtype=torch.int64)], "params",
     [("weight", "10 · 4", 40)]),
    (nn.BatchNorm2d(3).eval(), [(1, 3, 4, 4)], "other_ops",
     [("native_batch_norm", "1 · 3 · 4 · 4 · 2", 96)]),
    (nn.MaxPool2d(3, 2), [(1, 3, 8, 8)], "other_ops",
     [("max_pool2d", "1 · 3 · 3 · 3 · 3 · 3", 243)]),
    (nn.AdaptiveAvgPool2d((3, 2)), [(1, 3, 6, 6)], "other_ops",  # windows of 2 × 3
     [("adaptive_avg_pool2d", "1 · 3 · 3 · 2 · 2 · 3", 108)]),
    (nn.AdaptiveAvgPool2d((4, 2)), [(1, 3, 7, 6)], "other_ops",  # rows 0–1, 1–3, 3–5 and 5–6
     [("adaptive_avg_pool2d", "1 · 3 · 10 · 6", 180)]),
    (nn.Softmax(1), [(2, 7)], "other_ops", [("softmax", "2 · 7 · 5", 70)]),
    # 4 × 4 neighbours of each output element, though 16 · 9² is a multiple of the input's 12² too
    (Function(lambda x: F.interpolate(x, (9, 9), mode="bicubic", antialias=True)),
     [(1, 3, 12, 12)], "other_ops", [("upsample_bicubic2d_aa", "1 · 3 · 9 · 9 · 16", 3888)]),
    # x · W for each pair (i, j), then the products with y
    (nn.Bilinear(8, 6, 5, bias=False), [(4, 8), (4, 6)], "macs",
     [("weight", "4 · 5 · 8 · 6", 960), ("weight", "4 · 5 · 6", 120),
      ("sum", "960 + 120", 1080)]),
    (nn.ReLU(), [(2, 7)], "activation_bytes", [("output", "2 · 7 · 4", 56)]),
    (nn.ReLU(inplace=True), [(2, 7)], "activation_bytes", []),
    (nn.Linear(3, 4).half(), [torch.zeros(2, 3, dtype=torch.half)], "activation_bytes",
     [("output", "2 · 4 · 2", 16)]),
    (nn.ConvTranspose2d(2, 3, 5, 2), [(1, 2, 4, 4)], "receptive_field",
     [("", "1 + ⌊(5 − 1) / 2⌋ · 1", 3)]),
]  # fmt: skip


@pytest.mark.parametrize(("module", "inputs", "figure", "expected"), COSTS)
def test_costs(module, inputs, figure, expected):
    layer = _only_function(module, inputs) if isinstance(module, Function) else ""
    steps = steps_of(module, inputs, layer, figure)
    assert [(name, numbers, result) for name, _, numbers, result in steps] == expected


def test_the_receptive_field_is_followed_from_the_input():
    explanation = cnnstat.explain("vgg16", "block2.conv1")
    # two 3×3 windows, a pool of 2 with stride 2, and one more window in steps of 2
    assert [(s.layer, s.field_after[0], s.jump_after[0]) for s in explanation.recursion] == [
        ("block1.conv1", 3, 1), ("block1.conv2", 5, 1), ("block1.pool", 6, 2),
        ("block2.conv1", 10, 2),
    ]  # fmt: skip


def test_of_branches_the_widest_is_followed():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.narrow, self.wide = nn.Conv1d(1, 1, 1), nn.Conv1d(1, 1, 7, padding=3)

        def forward(self, x):
            return self.narrow(x) + self.wide(x)

    explanation = cnnstat.explain(Net(), "add", (1, 1, 9))
    assert [step.layer for step in explanation.recursion] == ["wide"]
    (step,) = [step for step in explanation.steps if step.figure == "receptive_field"]
    assert (step.result, step.remark) == (7, "as the widest of its inputs")
    check(explanation)


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Linear(3, 3), nn.Linear(3, 3, bias=False)
        self.other.weight = self.one.weight
        self.layers = nn.ModuleList([self.one, nn.Linear(3, 3)])
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        return self.layers[1](self.one(self.other(self.one(x))))


def test_what_is_shared_says_where_it_was_counted():
    explanation = cnnstat.explain(Shared(), "other", (2, 3))
    (step,) = [step for step in explanation.steps if step.figure == "params"]
    assert (step.name, step.result, step.remark) == ("one.weight", 0, "shared: counted at one")
    again = cnnstat.explain(Shared(), "one#2", (2, 3))
    assert again.calls == ("one#1",)
    assert [s.result for s in again.steps if s.figure == "params"] == [0, 0]
    check(again)


def test_a_container_is_the_sum_of_its_parts():
    explanation = cnnstat.explain("nin", "block1")
    check(explanation)
    assert [child.path for child in explanation.children][:2] == ["block1.conv1", "block1.relu1"]
    assert explanation.layer.total.params == sum(c.total.params for c in explanation.children)
    assert cnnstat.explain(Shared(), "layers.0", (2, 3)).layer.path == "one"  # its first name
    modules = cnnstat.explain(Shared(), "layers", (2, 3))  # never called itself
    assert [child.path for child in modules.children] == ["layers.1"]
    assert modules.layer.total.macs == 2 * 3 * 3


NAMES = [
    ("conv9", UsageError, "did you mean conv5, conv4, conv3?"),
    ("conv1#2", UsageError, "conv1 was called once"),
]


@pytest.mark.parametrize(("layer", "error", "message"), NAMES)
def test_a_layer_that_is_not_there(layer, error, message):
    with pytest.raises(error) as raised:
        cnnstat.explain("alexnet", layer)
    assert message in str(raised.value)


def test_the_end_of_a_path_names_a_layer_if_no_other_ends_so():
    assert cnnstat.explain("resnet18", "conv2_x.block1.conv1").layer.path == "conv2_x.block1.conv1"
    assert cnnstat.explain("alexnet", "linear8").layer.path == "linear8"
    assert cnnstat.explain("resnet18", "conv3_x.block1.shortcut.conv").layer.depth == 4
    with pytest.raises(UsageError, match="may be any of 3 layers of resnet18"):
        cnnstat.explain("resnet18", "shortcut.conv")


def test_a_layer_that_was_not_called():
    with pytest.raises(ModelError, match="unused was not called"):
        cnnstat.explain(Shared(), "unused", (2, 3))


# Saved analyses


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "densenet121", "lenet", "mobilenet"])
def test_a_saved_analysis_explains_what_its_figures_suffice_for(name, tmp_path):
    name = "torchvision:mobilenet_v2" if name == "mobilenet" else name
    file = tmp_path / "run.json"
    run = pipeline.run_model(pipeline.load_model(ModelRequest(name)), RunConfig("eval", None))
    file.write_text(render(run.analysis, "json").text)
    analysis, live = cnnstat.read_analysis(file), Explainer(run.trace, run.analysis)
    for row in analysis.layers:
        saved = explain_saved(analysis, f"{row.path}{row.repetition}")
        assert "cnnstat explain" in saved.notes[-1]
        if saved.children:
            continue
        check(saved)
        if row.role not in ("conv", "linear") and row.type not in ("MaxPool2d", "AvgPool2d"):
            continue
        for figure in ("output", "params", "macs", "other_ops", "receptive_field"):
            both = [
                [(s.formula, s.numbers) for s in explanation.steps if s.figure == figure]
                for explanation in (saved, live.of(row))
            ]
            assert both[0] == both[1], (row.path, figure)


def test_a_saved_analysis_by_its_file(tmp_path):
    (tmp_path / "run.json").write_text(render(cnnstat.analyze("lenet"), "json").text)
    explanation = cnnstat.explain(str(tmp_path / "run.json"), "conv1")
    assert explanation.layer.macs == 28 * 28 * 6 * 1 * 5 * 5
    with pytest.raises(UsageError, match="saved analysis"):
        cnnstat.explain(str(tmp_path / "run.json"), "conv1", (1, 1, 32, 32))


# Formats


def test_latex_can_be_pasted_into_a_document():
    text = render(cnnstat.explain("alexnet", "conv1"), "latex").text
    assert (
        r"\text{height, width} &= \left\lfloor \frac{n + 2 \cdot p - k}{s}\right\rfloor + 1 \\"
        in text
    )
    assert r"&= \left\lfloor \frac{224 + 2 \cdot 3 - 11}{4}\right\rfloor + 1 \\" in text
    assert "&= 105{,}415{,}200" in text
    code = [line for line in text.splitlines() if not line.startswith("%")]
    assert not set("⌊⌋⌈⌉·−×→ᵀ") & set("".join(code))  # fonts lack them


def test_csv_has_a_line_for_each_step():
    text = render(cnnstat.explain("alexnet", "conv1"), "csv").text
    assert "conv1,params,0,,,,34944,\n" in text
    assert "conv1,params,1,weight,c_out · c_in · k_h · k_w,96 · 3 · 11 · 11,34848,\n" in text


@pytest.mark.parametrize("format", ["markdown", "html"])
def test_documents_hold_formula_numbers_and_result(format):
    text = render(cnnstat.explain("alexnet", "conv1"), format).text
    for part in ("⌊(n + 2 · p − k) / s⌋ + 1", "⌊(224 + 2 · 3 − 11) / 4⌋ + 1", "105,415,200"):
        assert part in text


def test_json_reads_back_as_the_same_explanation():
    explanation = cnnstat.explain("nin", "block1.conv1")
    text = render(explanation, "json").text
    assert msgspec.json.decode(text, type=Explanation) == explanation


@pytest.mark.parametrize("layer", ["block1.conv1", "block4", "flatten", "pool"])
def test_a_terminal_of_80_columns_holds_every_line(layer):
    text = render(cnnstat.explain("nin", layer), "table", width=80).text
    assert max(map(len, text.splitlines())) <= 80


def test_a_long_sum_is_broken_between_its_terms():
    explanation = cnnstat.explain(nn.LSTM(300, 500, 3, bidirectional=True), "", (5, 2, 300))
    text = render(explanation, "table", width=60).text
    assert max(map(len, text.splitlines())) <= 60
    assert "600,000" in text
    assert not any(line.endswith("=") for line in text.splitlines())


@pytest.mark.parametrize(
    ("arguments", "status", "shown"),
    [
        (["alexnet", "conv1"], 0, "= ⌊(224 + 2 · 3 − 11) / 4⌋ + 1 = 55"),
        (["alexnet", "conv1", "--input", "1,3,227,227"], 0, "= ⌊(227 + 2 · 3 − 11) / 4⌋ + 1 = 56"),
        (["lenet", "linear3", "--arg", "num_classes=7"], 0, "out = 7"),
        (["alexnet", "conf1"], 2, "did you mean conv1"),
        (["alexnet"], 2, "takes LAYER, which is missing"),
    ],
)
def test_the_command_line(arguments, status, shown, capsys):
    assert run_command(["explain", *arguments]) == status
    printed = capsys.readouterr()
    assert shown in printed.out + printed.err
