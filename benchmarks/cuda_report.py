"""The tables that benchmarks/cuda.py writes, in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
Part = dict[str, Any]
NEAR = 0.05  # how far a predicted peak may be from the measured one
CLOSE = 0.005  # how far tensors may be predicted from what they hold
LIKE = 0.03  # how far a latency may be from that of torch.utils.benchmark
SAME = 0.02  # how far `bench` may be below a loop by hand


@dataclass(frozen=True)
class Column:
    """A column: its heading, the figure's key and how it is written."""

    title: str
    key: str
    write: Callable[[Any], str] = str


@dataclass(frozen=True)
class Section:
    """A part of the report. `limit` is the most seconds that the part may take."""

    title: str
    limit: int
    about: str
    columns: Sequence[Column]
    verdict: Callable[[list[Row]], str] = lambda rows: f"{len(rows)} rows"
    shown: Callable[[Row], bool] = lambda row: True  # which rows the table has


def mib(value: int) -> str:
    return f"{value / 2**20:,.1f}"


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def signed(value: float) -> str:
    return f"{100 * value:+.1f} %"


def milliseconds(value: float) -> str:
    return f"{1000 * value:,.3f}"


def rate(value: float) -> str:
    return f"{value:,.0f}"


def scaled(value: float) -> str:
    return f"{value / 1e12:,.2f} T"


def listed(value: Sequence[str]) -> str:
    return "; ".join(value)


# What of a difference is explained


def explained(row: Row) -> str:
    """Of a row of memory, what makes the measured peak differ from the predicted one.

    The allocator also counts the workspace of cuBLAS, which stays, that of the kernel that runs at
    the peak, and what its blocks are larger than what was asked for.
    """
    if "cublas" not in row:
        return ""
    parts = []
    if row["cublas"]:
        parts.append(f"cuBLAS {mib(row['cublas'])}")
    if row["inside"] > 2**20:
        parts.append(f"inside {row['operator']} {mib(row['inside'])}")
    larger = row["measured"] - row["requested"] if row["requested"] else 0
    if larger > 2**20:
        parts.append(f"blocks {mib(larger)}")
    rest = unexplained(row)
    if rest > 2**20:
        parts.append(f"unexplained {mib(rest)}")
    return ", ".join(parts)


def unexplained(row: Row) -> int:
    """The bytes that the tensors at the measured peak hold beyond those at the predicted one.

    They may hold less: then a kernel's workspace made the peak, at another operator.
    """
    blocks = row["measured"] - row["requested"] if row["requested"] else 0
    tensors: int = row["measured"] - row["cublas"] - row["inside"] - blocks
    return max(0, tensors - row["predicted"])


def near(rows: list[Row]) -> str:
    within = sum(abs(row["difference"]) <= NEAR for row in rows)
    text = f"{within} of {len(rows)} predictions within {100 * NEAR:.0f} %"
    if rows and "cublas" in rows[0]:
        known = sum(unexplained(row) <= NEAR * row["measured"] for row in rows)
        text += f"; in {known} of {len(rows)} workspaces and larger blocks explain what is more"
    return text


def equal(rows: list[Row]) -> str:
    measured = [row for row in rows if "failed" not in row]
    same = sum(not row["difference"] for row in measured)
    close = sum(abs(row["difference"]) <= CLOSE for row in measured)
    text = f"{same} of {len(measured)} equal to the byte, {close} within {100 * CLOSE:.1f} %"
    failed = len(rows) - len(measured)
    return f"{text}; {failed} failed" if failed else text


def as_fast(rows: list[Row]) -> str:
    within = sum(row["ratio"] >= 1 - SAME for row in rows)
    return f"{within} of {len(rows)} at least {100 * (1 - SAME):.0f} % of the loop by hand"


def alike(rows: list[Row]) -> str:
    within = sum(abs(row["ratio"] - 1) <= LIKE for row in rows)
    return f"{within} of {len(rows)} within {100 * LIKE:.0f} % of the timer"


def below(rows: list[Row]) -> str:
    within = sum(row["bound"] <= row["measured"] for row in rows)
    shares = sorted(row["reached"] for row in rows)
    return f"bound below the step in {within} of {len(rows)}" + (
        f"; share reached {shares[0]:.2f} to {shares[-1]:.2f}" if shares else ""
    )


def worked(rows: list[Row]) -> str:
    return f"{sum(row['status'] == 0 for row in rows)} of {len(rows)} ended with status 0"


