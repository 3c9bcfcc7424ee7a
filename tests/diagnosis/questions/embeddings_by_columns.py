"""The embeddings of nodes are columns, and the weights take rows.

question: https://github.com/YingtongDou/CARE-GNN/issues/8
set: test
kind: axis
$ cnnstat shapes embeddings_by_columns.py:Fraud --input 512,25 --input 512,512

accepted:
-        scores = embeddings.mm(self.weight)
+        scores = embeddings.t().mm(self.weight)
"""
import torch
import torch.nn as nn
import torch.nn.functional as F


class Aggregator(nn.Module):
    def __init__(self, features, size):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(2 * features, size))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, nodes, adjacency):
        neighbors = adjacency.mm(nodes) / adjacency.sum(1, keepdim=True).clamp(min=1)
        combined = torch.cat([nodes, neighbors], dim=1)
        return F.relu(combined.mm(self.weight).t())


class Fraud(nn.Module):
    def __init__(self, features=25, size=64, classes=2):
        super().__init__()
        self.inner = Aggregator(features, size)
        self.weight = nn.Parameter(torch.empty(size, classes))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, nodes, adjacency):
        embeddings = self.inner(nodes, adjacency)
        scores = embeddings.mm(self.weight)
        return torch.sigmoid(scores)
