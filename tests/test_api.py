"""The package as Python users see it: `import cnnstat`, `analyze`, and results that show
themselves."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnstat
from cnnstat import api
from cnnstat.analysis.results import Input
from cnnstat.render import render


class Net(nn.Module):
    """1×28×28 → 10; its forward takes a scale that need not be given."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.linear = nn.Linear(4 * 26 * 26, 10)

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        x = F.relu(self.conv(x))
        if scale is not None:
            x = x * scale
        logits: Tensor = self.linear(x.flatten(1))
        return logits


PARAMS = (9 * 4 + 4) + (4 * 26 * 26 * 10 + 10)
MACS = 26 * 26 * 9 * 4 + 4 * 26 * 26 * 10
IMAGE = (1, 1, 28, 28)


# ---------------------------------------------------------------- analyze


def test_layers_and_totals() -> None:
    analysis = cnnstat.analyze(Net(), IMAGE)
    assert (analysis.totals.params, analysis.totals.macs) == (PARAMS, MACS)
    assert analysis.totals.flops == 2 * MACS
    assert analysis.totals.exact
    assert [(x.path, x.type, x.config, x.outputs) for x in analysis.layers] == [
        ("", "Net", "", ((1, 10),)),
        ("conv", "Conv2d", "3×3", ((1, 4, 26, 26),)),
        ("relu", "relu", "", ((1, 4, 26, 26),)),
        ("flatten", "flatten", "", ((1, 2704),)),
        ("linear", "Linear", "2704→10", ((1, 10),)),
    ]
    assert analysis.model.spec == analysis.model.class_name == "Net"
    assert (analysis.mode, analysis.lane) == ("eval", "meta")


X = Input("x", IMAGE, "float32")
PLAIN = Input(None, IMAGE, "float32")
SCALE = Input("scale", (4, 1, 1), "float32")


@pytest.mark.parametrize(
    ("inputs", "named", "expected"),
    [
        ([IMAGE], {}, [PLAIN]),
        ([list(IMAGE)], {}, [PLAIN]),
        ([torch.Size(IMAGE)], {}, [PLAIN]),
        (["1,1,28,28"], {}, [PLAIN]),
        (["1x1x28x28:float32"], {}, [PLAIN]),
        ([torch.zeros(IMAGE)], {}, [PLAIN]),
        ([torch.empty(IMAGE, device="meta")], {}, [PLAIN]),
        ([IMAGE, "4,1,1"], {}, [PLAIN, Input(None, (4, 1, 1), "float32")]),
        ([], {"x": IMAGE}, [X]),
        (["x=1,1,28,28"], {}, [X]),
        ([IMAGE], {"scale": (4, 1, 1)}, [PLAIN, SCALE]),
        ([IMAGE, "scale=4,1,1"], {}, [PLAIN, SCALE]),
        (["scale=4,1,1", IMAGE], {}, [PLAIN, SCALE]),  # names may come first, as in a shell
        ([IMAGE], {"scale": torch.ones(4, 1, 1)}, [PLAIN, SCALE]),
        ([IMAGE], {"scale": None}, [PLAIN]),  # anything else is passed on
    ],
)
def test_inputs(inputs: list[Any], named: dict[str, Any], expected: list[Input]) -> None:
    analysis = cnnstat.analyze(Net(), *inputs, **named)
    assert list(analysis.inputs) == expected
    assert analysis.totals.macs == MACS


def test_dtype_of_an_input() -> None:
    net = nn.Sequential(nn.Embedding(100, 8), nn.Linear(8, 2))
    by_text = cnnstat.analyze(net, "1,16:int64")
    by_tensor = cnnstat.analyze(net, torch.zeros(1, 16, dtype=torch.int64))
    assert by_text.inputs == by_tensor.inputs == (Input(None, (1, 16), "int64"),)
    assert by_text.totals.macs == 16 * 8 * 2


def test_tensors_are_not_read() -> None:
    """Neither the values of the input nor those of the weights: on `meta` there are none."""
    image = torch.full(IMAGE, float("nan"))
    version = image._version
    with torch.device("meta"):
        net = Net()
    assert cnnstat.analyze(net, image) == cnnstat.analyze(Net(), IMAGE)
    assert image._version == version
    assert not image.is_meta


@pytest.mark.parametrize("given", [(), ((1, 1, 224, 224),), ("1,1,224,224",)])
def test_spec(given: tuple[Any, ...]) -> None:
    analysis = cnnstat.analyze("nin", *given)
    assert (analysis.totals.params, analysis.totals.macs) == (1_992_166, 762_297_352)
    assert (analysis.model.spec, analysis.model.source) == ("nin", "zoo")


def test_spec_with_tensor_and_arguments() -> None:
    analysis = cnnstat.analyze("lenet", torch.zeros(2, 3, 28, 28), arguments={"num_classes": 7})
    assert analysis.model.arguments == {"num_classes": 7, "in_channels": 3}  # follows the input
    assert analysis.layers[0].outputs == ((2, 7),)


def test_mode() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout())
    modes = [cnnstat.analyze(net, (2, 1, 8, 8), mode=mode) for mode in ("eval", "train")]
    assert [analysis.mode for analysis in modes] == ["eval", "train"]
    # Normalising by the batch's own statistics takes more than by the running ones.
    assert modes[0].totals.other_ops < modes[1].totals.other_ops
    assert net.training
    assert torch.equal(net[1].running_mean, torch.zeros(2))  # type: ignore[arg-type]


def test_saved_analysis_by_path(tmp_path: Path) -> None:
    analysis = cnnstat.analyze("lenet")
    file = tmp_path / "run.json"
    file.write_text(render(analysis, "json").text, encoding="utf-8")
    assert cnnstat.analyze(str(file)) == cnnstat.read_analysis(file) == analysis
    for given in ({"arguments": {"num_classes": 3}}, {"x": IMAGE}):
        with pytest.raises(cnnstat.UsageError, match="is a saved analysis: it takes no input"):
            cnnstat.analyze(str(file), **given)


def test_unused_parameters_are_counted_and_said() -> None:
    class Spare(Net):
        def __init__(self) -> None:
            super().__init__()
            self.spare = nn.Linear(3, 5)

    analysis = cnnstat.analyze(Spare(), IMAGE)
    assert analysis.totals.params == PARAMS + 3 * 5 + 5
    assert analysis.notes == (
        "spare was never used: its 20 parameters are in the total and in no row",
    )
    assert analysis.notes[0] in repr(analysis)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (Net(), "(1, 1, 224, 224)"),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), "(1, 784)"),
        (nn.Sequential(nn.Conv2d(3, 8, 3)), "(1, 3, 224, 224)"),
        (nn.Sequential(nn.Conv1d(2, 8, 3)), "(1, 2, "),  # a signal, not an image
    ],
)
def test_live_module_without_input_says_what_to_type(net: nn.Module, shape: str) -> None:
    with pytest.raises(cnnstat.UsageError, match=f"^{type(net).__name__} needs an input") as caught:
        cnnstat.analyze(net)
    assert f"cnnstat.analyze(model, {shape}" in str(caught.value)


