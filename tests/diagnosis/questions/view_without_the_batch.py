"""A view lays the whole batch out as one row.

question: https://github.com/spro/practical-pytorch/issues/136
set: validation
kind: fixed batch
$ cnnstat shapes view_without_the_batch.py:AttentionDecoder

accepted:
-        word_embedded = self.embedding(word_input).view(1, 1, -1)
+        word_embedded = self.embedding(word_input).view(1, word_input.size(0), -1)
"""
import torch
import torch.nn as nn
import torch.nn.functional as F


class Attention(nn.Module):
    def __init__(self, hidden_size):
        super().__init__()
        self.attn = nn.Linear(hidden_size * 2, hidden_size)
        self.v = nn.Parameter(torch.rand(hidden_size))

    def forward(self, hidden, encoder_outputs):
        steps = encoder_outputs.size(0)
        hidden = hidden.unsqueeze(0).expand(steps, -1, -1)
        energy = torch.tanh(self.attn(torch.cat((hidden, encoder_outputs), 2)))
        return F.softmax((energy @ self.v).t(), dim=1).unsqueeze(1)


class AttentionDecoder(nn.Module):
    def __init__(self, hidden_size=64, output_size=1000, n_layers=1):
        super().__init__()
        self.embedding = nn.Embedding(output_size, hidden_size)
        self.dropout = nn.Dropout(0.1)
        self.attn = Attention(hidden_size)
        self.gru = nn.GRU(hidden_size * 2, hidden_size, n_layers)
        self.out = nn.Linear(hidden_size, output_size)

    def forward(self, word_input, last_hidden, encoder_outputs):
        word_embedded = self.embedding(word_input).view(1, 1, -1)
        word_embedded = self.dropout(word_embedded)
        attn_weights = self.attn(last_hidden[-1], encoder_outputs)
        context = attn_weights.bmm(encoder_outputs.transpose(0, 1))
        context = context.transpose(0, 1)
        rnn_input = torch.cat((word_embedded, context), 2)
        output, hidden = self.gru(rnn_input, last_hidden)
        output = F.log_softmax(self.out(output.squeeze(0)), dim=1)
        return output, hidden, attn_weights


example_input = (
    torch.randint(0, 1000, (8,)), torch.zeros(1, 8, 64), torch.randn(12, 8, 64),
)
