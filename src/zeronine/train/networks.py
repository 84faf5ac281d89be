"""Our own networks, in PyTorch. Knows layers and shapes; knows nothing of data, training or files.

Every network takes digit images, (N, 1, 28, 28) float32 in 0..1, and gives logits, (N, outputs).
"""

from collections.abc import Sequence

import torch
from torch import nn

from zeronine.errors import RecipeError

MEAN, STANDARD_DEVIATION = 0.1307, 0.3081
"""Of all pixels of MNIST's 60,000 training images, in 0..1."""


class Convnet(nn.Module):
    """Convolutions with batch norm and ReLU, then pooled over the image or flattened, then dense.

    ReLU and not GELU: ONNX Runtime folds it into the convolution, and reads 1.7 times as many images a second.

    Args:
        features: (N, 1, 28, 28) -> (N, width).
        width: of the features.
        outputs: number of answers.
        doubt: what tells digits from other things, see ``Doubt``; trained when all else is.
    """

    def __init__(self, features: nn.Sequential, width: int, outputs: int, doubt: "Doubt | None" = None) -> None:
        super().__init__()
        self.features = features
        self.answer = nn.Linear(width, outputs)
        self.doubt = doubt

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of images (N, 1, 28, 28) in 0..1: (N, outputs), or (N, outputs + 1) with one for "none of them"."""
        scaled = (images - MEAN) / STANDARD_DEVIATION
        if self.doubt is None:
            logits: torch.Tensor = self.answer(self.features(scaled))
            return logits
        early, late = self._seen(scaled, self.doubt.depth)
        logits = self.answer(late)
        none = logits.logsumexp(1, keepdim=True) + self.doubt(early, late)  # so that softmax gives sigmoid(doubt)
        return torch.cat([logits, none], 1)

    def seen(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the branch takes of images (N, 1, 28, 28) in 0..1, without gradient: early and late features."""
        assert self.doubt is not None
        with torch.no_grad():
            return self._seen((images - MEAN) / STANDARD_DEVIATION, self.doubt.depth)

    def _seen(self, scaled: torch.Tensor, depth: int) -> tuple[torch.Tensor, torch.Tensor]:
        early: torch.Tensor = self.features[:depth](scaled)
        return early, self.features[depth:](early)

    def sharpen(self, temperature: float) -> None:
        """Divide all logits from now on by a temperature."""
        with torch.no_grad():
            for parameter in self.answer.parameters():
                parameter.div_(temperature)


class Doubt(nn.Module):
    """Tells digits from other things, from what a trained network sees of them.

    It has convolutions of its own: learned together in one network, the other things cost the digits 0.1 points.

    Args:
        depth: layers of the network's features before it branches off.
        early: channels there, on 7×7.
        late: width of the network's features.
        width: channels of its own.
    """

    def __init__(self, depth: int, early: int, late: int, width: int = 48) -> None:
        super().__init__()
        self.depth = depth
        self.features = nn.Sequential(
            convolution(early, width, 3),
            convolution(width, width, 3, stride=2),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
        )
        self.answer = nn.Sequential(nn.Linear(width + late, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, early: torch.Tensor, late: torch.Tensor) -> torch.Tensor:
        """Logit (N, 1) of being none of the classes, from early (N, C, 7, 7) and late (N, width) features."""
        doubt: torch.Tensor = self.answer(torch.cat([self.features(early), late], 1))
        return doubt


class Ensemble(nn.Module):
    """Several networks that answer together, by the mean of their probabilities.

    Args:
        members: networks with the same outputs.
    """

    def __init__(self, members: Sequence[Convnet]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logarithms of the mean probabilities (N, outputs), which softmax gives back, of images (N, 1, 28, 28)."""
        return torch.stack([member(images).softmax(1) for member in self.members]).mean(0).log()


def pooled(widths: Sequence[int], pools: Sequence[int], outputs: int, doubt: bool = False) -> Convnet:
    """3×3 convolutions, max-pools between them, global max-pool, dense.

    Args:
        widths: channels of each convolution.
        pools: after which convolutions, counted from 1, a 2×2 max-pool halves the image.
        outputs: number of answers.
        doubt: whether it has a branch that tells digits from other things, after the second pool.

    Raises:
        RecipeError: there is no second pool to branch off after.
    """
    pools = sorted(set(pools))
    if doubt and len(pools) < 2:
        raise RecipeError("a network that refuses branches off after its second pool: set two pools, or refused=0")
    layers: list[nn.Module] = []
    for number, (before, channels) in enumerate(zip((1, *widths), widths, strict=False), 1):
        layers += [convolution(before, channels, 3)]
        layers += [nn.MaxPool2d(2)] if number in pools else []
    branch = Doubt(pools[1] + 2, widths[pools[1] - 1], widths[-1]) if doubt else None
    return Convnet(nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten()), widths[-1], outputs, branch)


def strided(widths: Sequence[int], pools: Sequence[int], outputs: int, doubt: bool = False) -> Convnet:
    """5×5 convolutions of stride 2, then a dense layer, then the answer: few operations for each image.

    Args:
        widths: channels of each convolution, then width of the dense layer.
        pools: none.
        outputs: number of answers.
        doubt: no.

    Raises:
        RecipeError: it should doubt, or there is no convolution.
    """
    if doubt:
        raise RecipeError("strided convolutions have no branch that refuses: leave refused at 0")
    if len(widths) < 2:
        raise RecipeError("widths are of the convolutions, one at least, and of the dense layer: set widths=16,128")
    *channels, dense = widths
    layers: list[nn.Module] = [
        convolution(before, after, 5, stride=2) for before, after in zip((1, *channels), channels, strict=False)
    ]
    side = 28
    for _ in channels:
        side = (side + 1) // 2
    layers += [nn.Flatten(), nn.Linear(channels[-1] * side * side, dense, bias=False), nn.BatchNorm1d(dense), nn.ReLU()]
    return Convnet(nn.Sequential(*layers), dense, outputs)


def convolution(channels_in: int, channels_out: int, size: int | tuple[int, int], stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU; height and width are kept, or divided by the stride. Batch norm has the bias."""
    down, across = (size, size) if isinstance(size, int) else size
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, (down, across), stride, padding=(down // 2, across // 2), bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )
