"""A small result of every kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from torch import nn

import cnnstat


@cache
def result(kind: str) -> Any:
    convolutions = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3))
    results: dict[str, Callable[[], Any]] = {
        "analysis": lambda: cnnstat.analyze("residual-mnist"),
        "benchmark": lambda: cnnstat.measure("lenet", data="synthetic", steps=3, batch_size=4),
        "comparison": lambda: cnnstat.compare("nin", "alexnet"),
        "devices": cnnstat.list_devices,
        "diagnosis": lambda: diagnosis(),
        "explanation": lambda: cnnstat.explain("lenet", "conv1"),
        "formulas": lambda: cnnstat.formulas("lenet", "N,1,28,28"),
        "latency": lambda: cnnstat.latency("lenet", batch_size=[1, 2], seconds=0.1),
        "lint": lambda: cnnstat.lint(convolutions, (2, 3, 8, 8)),
        "listing": cnnstat.list_models,
        "memory": lambda: cnnstat.memory("lenet", batch_size=8),
        "parameters": lambda: cnnstat.parameters("lenet"),
        "roofline": lambda: cnnstat.roofline("lenet", device="h100"),
        "scaling": lambda: cnnstat.scale("lenet", "nin", over="N=1,2"),
        "verification": lambda: cnnstat.verify("lenet"),
    }
    return results[kind]()


def diagnosis() -> Any:
    with pytest.raises(cnnstat.ModelError) as error:
        cnnstat.analyze(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(7, 2)), (1, 3, 8, 8))
    return error.value.diagnosis