WHO = (Column("Network", "model"), Column("Precision", "precision"), Column("Batch", "batch"))
TRAINED = (
    Column("Network", "model"), Column("Setting", "setting"), Column("Batch", "batch"),
    Column("Steps", "steps"), Column("By hand, img/s", "by_hand", rate),
    Column("bench, img/s", "bench", rate), Column("Ratio", "ratio", "{:.3f}".format),
    Column("Least", "least", "{:.3f}".format), Column("Most", "most", "{:.3f}".format),
    Column("As stated, img/s", "stated", rate), Column("Step, ms", "step", milliseconds),
    Column("MFU", "mfu", percent), Column("Bound, ms", "bound", milliseconds),
    Column("Memory, MiB", "memory", mib), Column("Predicted, MiB", "predicted", mib),
)  # fmt: skip
TURNS = (
    "`cnnstat bench` and a loop written by hand train the same network in one process, in turns. "
    "Both rates are by the wall clock, after 32 steps of warm-up; the ratio is taken within each "
    "round. *As stated* is what `bench` prints, from events on the device."
)

SECTIONS: dict[str, Section] = {
    "memory": Section(
        "Predicted peak memory beside what the allocator counted", 120,
        "*Predicted* is `cnnstat memory`, *measured* `torch.cuda.max_memory_allocated` over the "
        "second of two steps of plain PyTorch. *Explained by* has the bytes, in MiB, that are no "
        "tensor's: the workspace of cuBLAS, that of the kernel running at the peak, and what the "
        "allocator's blocks are larger than what was asked for.",
        (*WHO, Column("Step", "step"), Column("Predicted, MiB", "predicted", mib),
         Column("Measured, MiB", "measured", mib), Column("Difference", "difference", signed),
         Column("Explained by", "explained")),
        near,
    ),
    "throughput": Section("Throughput of bench beside a loop by hand", 150, TURNS, TRAINED,
                          as_fast),
    "roofline": Section(
        "The roofline's bound beside the measured step", 120,
        "*Bound* is `cnnstat roofline` with the shipped peaks of this device; *measured* a loop by "
        "hand, from one idle moment to another.",
        (*WHO, Column("Step", "step"), Column("Bound, ms", "bound", milliseconds),
         Column("Measured, ms", "measured", milliseconds),
         Column("Bound / measured", "reached", "{:.2f}".format), Column("MFU", "mfu", percent),
         Column("Bound by", "limit")),
        below,
    ),
    "peaks": Section(
        "Measured peaks beside the shipped table", 90,
        "`cnnstat devices --measure` beside the row of `cnnstat devices`.",
        (Column("Peak", "peak"), Column("Measured", "measured", scaled),
         Column("Table", "table", scaled), Column("Share", "reached", percent),
         Column("Spread", "spread", percent), Column("At", "at")),
    ),
    "layers": Section(
        "Times of layers beside the whole pass", 90,
        "`bench --layers`, forward and backward: the sum over the layers, the pass with hooks and "
        "without, and the median of forward and backward in the steps before.",
        (*WHO, Column("Layers", "layers"), Column("In steps, ms", "in_steps", milliseconds),
         Column("Bare, ms", "bare", milliseconds), Column("Hooked, ms", "hooked", milliseconds),
         Column("Overhead", "overhead", signed), Column("Sum, ms", "sum", milliseconds),
         Column("Sum / hooked", "share", percent)),
    ),
    "compile": Section("Throughput with --compile", 120, TURNS, TRAINED, as_fast),
    "fitting": Section(
        "The largest batch", 120,
        "`bench --batch-size auto`, beside the largest batch that `cnnstat memory --device-memory` "
        "predicts for the free memory; then twice that batch, which is halved until it fits. bf16.",
        (Column("Network", "model"), Column("--batch-size", "asked"),
         Column("Predicted", "predicted"), Column("Taken", "found"),
         Column("Memory, MiB", "memory", mib), Column("Seconds", "seconds", "{:.0f}".format),
         Column("Notes", "notes", listed)),
    ),
    "commands": Section(
        "Commands", 120, "As typed, in processes of their own.",
        (Column("Command", "command"), Column("Status", "status"),
         Column("Seconds", "seconds", "{:.1f}".format), Column("img/s", "rate", rate),
         Column("Communication", "nccl"), Column("Said", "said", listed)),
        worked,
    ),
    "timm": Section(
        "timm's protocol", 90,
        "The training protocol of timm's benchmark.py (10 steps of warm-up, 40 timed, the device "
        "idle after each) with AMP in bfloat16, beside `cnnstat bench`.",
        (Column("Network", "model"), Column("Batch", "batch"), Column("timm, img/s", "timm", rate),
         Column("bench, img/s", "bench", rate), Column("Ratio", "ratio", "{:.3f}".format),
         Column("MFU", "mfu", percent)),
    ),
    "latency": Section(
        "Latency beside torch.utils.benchmark", 90,
        "`cnnstat latency` and `torch.utils.benchmark.Timer` in turns, three each, on networks "
        "built alike; the middle ratio. *Queued*: runs that do not wait for each other "
        "(`blocked_autorange`); *single*: each waited for (`timeit(1)`).",
        (Column("Network", "model"), Column("Precision", "precision"), Column("Batch", "batch"),
         Column("Timer queued, ms", "timer", milliseconds),
         Column("cnnstat, ms", "queued", milliseconds),
         Column("Ratio", "ratio", "{:.3f}".format), Column("Least", "least", "{:.3f}".format),
         Column("Most", "most", "{:.3f}".format),
         Column("Timer single, ms", "single", milliseconds),
         Column("cnnstat, ms", "latency", milliseconds),
         Column("Ratio", "single_ratio", "{:.3f}".format),
         Column("Bound, ms", "bound", milliseconds), Column("Memory, MiB", "memory", mib),
         Column("Predicted, MiB", "predicted", mib)),
        alike,
    ),
    "tensors": Section(
        "Predicted memory beside what tensors hold", 150,
        "*Predicted* is `cnnstat memory`, *held* what `tests/live_bytes.py` follows on the device "
        "while plain PyTorch runs the same step, storages rounded up to 512 bytes: networks of one "
        "kind of operator each and those of torchvision, in training with SGD and in inference. "
        "Workspaces of kernels are in neither. Rows within 0.5 % are left out.",
        (*WHO, Column("Step", "step"), Column("Predicted, MiB", "predicted", mib),
         Column("Held, MiB", "measured", mib), Column("Difference", "difference", signed),
         Column("At", "at"), Column("Predicted at", "predicted_at"), Column("Failed", "failed")),
        equal,
        lambda row: "failed" in row or abs(row["difference"]) > CLOSE,
    ),
}  # fmt: skip


