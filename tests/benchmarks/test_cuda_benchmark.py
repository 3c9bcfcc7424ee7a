"""benchmarks/cuda.py on a CPU, with small sizes: its networks, its parts, its files."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cnnstat

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("the benchmarks are not part of the distribution", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

import cuda  # noqa: E402
import cuda_parts  # noqa: E402
import cuda_report  # noqa: E402
from cuda_networks import NETWORKS, SHAPES  # noqa: E402

SMALL = cuda_parts.Scale("cpu", quick=True, models=("NiN",))


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("NiN", "nin"), ("AlexNet", "alexnet"), ("ResNet50", "resnet50"),
        ("ViT", "torchvision:vit_b_16"),
    ],
)  # fmt: skip
def test_the_networks_are_those_of_their_names(name: str, spec: str) -> None:
    ours = cnnstat.analyze(NETWORKS[name](), (1, *SHAPES[name])).totals
    known = cnnstat.analyze(spec).totals
    assert (ours.params, ours.macs) == (known.params, known.macs)


def test_the_script_imports_nothing_private_of_cnnstat() -> None:
    for file in BENCHMARKS.glob("cuda*.py"):
        assert "from cnnstat" not in file.read_text(), file
        assert "import cnnstat." not in file.read_text(), file


def test_every_part_has_a_section() -> None:
    assert list(cuda_parts.PARTS) == list(cuda_report.SECTIONS)
    assert set(cuda.QUICK) <= set(cuda_parts.PARTS)
    assert sum(section.limit for section in cuda_report.SECTIONS.values()) < 1300


def test_predicted_memory_is_that_of_a_step() -> None:
    rows = list(cuda_parts.memory(SMALL))
    assert [(r["precision"], r["step"]) for r in rows] == [
        ("fp32", "inference"), ("fp32", "training, sgd"),
        ("bf16", "inference"), ("bf16", "training, sgd"),
    ]  # fmt: skip
    assert all(row["difference"] == 0 for row in rows)


def run(tmp_path: Path, *options: str) -> int:
    return cuda.main(["--device", "cpu", "--model", "NiN", "--results", str(tmp_path), *options])


def test_both_files_are_written(tmp_path: Path) -> None:
    assert run(tmp_path, "--quick", "--only", "throughput", "--only", "commands") == 0
    found = json.loads((tmp_path / "cuda-cpu.json").read_text())
    assert found["machine"]["device"] == "CPU"
    (row,) = found["parts"]["throughput"]["rows"]
    assert row["steps"] == 4
    assert row["bench"] > 0
    assert [r["status"] for r in found["parts"]["commands"]["rows"]] == [0, 0, 0]
    text = (tmp_path / "cuda-cpu.md").read_text()
    assert "| commands |" in text
    assert "3 of 3 ended with status 0" in text
    assert not list(tmp_path.glob("*.new"))
    before = found["parts"]["throughput"]
    assert run(tmp_path, "--only", "peaks", "--minutes", "0") == 1  # the other parts stay
    found = json.loads((tmp_path / "cuda-cpu.json").read_text())
    assert found["parts"]["throughput"] == before


def test_a_part_that_takes_too_long_leaves_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = cuda_report.SECTIONS["layers"]
    late = cuda_report.Section(section.title, 1, section.about, section.columns)
    monkeypatch.setitem(cuda.SECTIONS, "layers", late)
    assert run(tmp_path, "--only", "layers") == 1
    part = json.loads((tmp_path / "cuda-cpu.json").read_text())["parts"]["layers"]
    assert part == {"rows": [], "seconds": part["seconds"], "error": "stopped after 1 s"}
    assert part["seconds"] < 10


def test_a_part_that_is_interrupted_says_so_and_leaves_no_process(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "cuda.py"), "--device", "cpu", "--model", "NiN",
               "--only", "commands", "--only", "peaks", "--results", str(tmp_path)]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline().startswith("commands:")  # torchrun is next
        time.sleep(4)
        started.send_signal(signal.SIGTERM)
        started.communicate()
    assert started.returncode == 130
    parts = json.loads((tmp_path / "cuda-cpu.json").read_text())["parts"]
    assert parts["commands"]["error"] == "interrupted"
    assert parts["peaks"]["error"] == "not begun"
    running = subprocess.run(["ps", "-ef"], capture_output=True, text=True).stdout
    assert str(tmp_path) not in running
    assert "cuda_networks.py:NiN" not in running


def test_results_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(SystemExit, match=r"cannot write into .*file: File exists"):
        cuda.main(["--device", "cpu", "--results", str(file)])


def test_no_part_begins_after_the_time(tmp_path: Path) -> None:
    assert run(tmp_path, "--only", "peaks", "--minutes", "0") == 1
    assert "not begun: the 0 minutes were over" in (tmp_path / "cuda-cpu.md").read_text()


def test_without_a_gpu_one_line_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if cuda_parts.torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SystemExit, match="this torch sees no GPU: --device cpu tries the script"):
        cuda.main(["--results", str(tmp_path)])
    assert not list(tmp_path.iterdir())


MIB = 2**20


@pytest.mark.parametrize(
    ("measured", "requested", "cublas", "inside", "text", "unexplained"),
    [
        (133, 133, 33, 0, "cuBLAS 33.0", 0),  # 100 + 33
        # a kernel's workspace made the peak where only 60 of tensors were there
        (260, 260, 0, 200, "inside conv2d 200.0", 0),
        (112, 110, 0, 0, "blocks 2.0, unexplained 10.0", 10),
        (110, None, 0, 0, "unexplained 10.0", 10),  # no count of what was asked for
    ],
)
def test_a_difference_is_explained(
    measured: int, requested: int | None, cublas: int, inside: int, text: str, unexplained: int
) -> None:
    row = {
        "predicted": 100 * MIB, "measured": measured * MIB, "cublas": cublas * MIB,
        "requested": requested and requested * MIB, "inside": inside * MIB, "operator": "conv2d",
    }  # fmt: skip
    assert cuda_report.explained(row) == text
    assert cuda_report.unexplained(row) == unexplained * MIB


def test_the_tables_hold_what_was_kept() -> None:
    """docs/cuda.md is written by the code that writes the results."""
    text = (BENCHMARKS.parent / "docs" / "cuda.md").read_text()
    for name in ("memory", "throughput", "roofline", "peaks", "layers", "fitting", "commands"):
        section = cuda_report.SECTIONS[name]
        assert f"## {section.title}\n\n{section.about}\n" in text, name
