"""Analyses in several threads: right, alone in the process, and noticed by nobody else."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._dispatch.python import enable_python_dispatcher
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

import cnnstat
from tests.networks import Function, With

PATIENCE = 120  # seconds, after which a thread counts as one that waits for ever


def net(width):
    return nn.Sequential(
        nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Dropout(), nn.Flatten(),
        nn.Linear(width * 36, 2),
    )  # fmt: skip


SHAPE = (2, 3, 8, 8)
CALLS = {
    "analyze": lambda n: cnnstat.analyze(net(n), SHAPE),
    "training": lambda n: cnnstat.analyze(net(n), SHAPE, training=True),
    "on the CPU": lambda n: cnnstat.analyze(net(n), SHAPE, lane="cpu"),
    "by name": lambda n: cnnstat.analyze("lenet", (n, 1, 28, 28)),
    "compare": lambda n: cnnstat.compare(net(n), net(n + 1), input=SHAPE),
    "explain": lambda n: cnnstat.explain(net(n), "4", SHAPE),
    "memory": lambda n: cnnstat.memory(net(n), SHAPE, optimizer="adam"),
    "roofline": lambda n: cnnstat.roofline(net(n), SHAPE, device="h100-sxm"),
    "scale": lambda n: cnnstat.scale("lenet", over=f"N={n},{n + 1}"),
    "formulas": lambda n: cnnstat.formulas(net(n), "N,3,8,8"),
    "verify": lambda n: [
        (one.name, one.params, one.macs, one.macs_unexplained)
        for one in cnnstat.verify(net(n), SHAPE).referees
    ],
}


def in_threads(actions):
    """The results of the actions, each in a thread of its own, all begun at once."""
    begin = threading.Barrier(len(actions))

    def act(action):
        begin.wait()
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return [future.result(PATIENCE) for future in [pool.submit(act, a) for a in actions]]


def test_eight_threads_and_every_function():
    jobs = [(name, width) for width in (3, 4) for name in CALLS]
    alone = {job: CALLS[job[0]](job[1]) for job in jobs}
    call, modules, dtype = nn.Module.__call__, set(sys.modules), torch.get_default_dtype()

    def some(first):
        mine = [jobs[(first + i) % len(jobs)] for i in range(0, len(jobs), 5)]
        return {job: CALLS[job[0]](job[1]) for job in mine}

    for found in in_threads([lambda n=n: some(n) for n in range(8)]):
        for job, result in found.items():
            assert result == alone[job], job
    assert nn.Module.__call__ is call
    assert set(sys.modules) >= modules
    assert torch.get_default_dtype() is dtype
    assert torch._C._len_torch_dispatch_stack() == torch._C._len_torch_function_stack() == 0
    assert threading.Thread.start.__module__ == "threading"


def train(steps=25):
    """Losses and final weights of a real training, with dropout and attention."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.2, batch_first=True)
    model = nn.Sequential(nn.Linear(8, 16), layer, nn.Dropout(0.3), nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(steps):
        loss = model(torch.randn(4, 5, 8)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():  # the fast path of attention, unless it is disabled
        losses.append(model(torch.ones(2, 5, 8)).sum().item())
    return losses


def test_a_training_meanwhile_is_neither_recorded_nor_disturbed():
    alone = train()
    model = net(4)  # here: its weights are drawn from the generator of the training
    expected = cnnstat.analyze(model, SHAPE)
    over = threading.Event()

    def analyse():
        found = []
        while not over.is_set():
            found.append(cnnstat.analyze(model, SHAPE))
            cnnstat.memory(model, SHAPE)
            cnnstat.analyze("lenet")
        return found

    def training():
        try:
            return train()
        finally:
            over.set()

    found, losses = in_threads([analyse, training])
    assert losses == alone
    assert found
    assert all(one == expected for one in found)


def test_asyncio():
    async def both():
        return await asyncio.gather(
            *(asyncio.to_thread(CALLS["analyze"], width) for width in (3, 4, 5, 6))
        )

    assert asyncio.run(both()) == [CALLS["analyze"](width) for width in (3, 4, 5, 6)]


def inner_macs():
    return cnnstat.analyze(nn.Linear(7, 3), (2, 7)).totals.macs


def test_a_model_may_analyse_in_its_forward():
    found = []

    def forward(self, x):
        found.append(inner_macs())
        return self.layer(x)

    analysis = cnnstat.analyze(With(forward, layer=nn.Linear(4, 5)), (2, 4))
    assert found == [2 * 7 * 3]
    assert analysis.totals.macs == 2 * 4 * 5


@pytest.mark.parametrize("is_new", [True, False])
def test_a_model_may_wait_for_threads_that_analyse(is_new):
    found = []
    earlier = ThreadPoolExecutor(3)
    earlier.submit(int).result(PATIENCE)

    def forward(self, x):
        with ThreadPoolExecutor(3) if is_new else earlier as pool:
            found.extend(pool.map(lambda _: inner_macs(), range(3), timeout=PATIENCE))
        return self.layer(x)

    model = With(forward, layer=nn.Linear(4, 5))
    (analysis,) = in_threads([lambda: cnnstat.analyze(model, (2, 4))])
    assert found == [2 * 7 * 3] * 3
    assert analysis.totals.macs == 2 * 4 * 5


def test_a_thread_that_outlives_its_run_takes_turns_with_all():
    go_on, found = threading.Event(), []

    def later():
        assert go_on.wait(PATIENCE)
        found.append(inner_macs())

    threads = []

    def forward(x):
        threads.append(threading.Thread(target=later))
        threads[-1].start()
        return F.relu(x)

    cnnstat.analyze(Function(forward), (2, 4))
    go_on.set()
    assert in_threads([inner_macs] * 3) == [42] * 3
    for thread in threads:
        thread.join(PATIENCE)
    assert found == [42]


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="there is no fork here")
def test_a_forked_process_waits_for_no_thread_of_its_parent():
    import multiprocessing

    inside, go_on = threading.Event(), threading.Event()

    def forward(x):
        inside.set()
        go_on.wait(PATIENCE)
        return F.relu(x)

    thread = threading.Thread(target=lambda: cnnstat.analyze(Function(forward), (2, 4)))
    thread.start()
    assert inside.wait(PATIENCE)
    child = multiprocessing.get_context("fork").Process(target=inner_macs)
    child.start()
    child.join(PATIENCE)
    go_on.set()
    thread.join(PATIENCE)
    assert child.exitcode == 0


def under_make_fx(function):
    from torch.fx.experimental.proxy_tensor import make_fx

    make_fx(function)(torch.ones(3))


CONTEXTS = {
    "fake tensors": FakeTensorMode,
    "a counter of torch": lambda: FlopCounterMode(display=False),
    "inference mode": torch.inference_mode,
    "a default device": lambda: torch.device("meta"),
    "dispatch in Python": enable_python_dispatcher,
    "no functions of subclasses": torch._C.DisableTorchFunction,
    "anomaly detection": torch.autograd.detect_anomaly,
}


@pytest.mark.parametrize("name", CONTEXTS)
@pytest.mark.filterwarnings("ignore:Anomaly Detection")
def test_contexts_of_the_caller_change_no_figure(name):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))

    def figures():
        return (
            cnnstat.analyze(model, SHAPE), cnnstat.analyze(model, SHAPE, lane="cpu"),
            cnnstat.memory(model, SHAPE), cnnstat.formulas(model, "N,3,8,8"),
            [(r.name, r.macs, r.params) for r in cnnstat.verify(model, SHAPE).referees],
        )  # fmt: skip

    outside = figures()
    with CONTEXTS[name]():
        assert figures() == outside


