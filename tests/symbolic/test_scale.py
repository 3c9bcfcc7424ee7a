"""How costs grow: the grammar of --over, the rows, the factors, the formulas and the pictures."""

import pytest

import cnnstat
from cnnstat.cli.main import run
from cnnstat.errors import ModelError, UsageError
from cnnstat.inputs import InputSpec
from cnnstat.render import Options, render
from cnnstat.symbolic.over import Over, parse_over
from cnnstat.symbolic.results import ScalePoint
from cnnstat.symbolic.scaling import growth_of
from cnnstat.symbols.evaluation import parse, value_at


@pytest.mark.parametrize(
    ("text", "over"),
    [
        ("H,W", Over(("H", "W"))),
        ("H=64:128:32", Over(("H",), (64, 96, 128))),
        ("H,W=64:130:32", Over(("H", "W"), (64, 96, 128))),
        ("N=3:5", Over(("N",), (3, 4, 5))),
        ("N=1:9:*2", Over(("N",), (1, 2, 4, 8))),
        ("num_classes=10,100", Over(("num_classes",), (10, 100))),
        ("width_mult=0.5,1", Over(("width_mult",), (0.5, 1))),
        ("text_config.layers=2", Over(("text_config.layers",), (2,))),
        ("norm='batch','layer'", Over(("norm",), ("batch", "layer"))),
    ],
)
def test_over_is_read(text, over) -> None:
    assert parse_over(text) == over


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("H=9:3", "the range is empty"),
        ("H=1:9:0", "the range is empty"),
        ("H=1:9:*1", "the range is empty"),
        ("H,H=1:3", "stands twice"),
        ("H=", "no value is given"),
        ("=3", "is no name"),
        ("H=a", "no list of Python literals"),
        ("H=1:1000", "more than 200"),
    ],
)
def test_what_is_no_range_is_refused(text, words) -> None:
    with pytest.raises(UsageError, match=words):
        parse_over(text)


def test_growth_is_the_factor_per_doubling() -> None:
    # from 10 to 40 are two doublings: 7 → 7, 3 → 3·4², 5 → 5·2²
    points = [ScalePoint(5, reason="too small"), ScalePoint(10, 7, 3, 5, 1),
              ScalePoint(40, 7, 48, 20, 0)]  # fmt: skip
    growth = growth_of(points)
    assert (growth.low, growth.high) == (10, 40)
    assert growth.params == pytest.approx(1)
    assert growth.macs == pytest.approx(4)
    assert growth.activation_bytes == pytest.approx(2)
    assert growth.peak_bytes is None
    assert growth_of(points[:2]) is None
    assert growth_of([ScalePoint("a", 1, 1, 1, 1), ScalePoint("b", 1, 1, 1, 1)]) is None


def test_points_are_analyses_and_formulas_agree_with_them() -> None:
    (nin,) = cnnstat.scale("nin", over="H,W=64:192:64").series
    assert [point.value for point in nin.points] == [64, 128, 192]
    assert nin.points[0].macs is None
    assert "pool3" in nin.points[0].reason
    for point in nin.points[1:]:
        plain = cnnstat.analyze("nin", (1, 1, point.value, point.value)).totals
        for figure in ("params", "macs", "activation_bytes", "peak_bytes"):
            assert getattr(point, figure) == getattr(plain, figure)
            formula = getattr(nin.formulas, figure)
            number = parse(formula) if isinstance(formula, str) else formula
            assert value_at(number, {"H": point.value, "W": point.value}) == getattr(plain, figure)


def test_macs_are_in_proportion_to_the_batch() -> None:
    (lenet,) = cnnstat.scale("lenet", over="N=1:8:*2").series
    assert [point.macs for point in lenet.points] == [416_520, 833_040, 1_666_080, 3_332_160]
    assert lenet.formulas.macs == "416520*N"
    assert lenet.growth.macs == pytest.approx(2)


def test_an_argument_is_varied() -> None:
    (lenet,) = cnnstat.scale("lenet", over="num_classes=10,20").series
    assert [point.params for point in lenet.points] == [61_706, 61_706 + 10 * 85]
    assert lenet.formulas is None
    assert "argument" in lenet.formulas_reason


def test_without_values_the_size_is_halved_and_doubled() -> None:
    (lenet,) = cnnstat.scale("vgg11", over="N").series
    assert [point.value for point in lenet.points] == [1, 2, 4, 8]
    (nin,) = cnnstat.scale("nin").series
    assert [point.value for point in nin.points] == [112, 224, 448, 896]


def test_letters_that_are_not_varied_have_the_sizes_of_the_model() -> None:
    given = cnnstat.scale("nin", over="H,W=224", input="N,1,H,W").series[0].points
    assert given == cnnstat.scale("nin", over="H,W=224").series[0].points
    with pytest.raises(UsageError, match="K of the input N,K is not varied"):
        cnnstat.scale("torchvision:resnet18", over="N=1,2", input="N,K")


def test_letters_of_the_users_own() -> None:
    scaling = cnnstat.scale("lenet", over="B=1,2", input="B,1,28,28")
    assert [point.macs for point in scaling.series[0].points] == [416_520, 833_040]


@pytest.mark.parametrize(
    ("over", "words"),
    [("H,foo=1,2", "foo is no letter"), ("num_classes", "needs values"),
     ("foo=1,2", "no argument 'foo'"), ("H=2.5,3", "is no size")],
)  # fmt: skip
def test_what_cannot_be_varied_is_refused(over, words) -> None:
    with pytest.raises(UsageError, match=words):
        cnnstat.scale("nin", over=over)


