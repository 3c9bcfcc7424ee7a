"""Without the second direction the decoder gets a hidden size of 1.

question: https://github.com/IBM/pytorch-seq2seq/pull/99
set: validation
kind: name or expression
$ cnnstat shapes one_for_the_hidden_size.py:Translation

accepted:
-        self.decoder = Decoder(words, hidden_size * 2 if bidirectional else 1)
+        self.decoder = Decoder(words, hidden_size * 2 if bidirectional else hidden_size)
accepted:
-        self.decoder = Decoder(words, hidden_size * 2 if bidirectional else 1)
+        self.decoder = Decoder(words, hidden_size * (2 if bidirectional else 1))
"""
import torch
from torch import nn


class Encoder(nn.Module):
    def __init__(self, words, hidden_size, bidirectional):
        super().__init__()
        self.embedding = nn.Embedding(words, hidden_size)
        self.rnn = nn.GRU(hidden_size, hidden_size, batch_first=True, bidirectional=bidirectional)
        self.bidirectional = bidirectional

    def forward(self, tokens):
        output, hidden = self.rnn(self.embedding(tokens))
        if self.bidirectional:
            hidden = torch.cat([hidden[0::2], hidden[1::2]], 2)
        return output, hidden


class Decoder(nn.Module):
    def __init__(self, words, hidden_size):
        super().__init__()
        self.embedding = nn.Embedding(words, hidden_size)
        self.rnn = nn.GRU(hidden_size, hidden_size, batch_first=True)
        self.out = nn.Linear(hidden_size, words)

    def forward(self, tokens, hidden):
        output, hidden = self.rnn(self.embedding(tokens), hidden)
        return self.out(output)


class Translation(nn.Module):
    def __init__(self, words=500, hidden_size=64, bidirectional=False):
        super().__init__()
        self.encoder = Encoder(words, hidden_size, bidirectional)
        self.decoder = Decoder(words, hidden_size * 2 if bidirectional else 1)

    def forward(self, source, target):
        _, hidden = self.encoder(source)
        return self.decoder(target, hidden)


example_input = (torch.randint(0, 500, (4, 12)), torch.randint(0, 500, (4, 9)))