def markdown(found: dict[str, Any]) -> str:
    """The whole report: the machine, a line for each part, and the tables."""
    machine, parts = found["machine"], found["parts"]
    known = {
        "driver": machine["driver"], "torch": machine["torch"], "CUDA": machine["cuda"],
        "cuDNN": machine["cudnn"], "Python": machine["python"], "cnnstat": machine["cnnstat"],
    }  # fmt: skip
    about = ", ".join(f"{name} {value}" for name, value in known.items() if value)
    lines = [f"**{machine['device']}**: {about}.", "", "| Part | Seconds | Result |",
             "| --- | ---: | --- |"]  # fmt: skip
    for name, part in parts.items():
        seconds = "–" if part["seconds"] is None else f"{part['seconds']:.0f}"
        lines.append(f"| {name} | {seconds} | {escaped(outcome(name, part))} |")
    if machine["device"] == "CPU":
        lines += ["", ON_A_CPU]
    for name, part in parts.items():
        if part["rows"]:
            lines += ["", *table(SECTIONS[name], part["rows"])]
    return "\n".join(lines) + "\n"


def outcome(name: str, part: Part) -> str:
    said = SECTIONS[name].verdict(part["rows"]) if part["rows"] else ""
    return "; ".join(filter(None, [said, part["error"]]))


ON_A_CPU = (
    "Measured on a CPU, with small sizes and few steps, to try the script: memory is that of the "
    "tensors alive, and the rates are of one round."
)


def table(section: Section, rows: list[Row]) -> list[str]:
    rows = [row for row in rows if section.shown(row)]
    columns = [c for c in section.columns if any(cell(c, row) for row in rows)]
    sides = ["---:" if any(isinstance(r.get(c.key), int | float) for r in rows) else "---"
             for c in columns]  # fmt: skip
    return [
        f"## {section.title}", "", section.about, "",
        f"| {' | '.join(c.title for c in columns)} |",
        f"| {' | '.join(sides)} |",
        *(f"| {' | '.join(escaped(cell(c, row)) or '–' for c in columns)} |" for row in rows),
    ]  # fmt: skip


def cell(column: Column, row: Row) -> str:
    if column.key == "explained":
        return explained(row)
    value = row.get(column.key)
    return "" if value is None else column.write(value)


def escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
