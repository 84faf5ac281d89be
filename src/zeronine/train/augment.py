"""Random changes that a digit survives. Knows images and randomness; knows nothing of networks or labels.

All are drawn from the generator that the caller passes, so that a resumed run sees what it would have seen.
"""

from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """How far a digit image may be bent. Every figure is the end of a uniform range around "unchanged".

    Attributes:
        rotation: degrees.
        scale: fraction of width and of height, drawn apart.
        shear: horizontal run per unit of height, that is slant.
        shift: pixels of 28.
        elastic: pixels of 28, standard deviation of a smooth random displacement.
        stroke: greatest blend, 0..1, towards the image with strokes one pixel thicker or thinner.
        damage: share of images, 0..1, that are damaged too: noise, blur, coarse pixels, a line, a gap, less contrast.
    """

    rotation: float
    scale: float
    shear: float
    shift: float
    elastic: float
    stroke: float
    damage: float = 0.0

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Bent copies of images (N, 1, 28, 28) in 0..1, each by its own draw."""
        if not any((self.rotation, self.scale, self.shear, self.shift, self.elastic, self.stroke, self.damage)):
            return images
        if self.stroke:
            images = _stroke(images, self.stroke, generator)
        grid = functional.affine_grid(self._matrices(len(images), generator), list(images.shape), align_corners=False)
        if self.elastic:
            grid = grid + _smooth_noise(len(images), images.shape[-1], self.elastic, generator)
        grid = grid.to(images.device)
        images = functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        return _damaged(images, self.damage, generator) if self.damage else images

    def _matrices(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Affine maps (N, 2, 3) from output to input places, in -1..1 coordinates."""

        def uniform(end: float) -> torch.Tensor:
            return (torch.rand(count, generator=generator) * 2 - 1) * end

        angle = torch.deg2rad(uniform(self.rotation))
        width, height = 1 + uniform(self.scale), 1 + uniform(self.scale)
        shear = uniform(self.shear)
        cosine, sine = angle.cos(), angle.sin()
        rows = (
            torch.stack([width * cosine, width * (shear * cosine - sine), uniform(self.shift / 14)], 1),
            torch.stack([height * sine, height * (shear * sine + cosine), uniform(self.shift / 14)], 1),
        )
        return torch.stack(rows, 1)


def _smooth_noise(count: int, size: int, pixels: float, generator: torch.Generator) -> torch.Tensor:
    """Displacements (N, size, size, 2) in -1..1 coordinates: noise on a 7×7 lattice, made smooth by bicubic."""
    coarse = torch.randn(count, 2, 7, 7, generator=generator) * (pixels * 2 / size)
    return functional.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=False).permute(0, 2, 3, 1)


def _stroke(images: torch.Tensor, most: float, generator: torch.Generator) -> torch.Tensor:
    """Half of the images thicker, half thinner, each by its own blend with its dilation or erosion."""
    blend = ((torch.rand(len(images), 1, 1, 1, generator=generator) * 2 - 1) * most).to(images.device)
    thick = functional.max_pool2d(images, 3, stride=1, padding=1)
    thin = -functional.max_pool2d(-images, 3, stride=1, padding=1)
    return images + blend.clamp(min=0) * (thick - images) + (-blend).clamp(min=0) * (thin - images)


