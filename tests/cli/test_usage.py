"""Command lines that cannot be parsed: one style of errors, and what to type instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnstat.cli.main import app, run

Capture = pytest.CaptureFixture[str]

CASES = [
    (
        "shapes nin --inptu 1,1,224,224",
        "error: cnnstat shapes has no option --inptu\n  did you mean --input?\n"
        "  try: cnnstat shapes nin --input 1,1,224,224\n",
    ),
    (
        "shapes nin --colums=params",
        "error: cnnstat shapes has no option --colums\n  did you mean --columns?\n"
        "  try: cnnstat shapes nin --columns=params\n",
    ),
    (
        "shapes nin --json",
        "error: cnnstat shapes has no option --json\n  try: cnnstat shapes nin --format=json\n",
    ),
    (
        "compare nin alexnet --sort params",
        "error: cnnstat compare has no option --sort\n  it is an option of shapes, roofline\n"
        "  try: cnnstat compare --help\n",
    ),
    ("shapes nin -z", "error: cnnstat shapes has no option -z\n  try: cnnstat shapes --help\n"),
    ("--zzz", "error: cnnstat has no option --zzz\n  try: cnnstat --help\n"),
    (
        "shapes nin --mode=tran --depth 1",
        "error: unknown --mode 'tran'\n  did you mean train?\n  known: eval, train\n"
        "  try: cnnstat shapes nin --mode=train --depth 1\n",
    ),
    (
        "bench nin --optimizer adm",
        "error: unknown --optimizer 'adm'\n  did you mean adam, ",
    ),
    (
        "shapes nin --top 0",
        "error: --top '0' is not valid\n  expected a whole number, at least 1\n"
        "  try: cnnstat shapes --help\n",
    ),
    ("shapes nin -nx", "error: --top 'x' is not valid\n  expected a whole number, at least 1\n"),
    ("bench nin --minutes x", "error: --minutes 'x' is not valid\n  expected a number\n"),
    (
        "shapes nin --depth",
        "error: --depth takes a value, which is missing\n  expected a whole number, at least 0\n",
    ),
    (
        "shapes nin --strict=3",
        "error: --strict takes no value\n  try: cnnstat shapes nin --strict\n",
    ),
    (
        "explain alexnet",
        "error: cnnstat explain takes LAYER, which is missing\n"
        "  try: cnnstat explain alexnet conv2\n",
    ),
    (
        "shapes nin alexnet",
        "error: cnnstat shapes takes one MODEL\n  unexpected: alexnet\n"
        "  try: cnnstat compare nin alexnet\n",
    ),
    (
        "explain alexnet conv1 conv2",
        "error: cnnstat explain takes one MODEL and one LAYER\n  unexpected: conv2\n",
    ),
    (
        "shapes lenet --num-classes 3 -d 1",
        "error: cnnstat shapes has no option --num-classes\n"
        "  an argument of the model is given with --arg\n"
        "  try: cnnstat shapes lenet --arg num_classes=3 -d 1\n",
    ),
    (
        "shapes lenet --img_size=32",
        "error: cnnstat shapes has no option --img_size\n"
        "  the whole shape of the input is one option\n"
        "  try: cnnstat shapes lenet --input=1,1,32,32\n",
    ),
    (
        "shapes timm:resnet18 --imgsz 320 640",
        "error: cnnstat shapes has no option --imgsz\n"
        "  the whole shape of the input is one option\n",
    ),
    (
        "shapes lenet --quiet --depth 1",
        "error: cnnstat shapes has no option --quiet\n"
        "  only the result is on standard output, and notes on standard error\n"
        "  try: cnnstat shapes lenet --depth 1\n",
    ),
    (
        "shapes lenet 1 28 28",
        "error: cnnstat shapes takes one MODEL\n  the shape of the input is an option\n"
        "  try: cnnstat shapes lenet --input 1,1,28,28\n",
    ),
    (
        "shapes lenet --flops",
        "error: cnnstat shapes has no option --flops\n"
        "  the table has MACs; FLOPs are twice as many, and below the layers\n"
        "  try: cnnstat shapes lenet\n",
    ),
    (
        "memory lenet --vram 24GB",
        "error: cnnstat memory has no option --vram\n  the memory of a device is an option\n"
        "  try: cnnstat memory lenet --device-memory 24GiB\n",
    ),
    (
        "lint lenet --strict",
        "error: cnnstat lint has no option --strict\n  it is --fail-on hint here\n"
        "  try: cnnstat lint lenet --fail-on=hint\n",
    ),
    ("--list", "error: cnnstat has no option --list\n  try: cnnstat list\n"),
    (
        "memory lenet --amp",
        "error: cnnstat memory has no option --amp\n  it is --precision bf16 here\n"
        "  try: cnnstat memory lenet --precision=bf16\n",
    ),
    (
        "shapes lenet --max-params 5M",
        "error: cnnstat shapes has no option --max-params\n"
        "  limits are compared in a script, with the totals of the JSON\n"
        "  try: cnnstat shapes lenet --totals --format=json\n",
    ),
    (
        "shapes lenet --batch-size 16",
        "error: cnnstat shapes has no option --batch-size\n"
        "  it is an option of memory, roofline, latency, bench\n"
        "  try: cnnstat memory lenet --batch-size 16\n",
    ),
    (
        "shapes alexnet conv1",
        "error: cnnstat shapes takes one MODEL\n  unexpected: conv1\n"
        "  try: cnnstat explain alexnet conv1\n",
    ),
    (
        "compare resnet50,vgg16",
        "error: 'resnet50,vgg16' is several models\n  they are separated by spaces\n"
        "  try: cnnstat compare resnet50 vgg16\n",
    ),
    (
        "shapes lenet --columns params,flops",
        "error: unknown column 'flops'\n  FLOPs are 2 × MACs, which are a column: macs\n",
    ),
    (
        "shapes lenet --input None,1,28,28",
        "error: --input 'None,1,28,28': 'None' is no size; a letter leaves it open: N,1,28,28\n",
    ),
    (
        "memory unknown.py",
        "error: there is no file unknown.py\n",
    ),
    (
        "latency lenet --device=rtx3090 -b 8",
        "error: unknown --device 'rtx3090'\n"
        "  cnnstat latency runs on a device of this machine, whatever its name\n"
        "  known: auto, cpu, cuda, mps\n"
        "  without the device: cnnstat roofline or memory, with --device NAME\n"
        "  try: cnnstat latency lenet --device=cuda -b 8\n",
    ),
    (
        "bench lenet --device cuda:1",
        "error: unknown --device 'cuda:1'\n"
        "  cnnstat bench runs on the first GPU that it can see\n"
        "  known: auto, cpu, cuda, mps\n"
        "  try: CUDA_VISIBLE_DEVICES=1 cnnstat bench lenet --device cuda\n",
    ),
    ("devices h100", "error: cnnstat devices takes no argument\n  unexpected: h100\n"),
]


@pytest.mark.parametrize(("line", "message"), CASES, ids=[line for line, _ in CASES])
def test_message(line: str, message: str, capsys: Capture) -> None:
    assert run(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)


def test_every_command_ends_its_help_with_an_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import typer

    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_model.py").write_text("")

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        assert command.epilog.startswith(f"Example: cnnstat {name}"), name
        words = command.epilog.removeprefix("Example: cnnstat ").split()[1:]
        command.make_context(name, [word.strip("'") for word in words])  # it can be parsed


def test_a_word_that_a_shell_would_change_is_quoted(capsys: Capture) -> None:
    run(["shapes", "my model.py:Net", "--inptu", "1,3"])
    assert "try: cnnstat shapes 'my model.py:Net' --input 1,3\n" in capsys.readouterr().err
