"""Threads that a forward starts are not recorded, and the figures say so."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch.nn.functional as F
from torch import nn

import cnnstat
from tests.networks import With

SHAPE = (2, 4)
NOTE = "threads that forward starts are not recorded: what they run is in no figure"
_there_before = ThreadPoolExecutor(1)
_there_before.submit(int).result()


def with_threads(self, x):
    found = {}

    def run(name):
        found[name] = getattr(self, name)(x)

    threads = [threading.Thread(target=run, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found["a"] + found["b"]


def with_pool(self, x):
    with ThreadPoolExecutor(2) as pool:
        a, b = pool.map(lambda layer: layer(x), (self.a, self.b))
    return a + b


def with_function(self, x):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(F.linear, x, self.a.weight).result()


def with_earlier_pool(self, x):
    return _there_before.submit(self.a, x).result() + self.b(x)


def with_function_in_earlier_pool(self, x):
    return _there_before.submit(F.linear, x, self.a.weight).result() + self.b(x)


def layers(forward):
    return With(forward, a=nn.Linear(4, 5), b=nn.Linear(4, 5))


@pytest.mark.parametrize("lane", ["meta", "cpu"])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("forward", "macs"),
    [
        (with_threads, 0),
        (with_pool, 0),
        (with_function, 0),
        (with_earlier_pool, 2 * 4 * 5),
        (with_function_in_earlier_pool, 2 * 4 * 5),
    ],
)
def test_what_threads_run_makes_the_totals_lower_bounds(forward, macs, training, lane):
    analysis = cnnstat.analyze(layers(forward), SHAPE, lane=lane, training=training)
    totals = analysis.totals
    assert totals.macs == macs
    assert not totals.exact
    assert totals.uncounted == {"operators in threads": 1}
    assert bool(totals.backward_uncounted) is training
    assert NOTE in analysis.notes
    assert not any("never used" in note for note in analysis.notes)


def test_only_the_call_that_starts_them_and_those_around_it_are_lower_bounds():
    model = nn.Sequential(nn.Linear(4, 4), layers(with_pool), nn.Linear(5, 6))
    analysis = cnnstat.analyze(model, SHAPE)
    exact = {layer.path: layer.total.exact for layer in analysis.layers if layer.type != "add"}
    assert exact == {"": False, "0": True, "1": False, "2": True}
    assert analysis.totals.macs == 2 * 4 * 4 + 2 * 5 * 6


def test_threads_without_operators_change_nothing():
    def forward(self, x):
        with ThreadPoolExecutor(1) as pool:
            return self.a(x) if pool.submit(bool, 1).result() else self.b(x)

    analysis = cnnstat.analyze(layers(forward), SHAPE)
    assert analysis.totals.exact
    assert analysis.totals.macs == 2 * 4 * 5


def test_memory_is_refused():
    with pytest.raises(cnnstat.ModelError, match="in threads that its forward starts"):
        cnnstat.memory(layers(with_threads), SHAPE)


async def coroutine(self, x):
    return self.a(x)


async def generator(self, x):
    yield self.a(x)


@pytest.mark.parametrize("forward", [coroutine, generator])
@pytest.mark.parametrize("analysed", [cnnstat.analyze, cnnstat.memory])
def test_an_asynchronous_forward_is_refused(forward, analysed, recwarn):
    with pytest.raises(cnnstat.ModelError, match="the forward of the model is asynchronous"):
        analysed(layers(forward), SHAPE)
    assert not [w for w in recwarn if "never awaited" in str(w.message)]