TRANSFORMS = {
    "vmap": lambda function: torch.vmap(function)(torch.ones(3)),
    "grad": lambda function: torch.func.grad(function)(torch.ones(())),
    "functionalize": lambda function: torch.func.functionalize(function)(torch.ones(3)),
    "jit.trace": lambda function: torch.jit.trace(function, torch.ones(3), check_trace=False),
    "make_fx": under_make_fx,
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_function_that_torch_transforms_may_not_analyse(name):
    model = nn.Linear(7, 3)

    def function(x):
        cnnstat.analyze(model, (2, 7))
        return x * 2

    with pytest.raises(cnnstat.CnnstatError, match="cnnstat cannot run inside"):
        TRANSFORMS[name](function)
    assert cnnstat.analyze(model, (2, 7)).totals.macs == 2 * 7 * 3


def test_a_model_may_seed_as_its_caller_did_beside_other_threads():
    """Other threads may draw meanwhile, so the generator is set back only where this one did."""

    def forward(x):
        torch.manual_seed(5)
        return x * 2

    torch.manual_seed(5)
    torch.rand(3)
    before = torch.get_rng_state()
    end = threading.Event()
    other = threading.Thread(target=end.wait)
    other.start()
    try:
        cnnstat.analyze(Function(forward), (2, 7))
    finally:
        end.set()
        other.join()
    assert torch.equal(torch.get_rng_state(), before)
