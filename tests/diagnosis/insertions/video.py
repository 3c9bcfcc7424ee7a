"""A network of images gets the frames of a video.

fix: self.cnn(clip.flatten(0, 1)).unflatten(0, clip.shape[:2])
output: 2×4
"""

from torch import nn

example_input = "2,8,3,32,32"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.lstm = nn.LSTM(16, 32, batch_first=True)
        self.fc = nn.Linear(32, 4)

    def forward(self, clip):
        f = self.cnn(clip)
        out, _ = self.lstm(f)
        return self.fc(out[:, -1])
