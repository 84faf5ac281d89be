"""The tutorial networks in Keras, as their authors write them: a literal table, and a function for each network.

Knows networks, settings and claims; how they are trained is known to ``keras_loop``. Keras chooses what it computes
with once, at its first import: so it is imported in functions, after ``keras_loop.use_engine``.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from zeronine.errors import RecipeError

if TYPE_CHECKING:
    import keras

Shape = tuple[int, ...]
"""Of one image: (height, width), or (height, width, 3) in colour."""

ACTIVATIONS = ("linear", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "sigmoid", "tanh")
"""What may stand between layers, by Keras' names."""


@dataclass(frozen=True)
class Settings:
    """What every tutorial lets a learner change.

    Attributes:
        learning_rate: Adam's, above 0.
        batch_size: images per step.
        activation: of the hidden layers, one of ``ACTIVATIONS``.
        dropout: fraction, 0 to below 1, of the last hidden layer that is silenced at each step.
        holdout: images kept out of training, stratified, as the test set of data that has none.

    Raises:
        RecipeError: a value is out of its range.
    """

    learning_rate: float = 1e-3
    batch_size: int = 32
    activation: str = "relu"
    dropout: float = 0.0
    holdout: int = 0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            counts = value if isinstance(value, tuple) else (value,)
            if name in COUNTS and (not counts or min(counts) < 1):
                raise RecipeError(f"{name} is {value}: it must be 1 or more")
        if not 0 < self.learning_rate < math.inf:
            raise RecipeError(f"learning_rate is {self.learning_rate}: it must be greater than 0")
        if not 0 <= self.dropout < 1:
            raise RecipeError(f"dropout is {self.dropout}: it must be 0 or more and less than 1")
        if self.holdout < 0:
            raise RecipeError(f"holdout is {self.holdout}: it must be 0 or more")
        if self.activation not in ACTIVATIONS:
            raise RecipeError(f"there is no activation {self.activation!r}: choose from {', '.join(ACTIVATIONS)}")


COUNTS = ("batch_size", "epochs", "filters", "iterations", "patience", "report_every", "units")
"""Settings that must be 1 or more."""


@dataclass(frozen=True)
class DenseSettings(Settings):
    """Dense layers, trained for whole epochs.

    Attributes:
        units: widths of the hidden layers, first to last; there are as many layers as widths.
        epochs: passes over the training images.
    """

    units: tuple[int, ...] = (128, 256, 512)
    epochs: int = 10


@dataclass(frozen=True)
class IterationSettings(Settings):
    """Dense layers, trained for a number of steps.

    Attributes:
        units: widths of the hidden layers, first to last; there are as many layers as widths.
        iterations: steps, of one batch each.
        report_every: iterations between two rows of the history.
        as_published: whether to do as the tutorial's code does: no activation between the layers, and dropout
            that reaches nothing; or as its text means it.
    """

    learning_rate: float = 1e-4
    batch_size: int = 128
    dropout: float = 0.5
    units: tuple[int, ...] = (512, 256, 128)
    iterations: int = 1000
    report_every: int = 100
    as_published: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.as_published and (self.activation, self.dropout) != ("relu", 0.5):
            raise RecipeError("activation and dropout do nothing as published: set as_published to false as well")


@dataclass(frozen=True)
class ConvolutionSettings(Settings):
    """Convolutions and max-pools; training may stop early, and the best epoch is kept.

    Attributes:
        filters: of the 3×3 convolutions, first to last; a 2×2 max-pool follows each.
        epochs: passes over the training images, at most.
        patience: epochs without progress in validation accuracy after which training stops.
        min_delta: the least gain in validation accuracy, 0..1, that is progress.
    """

    batch_size: int = 16  # not published; best validation accuracy, 5 seeds: 16 98.80 %, 32 98.64 %
    dropout: float = 0.5
    filters: tuple[int, ...] = (32, 64)
    epochs: int = 5
    patience: int = 4
    min_delta: float = 0.01


AnySettings = DenseSettings | IterationSettings | ConvolutionSettings


def dense_25_15(shape: Shape, classes: int, settings: DenseSettings) -> "keras.Sequential":
    """The course exercise: two small hidden layers, a linear output; softmax is applied to it afterwards."""
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input(shape),
            layers.Flatten(),
            *[layers.Dense(units, activation=settings.activation) for units in settings.units],
            *([layers.Dropout(settings.dropout)] if settings.dropout else []),
            layers.Dense(classes, activation="linear"),
        ]
    )
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        optimizer=keras.optimizers.Adam(learning_rate=settings.learning_rate),
        metrics=["accuracy"],
    )
    return model


def dense_128_256_512(shape: Shape, classes: int, settings: DenseSettings) -> "keras.Sequential":
    """Three hidden layers, each wider than the one before, and softmax."""
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input(shape),
            layers.Flatten(),
            *[layers.Dense(units, activation=settings.activation) for units in settings.units],
            *([layers.Dropout(settings.dropout)] if settings.dropout else []),
            layers.Dense(classes, activation="softmax"),
        ]
    )
    model.compile(
        loss="categorical_crossentropy",
        optimizer=keras.optimizers.Adam(learning_rate=settings.learning_rate),
        metrics=["accuracy"],
    )
    return model


