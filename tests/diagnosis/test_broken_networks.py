"""Networks that hypothesis draws and breaks: what is suggested works, in plain PyTorch too.

How often the broken argument is the first suggestion is measured by benchmarks/diagnosis.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cnnstat
from cnnstat.diagnosis.line_edits import with_edits
from cnnstat.inputs import parse_input

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("the benchmarks are not part of the distribution", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

import diagnosis as broken_networks  # noqa: E402


def loaded(source):
    names = {"__name__": "drawn"}
    exec(compile(source, "drawn.py", "exec"), names)
    return names


def executed(source, text):
    """The shape of the output on the CPU, without anything of ours between."""
    spec = parse_input(text)
    if spec.dtype == "float32":
        x = torch.zeros(spec.shape)
    else:
        x = torch.zeros(spec.shape, dtype=getattr(torch, spec.dtype))
    with torch.no_grad():
        return tuple(loaded(source)["Net"]().eval()(x).shape)


def mended(source, fix):
    """The source with the edit, once for each place of its line where the old text stands."""
    lines = source.split("\n")
    at = int(fix.source.rpartition(":")[2]) - 1
    parts = lines[at].split(fix.instead_of)
    assert len(parts) > 1
    for place in range(1, len(parts)):
        line = fix.instead_of.join(parts[:place]) + fix.edit + fix.instead_of.join(parts[place:])
        yield "\n".join([*lines[:at], line, *lines[at + 1 :]])


def runs(source, example, shape):
    try:
        return executed(source, example) == shape
    except Exception:
        return False


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("drawn")


@given(chosen=st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_what_is_suggested_for_a_broken_network_runs(folder, chosen):
    network = broken_networks.Network("drawn", broken_networks.draw(chosen))
    example = loaded(network.source)["example_input"]
    example = example if isinstance(example, str) else ",".join(map(str, example))
    executed(network.source, example)  # it works until it is broken
    broken = broken_networks.break_one(network, chosen)
    file = folder / "net.py"
    file.write_text(broken.source)
    try:
        shape = executed(broken.source, example)
    except Exception:
        with pytest.raises(cnnstat.ModelError) as caught:
            cnnstat.analyze(f"{file}:Net")
        found = getattr(caught.value, "diagnosis", None)
        assert found is not None, caught.value
        assert found.errors[0].fixes, caught.value
        if len(found.errors) == 1:
            for fix in found.errors[0].fixes:
                if fix.source is None:  # another input
                    continue
                shape = tuple(fix.output[0])
                if fix.also:  # of several places
                    assert runs(with_edits(broken.source, fix.edits), example, shape)
                    continue
                assert any(runs(text, example, shape) for text in mended(broken.source, fix))
    else:  # what was broken is no error of shape
        assert cnnstat.analyze(f"{file}:Net").layers[-1].outputs == (shape,)
