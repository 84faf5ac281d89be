"""How good a classifier is, from its probabilities and the true labels. Knows no network, picture or file.

Images are counted as integers over the whole set at once; nothing is a mean of batch means.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zeronine.errors import DataError, MissingExtra

SMALLEST_PROBABILITY = float(np.finfo(np.float32).eps)
"""What a lower probability of the true class counts as in the log loss: softmax in float32 gives plain zeros,
and one of them would make the mean infinite. An image costs at most 15.9 that way."""

SUM_TOLERANCE = 1e-3
"""How far the probabilities of an image may be from summing to 1: half precision, some hundred classes."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well probabilities agree with the true labels of N images of K classes.

    Attributes:
        count: N.
        correct: images whose most probable class is the true one; the first one of equals.
        accuracy: correct / count, 0..1.
        interval: low and high end of the 95 % Wilson score interval of the accuracy, 0..1.
        log_loss: mean of -ln(probability of the true class); at least SMALLEST_PROBABILITY each.
        precision: (K,) of the images predicted as a class, the fraction that is of it; NaN if there are none.
        recall: (K,) of the images of a class, the fraction predicted as it; NaN if there are none.
        support: (K,) images of a class.
        confusion: (K, K) images by true class (row) and predicted class (column).
        classes: names of the K classes, in the order of the arrays.
    """

    count: int
    correct: int
    accuracy: float
    interval: tuple[float, float]
    log_loss: float
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    support: NDArray[np.int64]
    confusion: NDArray[np.int64]
    classes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same figures as strict JSON has them: lists for arrays, None for NaN."""
        return {
            "count": self.count,
            "correct": self.correct,
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "log_loss": self.log_loss,
            "precision": [None if np.isnan(value) else value for value in self.precision.tolist()],
            "recall": [None if np.isnan(value) else value for value in self.recall.tolist()],
            "support": self.support.tolist(),
            "confusion": self.confusion.tolist(),
            "classes": list(self.classes),
        }


def evaluate(probabilities: ArrayLike, labels: ArrayLike, classes: Sequence[str]) -> Evaluation:
    """Compare probabilities with labels.

    Args:
        probabilities: (N, K), 0..1, each row summing to 1.
        labels: (N,) integers, 0..K-1. Classes may be missing from them.
        classes: names of the K classes, at least two.

    Raises:
        DataError: the arrays are empty, do not fit, or hold what is no probability or no label.
        MissingExtra: SciPy or scikit-learn is not installed.
    """
    try:
        from scipy.stats import binomtest
        from sklearn import metrics
    except ImportError as error:
        raise MissingExtra("train", "SciPy and scikit-learn") from error

    chances, truth = np.asarray(probabilities), np.asarray(labels)
    _check(chances, truth, len(classes))
    every = np.arange(len(classes))
    predicted = chances.argmax(axis=1)
    confusion = metrics.confusion_matrix(truth, predicted, labels=every).astype(np.int64)
    precision, recall, _, support = metrics.precision_recall_fscore_support(
        truth, predicted, labels=every, zero_division=np.nan
    )
    floored = np.clip(chances.astype(np.float64), SMALLEST_PROBABILITY, 1)
    interval = binomtest(int(confusion.trace()), len(truth)).proportion_ci(0.95, method="wilson")
    return Evaluation(
        count=len(truth),
        correct=int(confusion.trace()),
        accuracy=int(confusion.trace()) / len(truth),
        interval=(float(interval.low), float(interval.high)),
        log_loss=float(metrics.log_loss(truth, floored / floored.sum(axis=1, keepdims=True), labels=every)),
        precision=precision,
        recall=recall,
        support=support.astype(np.int64),
        confusion=confusion,
        classes=tuple(classes),
    )


def _check(chances: NDArray[Any], truth: NDArray[Any], classes: int) -> None:
    """Refuse what would give figures that mean nothing."""
    if classes < 2:
        raise DataError(f"there is nothing to tell apart with {classes} class(es): give the names of two or more")
    if chances.ndim != 2 or chances.shape[1] != classes:
        raise DataError(
            f"probabilities of shape {chances.shape} do not fit {classes} classes: "
            f"give one row per image with {classes} columns"
        )
    if truth.shape != chances.shape[:1]:
        raise DataError(
            f"labels of shape {truth.shape} do not fit the probabilities of {len(chances)} images: "
            "give one label per image, in the same order"
        )
    if not len(truth):
        raise DataError("there are no images to evaluate: give at least one")
    if not np.issubdtype(truth.dtype, np.integer):
        raise DataError(f"labels are {truth.dtype}, not integers: give the position of each image's class")
    outside = np.flatnonzero((truth < 0) | (truth >= classes))
    if outside.size:
        raise DataError(
            f"label {truth[outside[0]]} of image {outside[0]} is none of 0..{classes - 1}: "
            "give the labels of the classes that the probabilities are of"
        )
    _check_probabilities(chances)


def _check_probabilities(chances: NDArray[Any]) -> None:
    """Refuse NaN, negative numbers and logits."""
    if not np.issubdtype(chances.dtype, np.floating) and not np.issubdtype(chances.dtype, np.integer):
        raise DataError(f"probabilities are {chances.dtype}, not numbers: give real numbers in 0..1")
    broken = np.flatnonzero(np.isnan(chances).any(axis=1))
    if broken.size:
        raise DataError(
            f"the probabilities of {broken.size} image(s), the first is image {broken[0]}, are NaN: "
            "the training diverged; train again with a lower learning rate"
        )
    sums = chances.sum(axis=1, dtype=np.float64)
    wrong = np.flatnonzero((chances < 0).any(axis=1) | ~(np.abs(sums - 1) <= SUM_TOLERANCE))
    if wrong.size:
        first = wrong[0]
        raise DataError(
            f"the scores of image {first} are no probabilities "
            f"(lowest {chances[first].min():.4g}, sum {sums[first]:.4g}): apply softmax to logits first"
        )
