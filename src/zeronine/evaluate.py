"""How good a classifier is, from its probabilities and the true labels. Knows no network, picture or file.

Images are counted as integers over the whole set at once; nothing is a mean of batch means. Probabilities of an image
that sum to less than 1 leave the rest to "none of the classes".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zeronine.errors import DataError, MissingExtra

SMALLEST_PROBABILITY = float(np.finfo(np.float32).eps)
"""What a lower probability of the true class counts as in the log loss: softmax in float32 gives plain zeros,
and one of them would make the mean infinite. An image costs at most 15.9 that way."""

SUM_TOLERANCE = 1e-3
"""How far above 1 the probabilities of an image may sum: half precision, some hundred classes."""

BINS = 15
"""Of the calibration error, as is usual since Guo et al., "On calibration of modern neural networks", 2017."""


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
        probabilities: (N, K), 0..1, each row summing to 1, or to less by the probability of none of the classes.
        labels: (N,) integers, 0..K-1. Classes may be missing from them.
        classes: names of the K classes, at least two.

    Raises:
        DataError: the arrays are empty, do not fit, or hold what is no probability or no label.
    """
    chances, truth = np.asarray(probabilities), np.asarray(labels)
    _check(chances, truth, len(classes))
    confusion = np.zeros((len(classes), len(classes)), np.int64)  # scikit-learn's takes 1.3 s to import
    np.add.at(confusion, (truth, chances.argmax(axis=1)), 1)
    right, support, answers = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    nothing = np.full(len(classes), np.nan)
    correct = int(right.sum())
    return Evaluation(
        count=len(truth),
        correct=correct,
        accuracy=correct / len(truth),
        interval=wilson(correct, len(truth)),
        log_loss=_log_loss(chances, truth),
        precision=np.divide(right, answers, out=nothing.copy(), where=answers > 0),
        recall=np.divide(right, support, out=nothing.copy(), where=support > 0),
        support=support,
        confusion=confusion,
        classes=tuple(classes),
    )


def wilson(correct: int, count: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a share.

    Args:
        correct: how many of them, 0..count.
        count: of how many, at least 1.

    Returns:
        Its low and its high end, 0..1.

    Raises:
        DataError: these are no such numbers.
    """
    if not 0 <= correct <= count or count < 1:
        raise DataError(f"{correct} of {count} is no share: count at least one image")
    z, share = NormalDist().inv_cdf(0.975), correct / count
    middle = share + z**2 / (2 * count)
    reach = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    low, high = ((middle + side * reach) / (1 + z**2 / count) for side in (-1, 1))
    return max(0.0, min(share, low)), min(1.0, max(share, high))  # rounding may put the share of all or none outside


def calibration_error(confidence: ArrayLike, correct: ArrayLike, *, equal_mass: bool = False) -> float:
    """The expected calibration error: how far confidence is from accuracy, mean over the images of BINS bins.

    Args:
        confidence: (N,) of each answer, 0..1.
        correct: (N,) whether it is right.
        equal_mass: bins that hold as many images each, instead of bins of equal width. Images of the same confidence
            are never parted, so that bins may come out uneven, and fewer.

    Returns:
        0, as good as can be, to 1.

    Raises:
        DataError: the arrays are empty or do not fit each other.
    """
    sure, right = _pair(confidence, correct)
    edges = np.quantile(sure, np.linspace(0, 1, BINS + 1)[1:-1]) if equal_mass else np.arange(1, BINS) / BINS
    bins = np.searchsorted(edges, sure, side="left")
    difference = np.bincount(bins, weights=right - sure, minlength=BINS)
    return float(np.abs(difference).sum() / len(sure))


def selective_accuracy(confidence: ArrayLike, correct: ArrayLike, coverage: float) -> tuple[int, int]:
    """How many answers are right where only the surest are given.

    Args:
        confidence: (N,) of each answer.
        correct: (N,) whether it is right.
        coverage: share of the images that are answered, above 0, at most 1.

    Returns:
        Right ones, and those answered: coverage times N, rounded, at least 1. Of equal confidences the first count.

    Raises:
        DataError: the arrays are empty or do not fit each other, or there is no such share.
    """
    sure, right = _pair(confidence, correct)
    if not 0 < coverage <= 1:
        raise DataError(f"a coverage of {coverage} is none: give a share above 0, at most 1")
    kept = np.argsort(-sure, kind="stable")[: max(1, round(coverage * len(sure)))]
    return int(right[kept].sum()), len(kept)


def auroc(inside: ArrayLike, outside: ArrayLike) -> float:
    """The area under the ROC curve: how often a score of what belongs exceeds one of what does not.

    Args:
        inside: (N,) scores of what belongs.
        outside: (M,) scores of what does not.

    Returns:
        The share of all N·M pairs in which the first is higher, ties as half: 1 parts them, 0.5 tells nothing.

    Raises:
        DataError: one of them is empty.
        MissingExtra: SciPy is not installed.
    """
    try:
        from scipy.stats import rankdata
    except ImportError as error:
        raise MissingExtra("train", "SciPy") from error
    ours, others = np.asarray(inside, np.float64), np.asarray(outside, np.float64)
    if not ours.size or not others.size:
        raise DataError("there is nothing to tell apart: give scores of both kinds")
    ranks = rankdata(np.concatenate([ours, others]))[: len(ours)]
    return float((ranks.sum() - len(ours) * (len(ours) + 1) / 2) / (len(ours) * len(others)))


def _pair(confidence: ArrayLike, correct: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as float64, of one length."""
    sure, right = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    if sure.ndim != 1 or sure.shape != right.shape or not len(sure):
        raise DataError(
            f"confidences of shape {sure.shape} do not fit answers of shape {right.shape}: give one of each per image"
        )
    return sure, right


def _log_loss(chances: NDArray[Any], truth: NDArray[Any]) -> float:
    """Mean of -ln(probability of the true class); what little rows sum to above 1 is taken off."""
    given = chances[np.arange(len(truth)), truth].astype(np.float64)
    share = given / np.maximum(chances.sum(axis=1, dtype=np.float64), 1)
    return float(-np.log(np.clip(share, SMALLEST_PROBABILITY, 1)).mean())


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
            "the training diverged; train again with a lower learning rate, into another folder (--out)"
        )
    sums = chances.sum(axis=1, dtype=np.float64)
    wrong = np.flatnonzero((chances < 0).any(axis=1) | ~(sums <= 1 + SUM_TOLERANCE))
    if wrong.size:
        first = wrong[0]
        raise DataError(
            f"the scores of image {first} are no probabilities "
            f"(lowest {chances[first].min():.4g}, sum {sums[first]:.4g}): apply softmax to logits first"
        )