def test_nothing_that_runs_is_an_error() -> None:
    with pytest.raises(ModelError, match="nothing runs over H, W"):
        cnnstat.scale("nin", over="H,W=10:30:10")


def test_two_models_side_by_side(capsys) -> None:
    assert run(["scale", "nin", "alexnet", "--over", "H,W=192:256:32"]) == 0
    printed = capsys.readouterr().out
    assert "alexnet does not run at H, W = 192, 256: shapes don't fit at linear6" in printed
    assert "Growth per doubling" in printed
    assert "MACs over H, W" in printed


def test_a_layer_is_made_to_fit(capsys) -> None:
    assert (
        run(["scale", "nin", "alexnet", "--over", "H,W=128:256:*2", "--fit", "--units", "raw"]) == 0
    )
    printed = capsys.readouterr().out
    # linear6 takes 256 channels of ⌊(128−29)/32⌋² = 9 and of ⌊(256−29)/32⌋² = 49 positions, not 36
    widened = 58_322_314 - 9216 * 4096
    assert f"{widened + 256 * 9 * 4096:,}" in printed
    assert f"{widened + 256 * 49 * 4096:,}" in printed
    assert "alexnet at H, W = 128, 256: linear6 made as wide as that needs" in printed
    assert "Formulas of alexnet, linear6 as it is" in printed


@pytest.mark.parametrize("format", ["table", "markdown", "csv", "json", "latex", "html"])
def test_every_format_shows_the_rows(format) -> None:
    text = render(cnnstat.scale("lenet", over="N=1,2"), format, Options(units="raw")).text
    assert "833040" in text.replace(",", "")


def test_the_picture_is_drawn_where_a_file_is_written(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["scale", "lenet", "--over", "N=1,2", "--output", "growth.md"]) == 0
    assert (tmp_path / "growth-macs.svg").read_text().startswith("<svg")
    assert "![MACs over N](growth-macs.svg)" in (tmp_path / "growth.md").read_text()


def test_errors_on_the_command_line(capsys) -> None:
    assert run(["scale", "nin", "--over", "H=9:3"]) == 2
    assert "the range is empty" in capsys.readouterr().err


@pytest.mark.parametrize("rank", [1, 6])
def test_inputs_without_usual_names_are_varied_along_the_first_dimension(rank, tmp_path) -> None:
    (tmp_path / "net.py").write_text("from torch import nn\n\n\nclass Net(nn.ReLU):\n    pass\n")
    scaling = cnnstat.scale(f"{tmp_path}/net.py:Net", input=(4,) * rank)
    assert scaling.over == ("N",)
    assert [point.value for point in scaling.series[0].points] == [2, 4, 8, 16]


def test_an_input_without_dimensions(tmp_path) -> None:
    (tmp_path / "net.py").write_text("from torch import nn\n\n\nclass Net(nn.ReLU):\n    pass\n")
    with pytest.raises(UsageError, match="the input has no dimension to vary"):
        cnnstat.scale(f"{tmp_path}/net.py:Net", input=InputSpec(()))


def test_default_sizes_are_valid_ones(capsys) -> None:
    # ⌊(28−8)/4⌋ = 5 to ⌊(31−8)/4⌋ = 5: linear1 takes 16·5·5 features at 28 to 31 alone
    assert run(["scale", "lenet"]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()[3:5]] == ["28", "31"]
    assert "lenet runs at 28 ≤ H, W ≤ 31" in printed
    assert "H, W = 32: shapes don't fit at linear1 (Linear): 400 features fit" in printed
    assert "--fit makes linear1 as wide as each size needs; --over N varies the batch" in printed


def test_default_sizes_that_are_moved_are_multiples_of_the_step() -> None:
    # nin-mnist views its input as images of 224×224: 112 moves to 224, which is there already
    (series,) = cnnstat.scale("nin-mnist").series
    assert [point.value for point in series.points] == [224, 448, 896]


def test_fit_is_not_mentioned_where_it_is_given_or_no_help(capsys) -> None:
    assert run(["scale", "lenet", "--fit"]) == 0
    assert "--fit" not in capsys.readouterr().out
    assert run(["scale", "nin", "--over", "H,W=40,80"]) == 0  # nothing left to pool at 40
    printed = capsys.readouterr().out
    assert "nin does not run at H, W = 40" in printed
    assert "--fit" not in printed


SIZED = """
from torch import nn

class Sized(nn.Module):
    def __init__(self, img_size=32):
        super().__init__()
        self.img_size = img_size
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        assert x.shape[-1] == self.img_size, f"{x.shape[-1]} instead of {self.img_size}"
        return self.conv(x).mean((2, 3))

example_input = (1, 3, 32, 32)
"""


def test_a_model_for_one_size_is_created_for_another(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sized.py").write_text(SIZED)
    assert run(["scale", "sized.py:Sized"]) == 0
    printed = capsys.readouterr().out
    assert "sized.py:Sized runs at H, W = 32" in printed
    assert "33 instead of 32" in printed
    assert "--fit creates it with each size as img_size" in printed
    (series,) = cnnstat.scale("sized.py:Sized", fit=True).series
    # 4·3·3·3 multiplications at each of (S−2)² positions
    expected = [4 * 27 * (size - 2) ** 2 for size in (16, 32, 64, 128)]
    assert [point.macs for point in series.points] == expected
    assert [point.fitted for point in series.points] == ["img_size", None, "img_size", "img_size"]
