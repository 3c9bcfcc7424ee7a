"""benchmarks/peer_speed.py: its programs, its limits, its arithmetic and the section it writes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("the benchmarks are not part of the distribution", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

import peer_runs  # noqa: E402
import peer_speed  # noqa: E402
from peer_runs import Limits, Pairs, Run  # noqa: E402
from peers import MODELS, OURS, PEERS, count_program  # noqa: E402

LIMITS = Limits(seconds=20, memory=peer_runs.GIB)


@pytest.mark.parametrize("model", MODELS)
def test_every_program_is_python(model):
    for counter in (OURS, *PEERS.values()):
        compile(count_program(MODELS[model], counter), model, "exec")


def test_what_runs_before_every_program_is_there():
    exec(peer_speed.DECLARE, {})


def test_a_run_is_measured_and_its_last_line_is_the_answer():
    code = "print('noise'); s = b'x' * 2**26; print('{\"params\": 3}')"
    result = peer_runs.run([sys.executable, "-c", code], LIMITS)
    assert result.answer == {"params": 3}
    assert 0 < result.cpu < result.wall + 1
    assert 2**26 < result.peak < 2**36  # a child starts as large as this process is


def test_the_totals_are_taken_from_what_cnnstat_prints():
    printed = json.dumps({"kind": "analysis", "totals": {"params": 3, "macs": 4}}, indent=2)
    assert peer_runs.answer_in(printed) == {"params": 3, "macs": 4}


@pytest.mark.parametrize(
    ("code", "limits", "reason"),
    [
        ("import time; time.sleep(9)", Limits(0.3, peer_runs.GIB), "not done after 0.3 s"),
        ("b'x' * 2**32", LIMITS, "needs more than 1 GiB"),
        ("import nowhere", LIMITS, "ModuleNotFoundError: No module named 'nowhere' (pip install "
         "-r benchmarks/requirements.txt)"),
        ("raise ValueError('no rule\\n  for this')", LIMITS, "ValueError: no rule"),
        ("raise SystemExit(4)", LIMITS, "status 4"),
    ],
)  # fmt: skip
def test_a_run_without_an_answer_says_why(code, limits, reason):
    assert peer_runs.run([sys.executable, "-c", code], limits).failure == reason


def of(cpu, seconds, macs=2_000_000):
    return Run(cpu, cpu, 2**20, {"params": 1000, "macs": macs, "seconds": seconds})


def test_ratios_are_of_each_pair():
    pairs = Pairs(
        ours=(of(1, None), of(2, None), of(4, None)),
        counted=(of(0, 0.1), of(0, 0.1), of(0, 0.2)),
        theirs=(of(3, 0.5), of(10, 0.2), of(8, 0.4)),
    )
    assert pairs.ratios() == [3 / 1, 10 / 2, 8 / 4]
    assert pairs.count_ratios() == pytest.approx([0.5 / 0.1, 0.2 / 0.1, 0.4 / 0.2])
    (head, _, row) = peer_speed.verdicts({"alexnet": {"thop": pairs, "fvcore": Pairs(failure="x")}})
    assert head.count("|") == row.count("|")
    assert row == "| alexnet | 2.00 | 1 | thop | 8.00 | 3.0 (2.0–5.0) | 3×: yes |"


def test_a_table_names_what_failed_beside_what_ran():
    results = {"thop": Pairs((of(1, None),), (of(0, 0.1),), (of(3, 0.5, 10**9),)),
               "fvcore": Pairs(failure="a | b")}  # fmt: skip
    _, _, ours, thop, fvcore = peer_speed.table_of(results)
    assert ours == "| cnnstat | 1.00 | 1.00 | 1 |  | 0.100 |  | 1,000 | 0.002 |"
    assert thop == "| thop | 3.00 | 3.00 | 1 | 3.0 | 0.500 | 5.0 | 1,000 | 1.000 |"
    assert fvcore == "| fvcore | a / b | | | | | | | |"


def test_an_aim_of_its_own_is_held_to_the_median():
    model = MODELS["llama-3.1-405b"]  # 3 s, 1024 MiB
    closest = Pairs(ours=(of(2, None),), theirs=(of(30, None),))
    assert peer_speed.aim_of(model, closest, closest.ours) == "10×: yes; 3 s and 1024 MiB: yes"
    assert peer_speed.aim_of(model, closest, (of(4, None),)).endswith(": no")


def test_the_section_is_replaced_and_the_rest_is_kept(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text("# Performance\n\nStartup.\n")
    peer_speed.write_section(page, "first\n")
    begin, end = peer_speed.MARKS
    assert page.read_text() == f"# Performance\n\nStartup.\n\n{begin}\nfirst\n{end}\n"
    page.write_text(page.read_text() + "\nAfter.\n")
    peer_speed.write_section(page, "second\n")
    assert page.read_text() == (f"# Performance\n\nStartup.\n\n{begin}\nsecond\n{end}\n\nAfter.\n")
    assert [file.name for file in tmp_path.iterdir()] == ["performance.md"]


def test_half_a_section_is_not_written_over(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text(f"Text\n{peer_speed.MARKS[0]}\nmore")
    with pytest.raises(SystemExit, match="peer_speed: end"):
        peer_speed.write_section(page, "new\n")
    assert page.read_text().endswith("more")


def _llama(c):
    head = c["hidden_size"] // c["num_attention_heads"]
    attention = c["hidden_size"] * head * 2 * (c["num_attention_heads"] + c["num_key_value_heads"])
    layer = attention + 3 * c["hidden_size"] * c["intermediate_size"] + 2 * c["hidden_size"]
    ends = 2 * c["vocab_size"] * c["hidden_size"] + c["hidden_size"]
    return c["num_hidden_layers"] * layer + ends


def _gpt2(c):
    d = c["n_embd"]
    layer = (d * 3 * d + 3 * d) + (d * d + d) + (d * 4 * d + 4 * d) + (4 * d * d + d) + 4 * d
    return (c["vocab_size"] + c["n_positions"]) * d + c["n_layer"] * layer + 2 * d


@pytest.mark.parametrize(
    ("file", "count", "published"),
    [
        ("gpt2.json", _gpt2, 124_439_808),
        ("llama-3-8b.json", _llama, 8_030_261_248),
        ("llama-3.1-405b.json", _llama, 405_853_388_800),
    ],
)
def test_the_configurations_have_the_published_parameters(file, count, published):
    assert count(json.loads((BENCHMARKS / "configs" / file).read_text())) == published
