"""Sparse tensors: a product costs a MAC for each stored element and column of the other factor."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import cnnstat
from cnnstat.analysis.totals import bounds
from tests.networks import Function

NODES, FEATURES, UNITS = 5, 8, 4
EDGES = torch.tensor([[0, 1, 2, 3, 4, 0], [1, 2, 3, 4, 0, 0]])
ADJACENCY = torch.sparse_coo_tensor(EDGES, torch.ones(6), (NODES, NODES), check_invariants=True)
LAYOUTS = {
    "coo": ADJACENCY,
    "coalesced": ADJACENCY.coalesce(),
    "csr": ADJACENCY.to_sparse_csr(),
    "csc": ADJACENCY.to_sparse_csc(),
}
X = torch.ones(NODES, FEATURES)


class GraphConvolution(nn.Module):
    """A · X · W with a sparse A, as a buffer or a plain attribute."""

    def __init__(self, adjacency, buffer=True):
        super().__init__()
        self.weight = nn.Linear(FEATURES, UNITS, bias=False)
        if buffer:
            self.register_buffer("adjacency", adjacency)
        else:
            self.adjacency = adjacency

    def forward(self, x):
        return self.adjacency @ self.weight(x)


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("buffer", [True, False], ids=["buffer", "attribute"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_graph_convolution(layout, buffer):
    model = GraphConvolution(LAYOUTS[layout], buffer)
    analysis = cnnstat.analyze(model, (NODES, FEATURES))
    dense = NODES * FEATURES * UNITS
    assert analysis.totals.macs == dense + 6 * UNITS
    assert analysis.totals.exact
    assert analysis.lane == "cpu"
    assert "sparse tensors" in analysis.notes[-1]
    assert analysis.layers[0].outputs == (tuple(model(X).shape),)
    assert analysis.totals.buffers == (6 if buffer else 0)  # the stored elements


@pytest.mark.filterwarnings("ignore:Sparse")
def test_a_product_of_two_sparse_matrices_is_named():
    class Squared(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("a", ADJACENCY)

        def forward(self, x):
            return torch.sparse.mm(self.a, self.a).to_dense() + x

    analysis = cnnstat.analyze(Squared(), (NODES, NODES))
    (sentence,) = (s for s in bounds(analysis) if "lower bounds" in s)
    assert "decide which of them meet" in sentence


@pytest.mark.filterwarnings("ignore:Sparse")
def test_bytes_of_a_sparse_buffer_include_its_indices():
    totals = cnnstat.analyze(GraphConvolution(ADJACENCY), (NODES, FEATURES)).totals
    assert totals.buffer_bytes == 6 * 4 + 2 * 6 * 8  # values, and two int64 indices of each
    compressed = cnnstat.analyze(GraphConvolution(LAYOUTS["csr"]), (NODES, FEATURES)).totals
    assert compressed.buffer_bytes == 6 * 4 + 6 * 8 + (NODES + 1) * 8


def test_the_model_keeps_its_buffer():
    model = GraphConvolution(LAYOUTS["coo"].clone())
    before = model.adjacency
    cnnstat.analyze(model, (NODES, FEATURES))
    assert model.adjacency is before
    assert torch.equal(before.to_dense(), ADJACENCY.to_dense())


BLOCKS = torch.block_diag(torch.ones(2, 2), torch.ones(2, 2)).to_sparse_bsr((2, 2))

# name: (function, its tensors, MACs)
FACTS = {
    "sparse.mm": (torch.sparse.mm, [ADJACENCY, X], 6 * FEATURES),
    "sparse.addmm": (torch.sparse.addmm, [X, ADJACENCY, X], 6 * FEATURES),
    "second factor": (lambda a, x: x.t() @ a, [ADJACENCY, X], 6 * FEATURES),
    "transposed": (lambda a, x: a.t() @ x, [ADJACENCY, X], 6 * FEATURES),
    "vector": (lambda a, x: a @ x[:, 0], [ADJACENCY, X], 6),
    "weights of a layer": (lambda a, x: F.linear(x.t(), a), [ADJACENCY, X], 6 * FEATURES),
    "batch": (torch.bmm, [torch.stack([ADJACENCY] * 2), torch.ones(2, NODES, 3)], 2 * 6 * 3),
    "blocks": (torch.mm, [BLOCKS, torch.ones(4, 3)], 8 * 3),
    "sampled": (
        lambda a, x: torch.sparse.sampled_addmm(a.to_sparse_csr(), x, x.t()), [ADJACENCY, X],
        6 * FEATURES,
    ),
    "softmax": (lambda a, x: torch.sparse.softmax(a, 1), [ADJACENCY, X], 0),
    "dense": (lambda a, x: a.to_dense() @ x, [ADJACENCY, X], NODES * NODES * FEATURES),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("name", FACTS)
def test_macs(name):
    function, tensors, macs = FACTS[name]
    analysis = cnnstat.analyze(Function(function), *tensors)
    assert analysis.totals.uncounted == {}
    assert analysis.totals.macs == macs


@pytest.mark.filterwarnings("ignore:Sparse")
def test_a_sparse_matrix_made_in_the_forward():
    def forward(x, edges):
        ones = torch.ones(edges.shape[1], device=x.device)
        return torch.sparse_coo_tensor(edges, ones, (NODES, NODES)) @ x

    analysis = cnnstat.analyze(Function(forward), X, EDGES)
    assert (analysis.totals.macs, analysis.totals.exact) == (6 * FEATURES, True)


@pytest.mark.filterwarnings("ignore:Sparse")
def test_a_product_of_two_sparse_matrices_is_uncounted():
    totals = cnnstat.analyze(Function(torch.mm), ADJACENCY, ADJACENCY).totals
    assert list(totals.uncounted) == ["aten.mm"]  # it depends on which elements meet


def test_memory_of_a_sparse_gradient():
    class Net(nn.Module):
        def __init__(self, sparse):
            super().__init__()
            self.table = nn.Embedding(100_000, 64, sparse=sparse)
            self.head = nn.Linear(64, 5)

        def forward(self, tokens):
            return self.head(self.table(tokens).mean(1))

    dense, sparse = (
        cnnstat.memory(Net(kind), "4,8:int64", optimizer="sgd").peak_bytes for kind in (False, True)
    )
    table = 100_000 * 64 * 4
    assert 2 * table < dense < 2.01 * table
    assert table < sparse < 1.01 * table  # a gradient of 32 rows
    with pytest.raises(cnnstat.ModelError, match="optimizer") as caught:
        cnnstat.memory(Net(True), "4,8:int64", optimizer="adam")
    assert "Adam does not support sparse gradients" in str(caught.value)
