"""What a signal's handler raises, and what ends a forked process, passes to the caller."""

from __future__ import annotations

import functools
import os
import signal
import sys

import pytest
import torch
from torch import nn

import cnnstat
from cnnstat.errors import ModelError
from tests.networks import Function

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs signals and fork")


class OutOfTime(Exception):
    pass


def out_of_time(number, frame):
    raise OutOfTime


class Watch:
    def __call__(self, number, frame):
        raise OutOfTime

    def method(self, number, frame):
        raise OutOfTime


HANDLERS = {
    "function": out_of_time,
    "object": Watch(),
    "method": Watch().method,
    "partial": functools.partial(out_of_time),
}


def interrupted(x):
    os.kill(os.getpid(), signal.SIGUSR1)
    return x + 1


class Built(nn.Module):
    def __init__(self):
        super().__init__()
        interrupted(0)


@pytest.fixture
def installed(request):
    before = signal.signal(signal.SIGUSR1, HANDLERS[request.param])
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("installed", HANDLERS, indirect=True)
def test_what_a_handler_of_the_caller_raises(installed):
    call = nn.Module.__call__
    for run in (
        lambda: cnnstat.analyze(Function(interrupted), (1, 4)),
        lambda: cnnstat.analyze(Function(interrupted), (1, 4), lane="cpu"),
        lambda: cnnstat.memory(Function(interrupted), (1, 4), inference=True),
        lambda: cnnstat.analyze(Built, (1, 4)),
    ):
        with pytest.raises(OutOfTime):
            run()
    assert nn.Module.__call__ is call
    assert not torch.overrides._get_current_function_mode_stack()
    assert cnnstat.analyze(nn.Linear(4, 4), (1, 4)).totals.macs == 16


def test_a_handler_of_the_model_is_the_model():
    def forward(x):
        signal.signal(signal.SIGUSR1, out_of_time)
        return interrupted(x)

    with pytest.raises(ModelError, match="OutOfTime"):
        cnnstat.analyze(Function(forward), (1, 4))


def forking(child):
    def forward(x):
        process = os.fork()
        if process == 0:
            child()
        results.append(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
        return x + 1

    results: list[int] = []
    parent = os.getpid()
    try:
        cnnstat.analyze(Function(forward), (1, 4))
    except BaseException as error:
        if os.getpid() == parent:
            raise
        if isinstance(error, SystemExit):
            os._exit(error.code)
        os._exit(9 if "in a process that it forks" in str(error) else 1)
    finally:
        if os.getpid() != parent:
            os._exit(2)
    return results


def analysing():
    os._exit(cnnstat.analyze(nn.Linear(4, 4), (1, 4)).totals.macs)


@pytest.mark.parametrize(
    ("child", "status"),
    [(lambda: os._exit(5), 5), (lambda: sys.exit(3), 3), (lambda: 1 // 0, 9), (analysing, 16)],
    ids=["ends", "exits", "fails", "analyses"],
)
def test_a_process_that_forward_forks(child, status):
    assert forking(child) == [status]
