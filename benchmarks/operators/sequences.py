"""Embeddings and recurrent layers."""

import torch
from torch import nn


class Embedded(nn.Module):
    input = "3,12:int64"
    letters = "N,T:int64"

    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(50, 8, padding_idx=0), nn.Embedding(32, 8)
        self.head = nn.Linear(8, 50, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, x):
        y = self.tokens(x) + self.positions(torch.arange(x.shape[1], device=x.device))
        return self.head(y.mean(1))


class Bags(nn.Module):
    input = "4,6:int64"

    def __init__(self):
        super().__init__()
        self.summed = nn.EmbeddingBag(40, 8, mode="sum")
        self.mean = nn.EmbeddingBag(40, 8)

    def forward(self, x):
        return self.summed(x) * self.mean(x)


class LSTM(nn.Module):
    input = "3,12,8"
    letters = "N,12,8"

    def __init__(self):
        super().__init__()
        self.encoder = nn.LSTM(8, 6, num_layers=2, batch_first=True, dropout=0.2)
        self.decoder = nn.LSTM(6, 10, bidirectional=True, batch_first=True, proj_size=4)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        states, _ = self.encoder(x)
        states, (last, _) = self.decoder(states)
        return self.head(states[:, -1]), last


class GRU(nn.Module):
    input = "12,3,8"

    def __init__(self):
        super().__init__()
        self.both = nn.GRU(8, 6, bidirectional=True)
        self.down = nn.GRU(12, 5, bias=False)

    def forward(self, x):
        states, last = self.both(x)
        return self.down(states, last[:1, :, :5].contiguous())[0]


class Plain(nn.Module):
    input = "9,2,8"

    def __init__(self):
        super().__init__()
        self.tanh = nn.RNN(8, 6, num_layers=2)
        self.relu = nn.RNN(6, 4, nonlinearity="relu")

    def forward(self, x):
        return self.relu(self.tanh(x)[0])[0]


class Unbatched(nn.Module):
    input = "9,8"

    def __init__(self):
        super().__init__()
        self.lstm, self.gru, self.rnn = nn.LSTM(8, 6), nn.GRU(6, 5), nn.RNN(5, 4)

    def forward(self, x):
        return self.rnn(self.gru(self.lstm(x)[0])[0])[1]


class Cells(nn.Module):
    input = "4,3,8"

    def __init__(self):
        super().__init__()
        self.lstm, self.gru, self.rnn = nn.LSTMCell(8, 6), nn.GRUCell(6, 5), nn.RNNCell(5, 4)

    def forward(self, x):
        state, hidden, out = None, None, []
        for step in x:
            state = self.lstm(step, state)
            hidden = self.gru(state[0], hidden)
            out.append(self.rnn(hidden))
        return torch.stack(out)


class Tagger(nn.Module):
    """Convolutions, a recurrent layer and attention over one sequence."""

    input = "2,20:int64"

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 16)
        self.conv = nn.Conv1d(16, 16, 3, padding=1)
        self.lstm = nn.LSTM(16, 8, bidirectional=True, batch_first=True)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 7)

    def forward(self, x):
        x = self.conv(self.embed(x).transpose(1, 2)).relu().transpose(1, 2)
        x, _ = self.lstm(x)
        x = self.norm(x + self.attention(x, x, x)[0])
        return self.head(x).log_softmax(-1)
