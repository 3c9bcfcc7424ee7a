"""A state that has the axis of the layers gets it again.

question: https://github.com/timbmg/Sentence-VAE/issues/35
set: test
kind: axis
$ cnnstat shapes axis_of_layers_twice.py:Sentences --input 10,16

accepted:
-        hidden = hidden.unsqueeze(0)
+        pass
"""
import torch
from torch import nn


class Sentences(nn.Module):
    def __init__(self, latent=16, hidden_size=32, words=100, bidirectional=True, num_layers=1):
        super().__init__()
        self.hidden_size = hidden_size
        self.factor = (2 if bidirectional else 1) * num_layers
        self.latent2hidden = nn.Linear(latent, hidden_size * self.factor)
        self.embedding = nn.Embedding(words, 24)
        self.decoder_rnn = nn.GRU(24, hidden_size, num_layers, bidirectional=bidirectional,
                                  batch_first=True)
        self.outputs2vocab = nn.Linear(hidden_size * (2 if bidirectional else 1), words)

    def forward(self, z):
        batch_size = z.size(0)
        hidden = self.latent2hidden(z)
        hidden = hidden.view(self.factor, batch_size, self.hidden_size)
        hidden = hidden.unsqueeze(0)
        start = torch.ones(batch_size, 5, dtype=torch.long)
        output, hidden = self.decoder_rnn(self.embedding(start), hidden)
        return self.outputs2vocab(output)