def dense_512_256_128(shape: Shape, classes: int, settings: IterationSettings) -> "keras.Sequential":
    """The one that was written for TensorFlow 1, with weights and biases made by hand.

    Its code multiplies and adds with no activation, and computes the output from the last hidden layer, not
    from that layer's dropout: four layers that are together one linear map. As published, so they are here.
    """
    import keras
    from keras import layers

    def dense(units: int, activation: str) -> Any:
        return layers.Dense(
            units,
            activation=activation,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.1),
            bias_initializer=keras.initializers.Constant(0.1),
        )

    activation, dropout = ("linear", 0.0) if settings.as_published else (settings.activation, settings.dropout)
    model = keras.Sequential(
        [
            keras.Input(shape),
            layers.Flatten(),
            *[dense(units, activation) for units in settings.units],
            *([layers.Dropout(dropout)] if dropout else []),
            dense(classes, "linear"),
        ]
    )
    model.compile(
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        optimizer=keras.optimizers.Adam(learning_rate=settings.learning_rate),
        metrics=["accuracy"],
    )
    return model


def conv_32_64(shape: Shape, classes: int, settings: ConvolutionSettings) -> "keras.Sequential":
    """Two 3×3 convolutions, a max-pool after each, dropout and softmax; for grey or colour images."""
    import keras
    from keras import layers

    model = keras.Sequential([keras.Input(shape if len(shape) == 3 else (*shape, 1))])
    for filters in settings.filters:
        model.add(layers.Conv2D(filters, (3, 3), activation=settings.activation))
        model.add(layers.MaxPooling2D((2, 2)))
    model.add(layers.Flatten())
    model.add(layers.Dropout(settings.dropout))
    model.add(layers.Dense(classes, activation="softmax"))
    model.compile(
        loss="categorical_crossentropy",
        optimizer=keras.optimizers.Adam(learning_rate=settings.learning_rate),
        metrics=["accuracy"],
    )
    return model


@dataclass(frozen=True)
class Tutorial:
    """A tutorial network and its training, as its author published them.

    Attributes:
        name: as the command line takes it.
        summary: the network in one line.
        training: data, loss, optimiser and length in one line.
        network: compiled and untrained, from the shape of an image, the number of classes, and settings.
        settings: what a learner can change, at the tutorial's values.
        data: name of the data set that the tutorial uses.
        validation: the images that are watched while training. ``test`` is as published; nothing is chosen by
            it, the last epoch counts. ``first twelfth`` is 5,000 of MNIST's 60,000, as in TensorFlow's
            ``read_data_sets``; ``last quarter`` is what ``fit(validation_split=0.25)`` takes.
        one_hot: whether labels are one-hot vectors.
        logits: whether the network ends before softmax.
        published: the figure that the tutorial states.
        claim: mean, sd, n, hardware, seconds, measured by the rules in CONTRIBUTING.md.
    """

    name: str
    summary: str
    training: str
    network: Callable[[Shape, int, Any], "keras.Sequential"]
    settings: AnySettings
    data: str
    validation: Literal["none", "test", "first twelfth", "last quarter"]
    one_hot: bool
    logits: bool
    published: str
    claim: str = ""


TUTORIALS = {
    tutorial.name: tutorial
    for tutorial in (
        Tutorial(
            name="dense-25-15",
            summary="dense 400-25-15-10: ReLU, ReLU, linear; softmax applied to the logits afterwards",
            training="coursera, all 5,000: sparse categorical cross-entropy on logits, Adam 1e-3, batch 32, 40 epochs",
            network=dense_25_15,
            settings=DenseSettings(units=(25, 15), epochs=40),
            data="coursera",
            validation="none",
            one_hot=False,
            logits=True,
            published="predicts correctly most of the time",
            claim="training images 99.46 ± 0.16 % (5 seeds), 16 s; with holdout=1000, those: 91.20 ± 0.28 % (5 seeds)",
        ),
        Tutorial(
            name="dense-128-256-512",
            summary="dense 784-128-256-512-10: ReLU, softmax",
            training="mnist, watched on its test set: categorical cross-entropy, Adam 1e-3, batch 32, 10 epochs",
            network=dense_128_256_512,
            settings=DenseSettings(units=(128, 256, 512), epochs=10),
            data="mnist",
            validation="test",
            one_hot=True,
            logits=False,
            published="97 % on the test set",
            claim="97.70 ± 0.08 % (5 seeds), 106 to 239 s",
        ),
        Tutorial(
            name="dense-512-256-128",
            summary="dense 784-512-256-128-10: linear as published; ReLU and dropout 0.5 as meant",
            training="mnist, 55,000 and 5,000 watched: softmax cross-entropy on logits, Adam 1e-4, "
            "batch 128, 1,000 iterations",
            network=dense_512_256_128,
            settings=IterationSettings(units=(512, 256, 128), iterations=1000),
            data="mnist",
            validation="first twelfth",
            one_hot=True,
            logits=True,
            published="92.06 % on the test set",
            claim="91.74 ± 0.14 % (5 seeds), 11 s; with as_published=false 94.21 ± 0.13 % (5 seeds), 27 s",
        ),
        Tutorial(
            name="conv-32-64",
            summary="conv 3×3 32, max-pool, conv 3×3 64, max-pool, dropout 0.5, dense 10: ReLU, softmax",
            training="mnist, a quarter watched: categorical cross-entropy, Adam 1e-3, batch 16, 5 epochs; "
            "may stop early; the epoch with the best validation accuracy is kept",
            network=conv_32_64,
            settings=ConvolutionSettings(filters=(32, 64), epochs=5),
            data="mnist",
            validation="last quarter",
            one_hot=True,
            logits=False,
            published="99.85 % on the training images, about 98 % on the test set",
            claim="98.95 ± 0.13 % (5 seeds), 188 to 385 s",
        ),
    )
}
