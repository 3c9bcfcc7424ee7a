"""Both states of an LSTM are passed, each for itself.

question: https://github.com/bentrevett/pytorch-seq2seq/issues/47
set: test
kind: tuple
$ cnnstat shapes states_without_brackets.py:Decoder

accepted:
-        output, (hidden, cell) = self.rnn(rnn_input, hidden.unsqueeze(0), cell.unsqueeze(0))
+        output, (hidden, cell) = self.rnn(rnn_input, (hidden.unsqueeze(0), cell.unsqueeze(0)))
"""
import torch
import torch.nn as nn


class Decoder(nn.Module):
    def __init__(self, words=300, emb_dim=32, hid_dim=64):
        super().__init__()
        self.embedding = nn.Embedding(words, emb_dim)
        self.attention = nn.Linear(2 * hid_dim, 1)
        self.rnn = nn.LSTM(emb_dim + hid_dim, hid_dim)
        self.out = nn.Linear(2 * hid_dim + emb_dim, words)

    def forward(self, token, hidden, cell, encoder_outputs):
        embedded = self.embedding(token.unsqueeze(0))
        repeated = hidden.unsqueeze(0).expand(encoder_outputs.size(0), -1, -1)
        energy = self.attention(torch.cat((repeated, encoder_outputs), dim=2))
        weights = torch.softmax(energy, dim=0)
        weighted = (weights * encoder_outputs).sum(0, keepdim=True)
        rnn_input = torch.cat((embedded, weighted), dim=2)
        output, (hidden, cell) = self.rnn(rnn_input, hidden.unsqueeze(0), cell.unsqueeze(0))
        features = torch.cat((output, weighted, embedded), dim=2).squeeze(0)
        return self.out(features)


example_input = (
    torch.randint(0, 300, (8,)), torch.randn(8, 64), torch.randn(8, 64), torch.randn(11, 8, 64),
)
