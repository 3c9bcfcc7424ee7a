"""The state of an encoder with two directions starts a decoder with one.

question: https://github.com/AuCson/PyTorch-Batch-Attention-Seq2seq/issues/2
set: validation
kind: axis
$ cnnstat shapes state_of_both_directions.py:Chat

accepted:
-        outputs = outputs[:, :, : self.hidden_size] + outputs[:, :, self.hidden_size :]
+        outputs = outputs[:, :, : self.hidden_size] + outputs[:, :, self.hidden_size :]
+        hidden = (hidden[0] + hidden[1]).unsqueeze(0)
accepted:
-        output, hidden = self.gru(rnn_input, last_hidden)
+        output, hidden = self.gru(rnn_input, last_hidden[:1])
accepted:
-        output, hidden = self.gru(rnn_input, last_hidden)
+        output, hidden = self.gru(rnn_input, last_hidden[-1:])
"""
import torch
import torch.nn as nn
import torch.nn.functional as F


class Encoder(nn.Module):
    def __init__(self, words, embed_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.embed = nn.Embedding(words, embed_size)
        self.gru = nn.GRU(embed_size, hidden_size, bidirectional=True)

    def forward(self, source):
        outputs, hidden = self.gru(self.embed(source))
        outputs = outputs[:, :, : self.hidden_size] + outputs[:, :, self.hidden_size :]
        return outputs, hidden


class Decoder(nn.Module):
    def __init__(self, words, embed_size, hidden_size):
        super().__init__()
        self.embed = nn.Embedding(words, embed_size)
        self.gru = nn.GRU(embed_size + hidden_size, hidden_size)
        self.out = nn.Linear(hidden_size, words)

    def forward(self, word, last_hidden, encoder_outputs):
        embedded = self.embed(word).unsqueeze(0)
        scores = (encoder_outputs * last_hidden[-1]).sum(2)
        context = (F.softmax(scores, 0).unsqueeze(2) * encoder_outputs).sum(0, keepdim=True)
        rnn_input = torch.cat([embedded, context], 2)
        output, hidden = self.gru(rnn_input, last_hidden)
        return self.out(output.squeeze(0))


class Chat(nn.Module):
    def __init__(self, words=200, embed_size=24, hidden_size=40):
        super().__init__()
        self.encoder = Encoder(words, embed_size, hidden_size)
        self.decoder = Decoder(words, embed_size, hidden_size)

    def forward(self, source, word):
        outputs, hidden = self.encoder(source)
        return self.decoder(word, hidden, outputs)


example_input = (torch.randint(0, 200, (14, 6)), torch.randint(0, 200, (6,)))
