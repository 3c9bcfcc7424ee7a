"""The packaging is real: a wheel, installed into an empty environment, does the main job."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_carries_what_it_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith("METADATA"))
        text = archive.read(metadata).decode()
    for needed in (
        "cnnstat/py.typed",
        "cnnstat/render/templates/report.html",
        "cnnstat/render/templates/notebook.css",
        "cnnstat/render/schema/results.schema.json",
    ):
        assert needed in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "License-Expression: MIT" in text
    assert not any(name.startswith(("tests", "benchmarks")) for name in names)


def test_wheel_runs_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "empty", with_pip=True)
    binary = tmp_path / "empty" / "bin"
    install = [str(binary / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*install, "-c", str(ROOT / "constraints.txt"), str(wheel)], check=True, capture_output=True
    )
    result = subprocess.run(
        [str(binary / "cnnstat"), "shapes", "nin"], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "1,992,166" in result.stdout
    assert "762,297,352" in result.stdout
    # Every dependency is declared: each format works too.
    for suffix in ("md", "csv", "json", "tex", "html"):
        command = [str(binary / "cnnstat"), "compare", "nin", "alexnet", "-o", f"r.{suffix}"]
        assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 0
