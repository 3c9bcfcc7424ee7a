"""How right and how fast cnnstat is on a GPU: `python benchmarks/cuda.py`, in at most 8 minutes.

    python benchmarks/cuda.py --quick          # memory, NiN in fp32, rooflines: two minutes
    python benchmarks/cuda.py                  # everything
    python benchmarks/cuda.py --only memory --only layers
    python benchmarks/cuda.py --model NiN      # only where NiN is measured
    python benchmarks/cuda.py --device cpu     # small sizes, to try the script
    python benchmarks/cuda.py --list

Every part runs in a process of its own, in order of importance. After every row
`results/cuda-DEVICE.json` and `results/cuda-DEVICE.md` are written anew, so that being cut short
loses nothing; a part that fails or takes too long is noted, and the next one begins. Of an earlier
run on the same machine the other parts stay in the files. Nothing is downloaded. Needed are this
checkout, torch with CUDA, and the packages that cnnstat requires with its extra `bench`; timm only
for the part of that name. The exit status is 1 if a part failed.

A machine without network: of what cnnstat requires, torch images usually lack msgspec and
lightning-fabric. With network, before:

    pip download --no-deps --only-binary=:all: --python-version 3.12 -d wheels \\
        msgspec lightning-fabric lightning-utilities torchinfo portalocker yacs termcolor

(`verify` also needs fvcore and iopath: `pip wheel --no-deps -w wheels fvcore iopath`.) And there,
in the checkout:

    pip install --no-index --no-deps --target site wheels/*.whl
    PYTHONPATH=site python benchmarks/cuda.py
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cuda_report import SECTIONS, markdown

ROOT = Path(__file__).resolve().parent.parent
MARK = "@row "  # begins the lines that a part's process prints for this one
QUICK = ("memory", "throughput", "roofline")


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments(argv)
    if options.list:
        for name, section in SECTIONS.items():
            print(f"{name:<12}{section.title}; at most {section.limit} s")
        return 0
    if options.part:
        measure(options)
        return 0
    names = options.only or (QUICK if options.quick else tuple(SECTIONS))
    signal.signal(signal.SIGTERM, interrupted)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, interrupted)
    results = Results(options, names)
    status = 0
    try:
        for name in names:
            results.take(name)
    except KeyboardInterrupt:
        status = 130
    print(f"\nwritten to {results.base}.json and .md")
    return status or (1 if results.failed else 0)


def interrupted(*_: Any) -> None:
    """A part's process must not outlive this one: it would keep the GPU busy."""
    raise KeyboardInterrupt


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=tuple(SECTIONS), metavar="PART",
                        help="run this part alone; can be repeated")  # fmt: skip
    parser.add_argument("--model", action="append", metavar="NAME",
                        choices=("NiN", "AlexNet", "ResNet50", "ViT"),
                        help="measure this network alone: NiN, AlexNet, ResNet50, ViT")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="a first pass of two minutes")
    parser.add_argument("--list", action="store_true", help="list the parts and exit")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--minutes", type=float, default=8.0,
                        help="begin no part after this time [default: 8]")  # fmt: skip
    parser.add_argument("--results", type=Path, default=ROOT / "results", metavar="DIR")
    parser.add_argument("--part", help=argparse.SUPPRESS)  # the process of one part
    options = parser.parse_args(argv)
    options.model = options.model or ["NiN", "AlexNet", "ResNet50", "ViT"]
    return options


# The process of a part


def measure(options: argparse.Namespace) -> None:
    """Measure one part, and print its rows for the process that collects them."""
    import cuda_parts

    if options.device == "cuda" and not cuda_parts.torch.cuda.is_available():
        sys.exit("this torch sees no GPU: --device cpu tries the script with small sizes")
    scale = cuda_parts.Scale(options.device, options.quick, tuple(options.model))
    parts = {**cuda_parts.PARTS, "machine": cuda_parts.machine}
    for row in parts[options.part](scale):
        print(MARK + json.dumps(row), flush=True)


# The process that collects


