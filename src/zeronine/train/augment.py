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
    """

    rotation: float
    scale: float
    shear: float
    shift: float
    elastic: float
    stroke: float

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Bent copies of images (N, 1, 28, 28) in 0..1, each by its own draw."""
        if self.stroke:
            images = _stroke(images, self.stroke, generator)
        grid = functional.affine_grid(self._matrices(len(images), generator), list(images.shape), align_corners=False)
        if self.elastic:
            grid = grid + _smooth_noise(len(images), images.shape[-1], self.elastic, generator)
        grid = grid.to(images.device)
        return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

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