@pytest.mark.parametrize(
    ("model", "inputs", "named", "error", "says"),
    [
        ("ninn", [], {}, cnnstat.UsageError, "unknown model 'ninn'"),
        ("nin", ["1,ab"], {}, cnnstat.UsageError, "at position 3"),
        ("nin", [IMAGE, IMAGE], {}, cnnstat.UsageError, "takes one input, 2 were given"),
        ("nin", [IMAGE], {"x": IMAGE}, cnnstat.UsageError, "leave out x="),
        ("nin", [], {"y": IMAGE}, cnnstat.UsageError, "analyze() has no argument y"),
        ("nin", [(1, 224, 224)], {}, cnnstat.ModelError, "has 3 dimensions"),
        ("nin", [224], {}, cnnstat.UsageError, "224"),
        ("nin", [(1, 1, -224, 224)], {}, cnnstat.UsageError, "-224"),
        (Net(), [(1, 1, -28, 28)], {}, cnnstat.UsageError, "-28"),
        (
            Net(),
            [(1, 1, 30, 30)],
            {},
            cnnstat.ShapeError,
            "shapes don't fit at linear (Linear 2704→10)",
        ),
        (
            Net(),
            [(1, 3, 28, 28)],
            {},
            cnnstat.ShapeError,
            "input is 1×3×28×28, the layer takes 1 channel",
        ),
        (Net(), [IMAGE], {"size": IMAGE}, cnnstat.UsageError, "forward takes x"),
        (None, [IMAGE], {}, cnnstat.UsageError, "None"),
    ],
)
def test_refusals(
    model: Any, inputs: list[Any], named: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as caught:
        cnnstat.analyze(model, *inputs, **named)
    assert says in str(caught.value)
    assert isinstance(caught.value, cnnstat.CnnstatError)


@pytest.mark.parametrize("call", [cnnstat.analyze, cnnstat.compare])
def test_unknown_mode_is_refused(call: Any) -> None:
    with pytest.raises(cnnstat.UsageError, match="unknown mode 'test'"):
        call("lenet", "residual-mnist", mode="test")


def test_arguments_are_for_specs() -> None:
    with pytest.raises(cnnstat.UsageError, match="this one is built already"):
        cnnstat.analyze(Net(), IMAGE, arguments={"num_classes": 3})


def test_shape_error_names_layer_and_numbers() -> None:
    with pytest.raises(cnnstat.ShapeError) as caught:
        cnnstat.analyze(Net(), (1, 1, 30, 30))
    message = str(caught.value)
    assert "linear (Linear 2704→10)" in message
    assert "input is 1×3136, the layer takes 2704 features" in message
    assert "3136 = 4 × 28 × 28, from conv (Conv2d 1→4 3×3) flattened" in message


# ---------------------------------------------------------------- how results show themselves


def test_repr_is_the_table() -> None:
    analysis = cnnstat.analyze(Net(), IMAGE)
    assert repr(analysis) == str(analysis) == render(analysis, "table").text.rstrip("\n")
    assert re.search(r"^linear +Linear 2704→10 +1×10 +27,050 ", repr(analysis), re.MULTILINE)
    assert "\x1b" not in repr(analysis)


def test_repr_of_a_comparison_is_the_report() -> None:
    comparison = cnnstat.compare(Net(), "lenet", input=IMAGE)
    assert repr(comparison) == render(comparison, "table").text.rstrip("\n")
    assert "Fully connected overhead" in repr(comparison)


@pytest.mark.parametrize("kind", ["analysis", "comparison"])
def test_notebooks_get_a_fragment(kind: str) -> None:
    result = (
        cnnstat.analyze(Net(), IMAGE)
        if kind == "analysis"
        else cnnstat.compare(Net(), "lenet", input=IMAGE)
    )
    fragment = result._repr_html_()
    for tag in ("<!doctype", "<html", "<head", "<body", "<title", "<meta"):
        assert tag not in fragment
    assert "<table" in fragment
    assert fragment.count('<div class="cnnstat">') == 1
    # The styles reach nothing of the page around it.
    style = fragment.partition("<style>")[2].partition("</style>")[0]
    rules = re.sub(r"@media[^{]*{(.*?})\s*}", r"\1", style, flags=re.DOTALL)
    selectors = re.findall(r"(?:^|})\s*([^{}]+?)\s*{", rules)
    assert len(selectors) > 10
    for selector in ",".join(selectors).split(","):
        assert ".cnnstat" in selector.split()[:2], selector


@pytest.mark.parametrize("show", [repr, lambda analysis: analysis._repr_html_()])
@pytest.mark.parametrize(
    ("net", "shape", "says"),
    [
        (nn.Conv2d(1, 4, 3), IMAGE, "Conv2d 3×3"),  # a single layer: its row is the root
        (nn.ReLU(), (3,), "ReLU"),
        (nn.Sequential(), IMAGE, "Sequential"),
    ],
)
def test_smallest_models(net: nn.Module, shape: tuple[int, ...], says: str, show: Any) -> None:
    assert says in show(cnnstat.analyze(net, shape))


def test_containers_own_parameters_are_in_some_row() -> None:
    """The rows that are shown must explain the total: here nearly all of it is the container's."""

    class Functional(Net):
        def __init__(self) -> None:
            super().__init__()
            self.linear = None  # type: ignore[assignment]
            self.weight = nn.Parameter(torch.zeros(10, 2704))
            self.bias = nn.Parameter(torch.zeros(10))

        def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
            return F.linear(F.relu(self.conv(x)).flatten(1), self.weight, self.bias)

    analysis = cnnstat.analyze(Functional(), IMAGE)
    assert analysis.totals.params == 40 + 27_040 + 10
    assert sum(layer.params for layer in analysis.layers) == analysis.totals.params
    table = repr(analysis).partition("\n\n")[2].partition("\n\n")[0]
    assert re.search(r" 27,050( |$)", table, re.MULTILINE)


def test_results_are_values() -> None:
    first, second = cnnstat.analyze(Net(), IMAGE), cnnstat.analyze(Net(), IMAGE)
    assert first == second
    assert first != cnnstat.analyze(Net(), (2, 1, 28, 28))
    with pytest.raises(AttributeError):
        first.lane = "cpu"  # type: ignore[misc]


# ---------------------------------------------------------------- the package


def test_dir() -> None:
    assert sorted(dir(cnnstat)) == sorted(cnnstat.__all__)
    assert {"analyze", "compare", "Analysis", "Comparison", "read_analysis"} <= set(dir(cnnstat))
    assert all(getattr(cnnstat, name) is not None for name in dir(cnnstat))


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError, match="module 'cnnstat' has no attribute 'analyse'"):
        cnnstat.analyse  # noqa: B018


def test_errors_have_one_base() -> None:
    for error in (cnnstat.UsageError, cnnstat.ModelError, cnnstat.ShapeError):
        assert issubclass(error, cnnstat.CnnstatError)
    assert issubclass(cnnstat.ShapeError, cnnstat.ModelError)


