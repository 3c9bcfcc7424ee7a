"""The layer of one branch is created with the size of another.

question: https://github.com/thomeou/SALSA/issues/16
set: test
kind: error of Python
$ cnnstat shapes size_of_the_other_branch.py:Decoder --input 2,40,128

accepted:
-            self.lstm = nn.LSTM(self.lstm_input_size, hidden_size=self.gru_size, num_layers=2,
+            self.lstm = nn.LSTM(self.lstm_input_size, hidden_size=self.lstm_size, num_layers=2,
"""
from torch import nn


class Decoder(nn.Module):
    def __init__(self, n_channels=128, n_classes=12, decoder_type="lstm", decoder_size=64):
        super().__init__()
        self.decoder_type = decoder_type
        if decoder_type == "gru":
            self.gru_input_size = n_channels
            self.gru_size = decoder_size
            self.fc_size = self.gru_size
            self.gru = nn.GRU(self.gru_input_size, hidden_size=self.gru_size, num_layers=2,
                              batch_first=True, dropout=0.3)
        elif decoder_type == "lstm":
            self.lstm_input_size = n_channels
            self.lstm_size = decoder_size
            self.fc_size = self.lstm_size
            self.lstm = nn.LSTM(self.lstm_input_size, hidden_size=self.gru_size, num_layers=2,
                                batch_first=True, dropout=0.3)
        self.event_fc = nn.Linear(self.fc_size, n_classes)

    def forward(self, x):
        if self.decoder_type == "gru":
            x, _ = self.gru(x)
        else:
            x, _ = self.lstm(x)
        return self.event_fc(x)
