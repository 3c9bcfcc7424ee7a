"""The packaging is real: a wheel, installed into an empty environment, does the main job."""

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import cnnstat

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


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
    assert any(name.endswith("share/man/man1/cnnstat.1") for name in names)
    assert "License-Expression: MIT" in text
    assert not any(name.startswith(("tests", "benchmarks")) for name in names)


def test_an_index_takes_both(built: Path) -> None:
    pytest.importorskip("twine")
    files = sorted(str(path) for path in built.iterdir())
    assert [Path(file).suffix for file in files] == [".whl", ".gz"]
    command = [sys.executable, "-m", "twine", "check", "--strict", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    sizes = [Path(file).stat().st_size / 2**20 for file in files]
    assert max(sizes) < 3, sizes  # MiB


def test_sdist_has_what_its_tests_read(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for needed in ("README.md", "SECURITY.md", "docs/python.md", "documentation/commands.py"):
        assert needed in names
    assert not any(name.startswith((".venv", "build/", "runs/")) for name in names)


def test_the_citation_is_of_this_version() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {cnnstat.__version__}\n" in text


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
