"""The LSTM returns its outputs and its state.

set: train
kind: tuple
$ cnnstat shapes lstm_in_sequential.py:tagger --input 3,12,6

accepted:
-tagger = nn.Sequential(
-    nn.LSTM(6, 16, batch_first=True),
+class Output(nn.LSTM):
+    def forward(self, x):
+        return super().forward(x)[0]
+
+
+tagger = nn.Sequential(
+    Output(6, 16, batch_first=True),
accepted:
-tagger = nn.Sequential(
+class First(nn.Module):
+    def forward(self, outputs):
+        return outputs[0]
+
+
+tagger = nn.Sequential(
-    nn.Linear(16, 5),
+    First(),
+    nn.Linear(16, 5),
"""
from torch import nn

tagger = nn.Sequential(
    nn.LSTM(6, 16, batch_first=True),
    nn.Linear(16, 5),
)
