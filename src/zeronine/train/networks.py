"""Our own networks, in PyTorch. Knows layers and shapes; knows nothing of data, training or files.

Every network takes digit images, (N, 1, 28, 28) float32 in 0..1, and gives logits, (N, classes).
"""

from collections.abc import Sequence

import torch
from torch import nn


def convolution(channels_in: int, channels_out: int) -> nn.Sequential:
    """3×3 convolution, batch norm, GELU; height and width are kept. No bias: batch norm has one."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.GELU(),
    )


class Conv6(nn.Module):
    """Six 3×3 convolutions in three pairs, a 2×2 max-pool between the pairs, global max-pool, dense.

    With widths 16, 16, 32, 32, 64, 64 and ten classes it has 72,666 parameters.

    Args:
        widths: channels of the six convolutions.
        classes: number of answers.
    """

    def __init__(self, widths: Sequence[int] = (16, 16, 32, 32, 64, 64), classes: int = 10) -> None:
        super().__init__()
        first, second, third, fourth, fifth, sixth = widths
        self.features = nn.Sequential(
            convolution(1, first),
            convolution(first, second),
            nn.MaxPool2d(2),
            convolution(second, third),
            convolution(third, fourth),
            nn.MaxPool2d(2),
            convolution(fourth, fifth),
            convolution(fifth, sixth),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
        )
        self.answer = nn.Linear(sixth, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, classes) of images (N, 1, 28, 28) in 0..1."""
        logits: torch.Tensor = self.answer(self.features((images - MEAN) / STANDARD_DEVIATION))
        return logits

    def sharpen(self, temperature: float) -> None:
        """Divide all logits from now on by a temperature."""
        with torch.no_grad():
            for parameter in self.answer.parameters():
                parameter.div_(temperature)


MEAN, STANDARD_DEVIATION = 0.1307, 0.3081
"""Of all pixels of MNIST's 60,000 training images, in 0..1."""