def _python(program: str, *arguments: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True, text=True, encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.parametrize(
    "program", ["import cnnstat", "import cnnstat; dir(cnnstat); cnnstat.UsageError('x')"]
)
def test_import_imports_no_torch(program: str) -> None:
    listed = _python(f"import sys; {program}; print(*sys.modules)").split()
    assert "cnnstat" in listed
    assert not {"torch", "matplotlib", "rich", "typer"} & set(listed)


def test_saved_analysis_shows_itself_in_a_fresh_session(tmp_path: Path) -> None:
    """Reading needs no torch, and what was read is shown as if it had been made here."""
    analysis = cnnstat.analyze("lenet")
    file = tmp_path / "run.json"
    file.write_text(render(analysis, "json").text, encoding="utf-8")
    program = (
        "import sys, cnnstat; a = cnnstat.read_analysis(sys.argv[1]);"
        "sys.stdout.reconfigure(encoding='utf-8'); print(a); assert 'torch' not in sys.modules"
    )
    assert _python(program, str(file)) == repr(analysis) + "\n"


def test_every_public_function_is_in_api() -> None:
    functions = {n for n in cnnstat.__all__ if inspect.isfunction(getattr(cnnstat, n))}
    written = {n for n, v in vars(api).items() if inspect.isfunction(v) and n[0] != "_"}
    assert functions == {n for n in written if getattr(api, n).__module__ == "cnnstat.api"}
    for name in functions:
        assert getattr(cnnstat, name) is getattr(api, name)
        assert getattr(api, name).__doc__


WITHOUT_TORCH = """
import sys
import cnnstat
def refused(call, *given, **options):
    try:
        call(*given, **options)
    except cnnstat.UsageError:
        return
    sys.exit(f"{call} is not refused")
cnnstat.list_models()
cnnstat.list_devices()
assert cnnstat.analyze("run.json") == cnnstat.read_analysis("run.json")
refused(cnnstat.analyze, "nin", mode="evaluate")
refused(cnnstat.analyze, "run.json", mode="train")
refused(cnnstat.compare, "nin")
refused(cnnstat.explain, "nin", "conv1", lane="tpu")
refused(cnnstat.memory, "nin", optimizer="sgdd")
refused(cnnstat.memory, "nin", device_memory="24 apples")
refused(cnnstat.roofline, "nin", device="h1000")
refused(cnnstat.roofline, "nin", device="h100", optimizer="adam")
refused(cnnstat.scale, "nin", over="H,W=")
refused(cnnstat.verify, "run.json")
assert "torch" not in sys.modules
"""


def test_what_needs_no_model_imports_no_torch(tmp_path: Path) -> None:
    saved = render(cnnstat.analyze("lenet"), "json").text
    (tmp_path / "run.json").write_text(saved, encoding="utf-8")
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH], check=True, cwd=tmp_path)


@pytest.mark.parametrize("given", [{"mode": "eval"}, {"mode": "train"}, {"lane": "cpu"}])
def test_a_saved_analysis_has_its_mode_and_lane(tmp_path: Path, given: dict[str, str]) -> None:
    file = tmp_path / "run.json"
    file.write_text(render(cnnstat.analyze("lenet"), "json").text, encoding="utf-8")
    with pytest.raises(cnnstat.UsageError, match="it takes no mode and no lane"):
        cnnstat.analyze(str(file), **given)


def test_options_of_a_report_are_checked():
    analysis = cnnstat.analyze("lenet")
    with pytest.raises(cnnstat.UsageError, match="unknown units 'K'\n  known: auto, M, G, raw"):
        analysis.to_markdown(units="K")
    with pytest.raises(cnnstat.UsageError, match="unknown sort key 'foo'"):
        cnnstat.formulas("lenet", "N,1,28,28").to_markdown(sort="foo")
    with pytest.raises(cnnstat.UsageError, match="device_memory=-1: a number of bytes is positive"):
        cnnstat.memory("lenet", device_memory=-1)


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ({"epochs": "1"}, r"epochs is a whole number or None, not '1'\n  try: epochs=1"),
        ({"lr": "0.1"}, r"lr is a number or None, not '0.1'\n  try: lr=0.1"),
        (
            {"batch_size": 1.5},
            r'batch_size is a whole number or "auto" or None, not 1.5\n  try: batch_size=8',
        ),
        ({"schedule": nn.ReLU()}, r'schedule is a text, not a ReLU\n  try: schedule="StepLR'),
        ({"optimizer": torch.optim.Adam}, r'not the class Adam\n.*\n  try: optimizer="adam"'),
    ],
)
def test_arguments_of_another_type_are_named(argument, says):
    with pytest.raises(cnnstat.UsageError, match=says):
        cnnstat.measure("lenet", **argument)