class Results:
    """The results so far, and the files that hold them."""

    def __init__(self, options: argparse.Namespace, names: Sequence[str]) -> None:
        self.options = options
        try:
            options.results.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            sys.exit(f"cannot write into {options.results}: {error.strerror}")
        self.end = time.monotonic() + 60 * options.minutes
        facts = list(self._rows("machine", limit=120))
        if not facts:
            sys.exit(f"nothing was measured: {self.error}")
        device = "".join(c if c.isalnum() else "-" for c in facts[0]["device"].lower())
        self.base = options.results / f"cuda-{device}"
        self.names = names
        begun = {"rows": [], "seconds": None, "error": "not begun"}
        parts = {**self._earlier(facts[0]), **{name: {**begun, "rows": []} for name in names}}
        ordered = {name: parts[name] for name in SECTIONS if name in parts}
        self.found: dict[str, Any] = {"machine": facts[0], "parts": ordered}

    def _earlier(self, machine: dict[str, Any]) -> dict[str, Any]:
        """The parts of an earlier run on the same machine, with the same versions."""
        try:
            found = json.loads(self.base.with_name(self.base.name + ".json").read_text())
        except (OSError, ValueError):
            return {}
        return found["parts"] if found.get("machine") == machine else {}

    @property
    def failed(self) -> bool:
        return any(self.found["parts"][name]["error"] for name in self.names)

    def take(self, name: str) -> None:
        """Run a part, and write what is there after each of its rows."""
        part = self.found["parts"][name]
        left = self.end - time.monotonic()
        if left <= 0:
            part["error"] = f"not begun: the {self.options.minutes:g} minutes were over"
            print(f"{name}: {part['error']}", flush=True)
            self._write()
            return
        start = time.monotonic()
        part["error"] = "interrupted"
        for row in self._rows(name, min(SECTIONS[name].limit, left)):
            part["rows"].append(row)
            print(f"{name}: {json.dumps(row)}", flush=True)
            self._write()
        part["seconds"] = time.monotonic() - start
        part["error"] = self.error
        print(f"{name}: {part['seconds']:.0f} s {part['error'] or ''}", flush=True)
        self._write()

    def _rows(self, name: str, limit: float) -> Iterator[Any]:
        """What the part's process prints; `error` is why it ended early, if it did."""
        options = self.options
        command = [sys.executable, __file__, "--part", name, "--device", options.device,
                   *(["--quick"] if options.quick else []),
                   *(word for model in options.model for word in ("--model", model))]  # fmt: skip
        places = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
            start_new_session=True,
        )  # fmt: skip
        said: list[str] = []
        listener = threading.Thread(target=lambda: said.extend(child.stderr or ()), daemon=True)
        listener.start()
        late = threading.Event()

        def stop() -> None:
            late.set()
            kill(child.pid)

        timer = threading.Timer(limit, stop)
        timer.start()
        assert child.stdout is not None
        try:
            for line in child.stdout:
                if line.startswith(MARK):
                    yield json.loads(line.removeprefix(MARK))
        finally:
            timer.cancel()
            if child.poll() is None and not late.is_set() and sys.exc_info()[0] is not None:
                kill(child.pid)
        status = child.wait()
        listener.join(timeout=5)
        self.error: str | None = None
        if late.is_set():
            self.error = f"stopped after {limit:.0f} s"
        elif status:
            self.error = (said or [f"exit status {status}"])[-1].strip()
            sys.stderr.write("".join(said[-30:]))

    def _write(self) -> None:
        whole(self.base.with_name(self.base.name + ".json"), json.dumps(self.found, indent=1))
        whole(self.base.with_name(self.base.name + ".md"), markdown(self.found))


def kill(process: int) -> None:
    """End a process and all that it started: torchrun's workers are in sessions of their own."""
    found = [process]
    for number in found:
        for children in Path(f"/proc/{number}/task").glob("*/children"):  # Linux
            found += map(int, children.read_text().split())
    for number in found:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def whole(path: Path, text: str) -> None:
    """Write a file as a whole: who reads it meanwhile sees the one before."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main())
