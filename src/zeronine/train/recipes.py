"""Our recipes: one literal table. Each row holds all that decides a training, and what it reached."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zeronine.errors import RecipeError
from zeronine.train.augment import Augmentation
from zeronine.train.networks import Convnet, pooled, strided


@dataclass(frozen=True)
class Settings:
    """What a training of ours is decided by; each can be overridden by name.

    Attributes:
        epochs: passes over the training images.
        batch_size: images per step, over all processes.
        learning_rate: peak of the one-cycle schedule, which ends at zero.
        beta2: AdamW's memory of squared gradients.
        weight_decay: AdamW's, on weights with two or more axes.
        label_smoothing: share of each label that is spread over all classes.
        averaging: decay per step of the running average of the weights; 0 for none.
        temperature: what logits are divided by after training, so that probabilities are as high as they should
            be: label smoothing leaves them too low. 0.45 has the least log loss on 5,000 held-out training images
            (0.0137; 0.1097 as trained).
        members: networks, trained with one seed after the other, that answer together by their mean probability.
        teacher: run folder of a network whose answers are learned in place of the data set's labels; empty for none.
        digit: probability that a picture is a digit at all, below which a Reader refuses it as ``not a digit``.
        unsure: confidence below which a Reader refuses a picture as ``unsure``.
        widths: channels of the convolutions.
        pools: after which convolutions, counted from 1, the image is halved.
        written: drawn digits among the training images, see ``synthesis``.
        crowded: digits among neighbours and lines, likewise.
        settling: epochs at the end of the schedule without what is of our own making.
        finetuning: epochs after it, likewise, at a low rate; the weights halfway back are kept, see ``loop.finetune``.
            They give back what our own making costs on MNIST.
        refused: what is no digit, likewise; where there is any, a branch of the network learns to tell it when all else
            is learned.
        validation: training images kept out, stratified, to choose things by; 0 for a final run.
        rotation: degrees; this and the rest say how far images are bent, see ``Augmentation``.
        scale: fraction of width and of height.
        shear: slant.
        shift: pixels of 28.
        elastic: pixels of 28.
        stroke: 0..1, towards strokes one pixel thicker or thinner.
        damage: share of images with noise, blur, lines and such.

    Raises:
        RecipeError: a value is out of its range.
    """

    epochs: int = 16
    batch_size: int = 128
    learning_rate: float = 6e-3
    beta2: float = 0.999
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    averaging: float = 0.998
    temperature: float = 0.45
    members: int = 1
    teacher: str = ""
    digit: float = 0.0
    unsure: float = 0.0
    widths: tuple[int, ...] = (16, 32, 32, 64, 64, 128)
    pools: tuple[int, ...] = (1, 3, 5)
    written: int = 0
    crowded: int = 0
    settling: int = 0
    finetuning: int = 0
    refused: int = 0
    validation: int = 0
    rotation: float = 12.0
    scale: float = 0.12
    shear: float = 0.2
    shift: float = 2.5
    elastic: float = 0.3
    stroke: float = 0.0
    damage: float = 0.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "members"):
            if getattr(self, name) < 1:
                raise RecipeError(f"{name} is {getattr(self, name)}: it must be 1 or more")
        if not self.widths or min(self.widths) < 1:
            raise RecipeError(f"widths is {self.widths}: it must be whole numbers of 1 or more")
        if len(self.pools) > 4 or any(not 1 <= pool <= len(self.widths) for pool in self.pools):
            raise RecipeError(f"pools is {self.pools}: at most four of the convolutions 1 to {len(self.widths)}")
        for name in ("learning_rate", "temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise RecipeError(f"{name} is {getattr(self, name)}: it must be greater than 0")
        for name in ("label_smoothing", "averaging", "beta2", "scale", "damage", "digit", "unsure"):
            if not 0 <= getattr(self, name) < 1:
                raise RecipeError(f"{name} is {getattr(self, name)}: it must be 0 or more and less than 1")
        for name in (
            *("weight_decay", "validation", "written", "crowded", "settling", "finetuning", "refused"),
            *("rotation", "shear", "shift", "elastic", "stroke"),
        ):
            if not 0 <= getattr(self, name) < math.inf:
                raise RecipeError(f"{name} is {getattr(self, name)}: it must be 0 or more")

    @property
    def augmentation(self) -> Augmentation:
        """How far images are bent."""
        return Augmentation(self.rotation, self.scale, self.shear, self.shift, self.elastic, self.stroke, self.damage)


STANDARD = Settings(
    epochs=24,
    widths=(16, 48, 48, 64, 64, 96),
    written=60000,
    crowded=10000,
    settling=1,
    finetuning=3,
    refused=46000,
    digit=0.5,
    unsure=0.5,
    shear=0.25,
    stroke=0.3,
    damage=0.2,
)
"""Of the shipped network."""

STILL: Mapping[str, Any] = dict.fromkeys(("rotation", "scale", "shear", "shift", "elastic"), 0.0)
"""Of a training on the images as they are."""


@dataclass(frozen=True)
class Recipe:
    """A named, frozen description of a training of ours, with what it reached.

    Attributes:
        name: as the command line takes it.
        summary: the network in one line.
        training: how it is trained, in one line.
        network: makes the untrained network, or a member, from widths, pools, number of classes, whether it doubts.
        member: of an ensemble, the recipe that its members are runs of.
        settings: all else.
        data: name of the data set it is meant for.
        published: where it is somebody else's, the figure that its author states.
        claim: mean, sd, n, hardware, seconds, measured by the rules in CONTRIBUTING.md.
    """

    name: str
    summary: str
    training: str
    network: Callable[[Sequence[int], Sequence[int], int, bool], Convnet]
    settings: Settings = Settings()
    member: str = ""
    data: str = "mnist"
    published: str = ""
    claim: str = ""


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="sprint",
            summary="two 5×5 convolutions of stride 2, 16-32, dense 128, batch norm, ReLU",
            training="mnist, all 60,000 once, as they are: AdamW, one-cycle to 3e-2, label smoothing 0.1, batch 256",
            network=strided,
            settings=Settings(
                epochs=1,
                batch_size=256,
                learning_rate=3e-2,
                beta2=0.97,
                weight_decay=0.0,
                averaging=0.0,
                widths=(16, 32, 128),
                pools=(),
                **STILL,
            ),
            claim="99.09 ± 0.06 % (20 seeds), 3.2 s with two threads",
        ),
        Recipe(
            name="tiny",
            summary="six 3×3 convolutions 8-12-12-16-16-16, max-pools, batch norm, ReLU, global max-pool, dense",
            training="mnist, all 60,000, bent anew each time: AdamW, one-cycle to 1e-2, label smoothing 0.05, "
            "batch 128, 50 epochs, averaged weights",
            network=pooled,
            settings=Settings(
                epochs=50,
                learning_rate=1e-2,
                weight_decay=0.01,
                label_smoothing=0.05,
                widths=(8, 12, 12, 16, 16, 16),
                pools=(1, 3, 5),
                rotation=8.0,
                scale=0.1,
                shear=0.15,
                shift=1.5,
            ),
            claim="99.55 ± 0.04 % (5 seeds), 11 to 14 minutes with one thread",
        ),
        Recipe(
            name="standard",
            summary="six 3×3 convolutions 16-48-48-64-64-96, batch norm, ReLU, max-pools, dense; the shipped one",
            training="mnist, all 60,000, and in 23 of 24 epochs 70,000 digits of our own making, each bent and damaged "
            "anew: AdamW, one-cycle to 6e-3, label smoothing 0.1, batch 128, averaged weights; half of a fine-tuning "
            "on mnist alone; then what is no digit",
            network=pooled,
            settings=STANDARD,
            claim="99.54 ± 0.03 % (5 seeds), 25 to 27 minutes with one thread, 12 with two",
        ),
        Recipe(
            name="record",
            summary="five networks of standard; the mean of their probabilities",
            training="as standard, with five seeds one after the other",
            network=pooled,
            member="standard",
            settings=replace(STANDARD, members=5),
            claim="99.57 % (once)",
        ),
        Recipe(
            name="large",
            summary="eight 3×3 convolutions 32-64-64-128-128-192-192-256, batch norm, ReLU, max-pools, dense",
            training="mnist alone, all 60,000, each bent and damaged anew: as standard, 24 epochs; it refuses nothing",
            network=pooled,
            settings=Settings(
                epochs=24,
                widths=(32, 64, 64, 128, 128, 192, 192, 256),
                pools=(1, 3, 5),
                shear=0.25,
                stroke=0.3,
                damage=0.12,
            ),
            claim="99.69 % (once), 34 minutes with one thread",
        ),
    )
}
