"""Inverted residuals with depthwise convolutions, in the style of MobileNetV2."""

from torch import nn

example_input = (1, 3, 96, 96)


class ConvNormActivation(nn.Sequential):
    def __init__(self, given, made, kernel_size=3, stride=1, groups=1):
        padding = (kernel_size - 1) // 2
        super().__init__(
            nn.Conv2d(given, made, kernel_size, stride, padding, groups=groups, bias=False),
            nn.BatchNorm2d(made),
            nn.ReLU6(inplace=True),
        )


class BlockOfInvertedResidual(nn.Module):
    def __init__(self, given, made, stride, expand_ratio):
        super().__init__()
        hidden = round(given * expand_ratio)
        self.use_res_connect = stride == 1 and given == made
        self.conv = nn.Sequential(
            ConvNormActivation(given, hidden, kernel_size=1),
            ConvNormActivation(hidden, hidden, stride=stride, groups=hidden),
            nn.Conv2d(hidden, made, 1, 1, 0, bias=False),
            nn.BatchNorm2d(made),
        )

    def forward(self, x):
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class Net(nn.Module):
    def __init__(self, num_classes=1000):
        super().__init__()
        self.features = nn.Sequential(
            ConvNormActivation(3, 32, stride=2),
            BlockOfInvertedResidual(32, 16, 1, 1),
            BlockOfInvertedResidual(16, 24, 2, 6),
            BlockOfInvertedResidual(24, 24, 1, 6),
            BlockOfInvertedResidual(24, 32, 2, 6),
            BlockOfInvertedResidual(32, 64, 2, 6),
            ConvNormActivation(64, 256, kernel_size=1),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(256, num_classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))
