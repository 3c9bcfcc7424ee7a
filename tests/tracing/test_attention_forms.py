"""The form of attention on the CPU is the one that torch's profiler sees."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile

from cnnstat.tracing.training_step.device_kernels import attention_form


def heads(count, rows=7, features=16, batch=2, dtype=torch.float32):
    return torch.rand(batch, count, rows, features).to(dtype)


MASK = torch.zeros(7, 7)
FORMS = {
    "plain": ([heads(8), heads(8), heads(8)], {}),
    "mask": ([heads(8), heads(8), heads(8)], {"attn_mask": MASK}),
    "trained mask": ([heads(8), heads(8), heads(8)], {"attn_mask": MASK.clone().requires_grad_()}),
    "narrower values": ([heads(8), heads(8), heads(8, features=12)], {}),
    "dropout": ([heads(8), heads(8), heads(8)], {"dropout_p": 0.1}),
    "one batch of keys": ([heads(8), heads(8, batch=1), heads(8, batch=1)], {}),
    "groups": ([heads(8, 5), heads(2), heads(2)], {"enable_gqa": True}),
    "groups of one": ([heads(8, 5), heads(8), heads(8)], {"enable_gqa": True}),
    "one group": ([heads(8, 5), heads(1), heads(1)], {"enable_gqa": True}),
    "groups, trained": (
        [heads(8).requires_grad_(), heads(2).requires_grad_(), heads(2).requires_grad_()],
        {"enable_gqa": True},
    ),
    "groups in half precision": (
        [heads(n, dtype=torch.bfloat16) for n in (8, 2, 2)], {"enable_gqa": True}
    ),
    "groups with a mask": ([heads(8), heads(2), heads(2)],
                           {"enable_gqa": True, "attn_mask": MASK}),
    "causal groups": ([heads(8), heads(2), heads(2)], {"enable_gqa": True, "is_causal": True}),
    "groups with dropout": ([heads(8), heads(2), heads(2)],
                            {"enable_gqa": True, "dropout_p": 0.1}),
    "two sizes of groups": ([heads(8), heads(4), heads(2)], {"enable_gqa": True}),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_form_on_the_cpu(name):
    operands, options = FORMS[name]
    with profile(activities=[ProfilerActivity.CPU]) as record:
        F.scaled_dot_product_attention(*operands, **options)
    fused = any("flash_attention" in event.key for event in record.key_averages())
    form = attention_form(
        "cpu", *operands, options.get("attn_mask"), options.get("dropout_p", 0.0),
        options.get("enable_gqa", False),
    )  # fmt: skip
    assert form == ("flash" if fused else "math")
