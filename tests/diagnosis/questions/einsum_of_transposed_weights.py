"""The letters of an einsum have the axes of the weights the other way.

question: https://github.com/rasbt/LLMs-from-scratch/issues/857
set: validation
kind: several places
$ cnnstat shapes einsum_of_transposed_weights.py:EinsumAttention --input 2,32,64

accepted:
-        Q = torch.einsum("bnd,di->bni", x, self.W_query)
-        K = torch.einsum("bnd,di->bni", x, self.W_key)
-        V = torch.einsum("bnd,di->bni", x, self.W_value)
+        Q = torch.einsum("bnd,id->bni", x, self.W_query)
+        K = torch.einsum("bnd,id->bni", x, self.W_key)
+        V = torch.einsum("bnd,id->bni", x, self.W_value)
accepted:
-        self.W_query = nn.Parameter(torch.randn(d_out, d_in))
-        self.W_key = nn.Parameter(torch.randn(d_out, d_in))
-        self.W_value = nn.Parameter(torch.randn(d_out, d_in))
+        self.W_query = nn.Parameter(torch.randn(d_in, d_out))
+        self.W_key = nn.Parameter(torch.randn(d_in, d_out))
+        self.W_value = nn.Parameter(torch.randn(d_in, d_out))
"""
import torch
import torch.nn as nn


class EinsumAttention(nn.Module):
    def __init__(self, d_in=64, d_out=128, num_heads=8, context_length=32):
        super().__init__()
        self.d_out = d_out
        self.num_heads = num_heads
        self.head_dim = d_out // num_heads
        self.W_query = nn.Parameter(torch.randn(d_out, d_in))
        self.W_key = nn.Parameter(torch.randn(d_out, d_in))
        self.W_value = nn.Parameter(torch.randn(d_out, d_in))
        self.out_proj = nn.Linear(d_out, d_out)
        mask = torch.triu(torch.ones(context_length, context_length), diagonal=1)
        self.register_buffer("mask", mask.bool())

    def forward(self, x):
        b, n, _ = x.shape
        Q = torch.einsum("bnd,di->bni", x, self.W_query)
        K = torch.einsum("bnd,di->bni", x, self.W_key)
        V = torch.einsum("bnd,di->bni", x, self.W_value)
        Q = Q.view(b, n, self.num_heads, self.head_dim).transpose(1, 2)
        K = K.view(b, n, self.num_heads, self.head_dim).transpose(1, 2)
        V = V.view(b, n, self.num_heads, self.head_dim).transpose(1, 2)
        scores = torch.einsum("bhnd,bhmd->bhnm", Q, K) / self.head_dim**0.5
        scores = scores.masked_fill(self.mask[:n, :n], -torch.inf)
        weights = torch.softmax(scores, dim=-1)
        context = torch.einsum("bhnm,bhmd->bhnd", weights, V)
        context = context.transpose(1, 2).reshape(b, n, self.d_out)
        return self.out_proj(context)