def _damaged(images: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """A share of the images each with one of the kinds of damage, in equal parts; by chance which get one more."""
    order = torch.randperm(len(images), generator=generator)[: round(share * len(images))]
    kinds = torch.randperm(len(DAMAGES), generator=generator).tolist()
    result = images.clone()
    for kind, chosen in zip(kinds, order.tensor_split(len(kinds)), strict=True):
        if len(chosen):
            result[chosen] = DAMAGES[kind](images[chosen], generator).clamp(0, 1)
    return result


def _halved(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Which of the images are of one half, by chance: (N, 1, 1, 1) of bool."""
    return _uniform(images, 0, 1, generator) < 0.5


def _uniform(images: torch.Tensor, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    """One number per image, (N, 1, 1, 1)."""
    return (low + (high - low) * torch.rand(len(images), 1, 1, 1, generator=generator)).to(images.device)


def _noisy(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Gaussian noise of up to 0.35."""
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    return images + noise * _uniform(images, 0.02, 0.35, generator)


def _specked(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Up to an eighth of the pixels black or white."""
    draw = torch.rand(images.shape, generator=generator).to(images.device)
    share = _uniform(images, 0.0, 0.12, generator)
    return torch.where(draw < share / 2, 1.0, torch.where(draw > 1 - share / 2, 0.0, images))


def _blurred(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Means over 3×3, 1×5 or 5×1 pixels, as bright at its brightest as before or not."""
    sizes = ((3, 3), (1, 5), (5, 1))
    ways = [functional.avg_pool2d(images, size, 1, (size[0] // 2, size[1] // 2)) for size in sizes]
    way = torch.randint(len(ways), (len(images),), generator=generator).to(images.device)
    blurred = torch.stack(ways)[way, torch.arange(len(images), device=images.device)]
    return blurred * _uniform(images, 1.0, 1.6, generator)


def _coarse(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Pixels of twice the size, or strokes without grey."""
    pixels = functional.interpolate(functional.avg_pool2d(images, 2), scale_factor=2, mode="nearest")
    bare = (images > _uniform(images, 0.2, 0.7, generator)).float()
    return torch.where(_halved(images, generator), pixels, bare)


def _lined(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A straight line through the image: white for half of the images; black, which makes a gap, for the rest."""
    height, width = images.shape[2:]
    angle = _uniform(images, 0.0, torch.pi, generator)
    rows = torch.arange(height, device=images.device).reshape(1, 1, -1, 1) - height / 2
    columns = torch.arange(width, device=images.device).reshape(1, 1, 1, -1) - width / 2
    across = rows * angle.cos() + columns * angle.sin() - _uniform(images, -11, 11, generator)
    line = (_uniform(images, 0.7, 1.6, generator) - across.abs()).clamp(0, 1) * _uniform(images, 0.4, 1.0, generator)
    return torch.where(_halved(images, generator), torch.maximum(images, line), images * (1 - line))


def _zigzagged(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A jagged line across the image, as of a pen that strikes out or of a torn edge."""
    height, width = images.shape[2:]
    angle = _uniform(images, 0.0, torch.pi, generator)
    rows = torch.arange(height, device=images.device).reshape(1, 1, -1, 1) - height / 2
    columns = torch.arange(width, device=images.device).reshape(1, 1, 1, -1) - width / 2
    along, across = columns * angle.cos() - rows * angle.sin(), rows * angle.cos() + columns * angle.sin()
    period = _uniform(images, 2.5, 8.0, generator)
    teeth = ((along / period + _uniform(images, 0, 1, generator)) % 1 - 0.5).abs() * 4 - 1
    across = across - _uniform(images, -11, 11, generator) - teeth * _uniform(images, 0.8, 2.5, generator)
    line = (_uniform(images, 0.8, 1.6, generator) - across.abs()).clamp(0, 1) * _uniform(images, 0.5, 1.0, generator)
    return torch.maximum(images, line)


def _banded(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A strip along one or two opposite edges turned into its negative, as where a dark table shows beside paper."""
    size = images.shape[-1]
    place = torch.arange(size, device=images.device).reshape(1, 1, 1, -1)
    first, last = _uniform(images, 0, size / 3, generator), _uniform(images, 0, size / 3, generator)
    columns = ((place < first) | (place >= size - last)).float()
    return (images - torch.where(_halved(images, generator), columns, columns.transpose(2, 3))).abs()


def _outlined(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Only the edges of the strokes, as bright as they can be; of half of the images after a blur."""
    blurred = functional.avg_pool2d(images, 3, stride=1, padding=1)
    images = torch.where(_halved(images, generator), blurred * 1.5, images).clamp(0, 1)
    around = functional.max_pool2d(images, 3, stride=1, padding=1)
    within = -functional.max_pool2d(-images, 3, stride=1, padding=1)
    first, second = (images - within), (around - images)
    edges = torch.where(_halved(images, generator), first, second)
    sharp = (edges > _uniform(images, 0.2, 0.6, generator)).float()
    return torch.where(_halved(images, generator), edges, sharp)


def _faded(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Ink down to a third, paper up to a third."""
    return images * _uniform(images, 0.35, 1.0, generator) + _uniform(images, 0.0, 0.3, generator)


DAMAGES = (*(_noisy, _specked, _blurred, _coarse, _lined, _faded), *(_zigzagged, _banded, _outlined) * 2)
"""Those that hide most of a digit twice as often as the others."""
