"""VGG with batch norm, from a list of widths, in the style of torchvision."""

from torch import nn

example_input = (1, 3, 64, 64)


def make_layers(config):
    layers = []
    in_channels = 3
    for width in config:
        if width == "M":
            layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
        else:
            layers += [
                nn.Conv2d(in_channels, width, kernel_size=3, padding=1),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            in_channels = width
    return nn.Sequential(*layers)


class Net(nn.Module):
    def __init__(self, num_classes=1000):
        super().__init__()
        self.features = make_layers([64, "M", 128, "M", 256, 256, "M", 512, 512, "M"])
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=0.5),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x):
        x = self.avgpool(self.features(x))
        return self.classifier(x.flatten(1))
