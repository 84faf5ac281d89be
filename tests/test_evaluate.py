"""Metrics against figures worked out by hand, and refusals."""

import json
import math
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from zeronine.errors import DataError, MissingExtra
from zeronine.evaluate import (
    SMALLEST_PROBABILITY,
    auroc,
    calibration_error,
    evaluate,
    selective_accuracy,
    wilson,
)

PETS = ("cat", "dog", "eel")


def certain(predicted: list[int], classes: int) -> NDArray[np.float32]:
    """Probabilities that put everything on one class."""
    return np.eye(classes, dtype=np.float32)[predicted]


def test_counts_precision_and_recall_worked_out_by_hand() -> None:
    result = evaluate(certain([0, 0, 1, 1, 1, 0], 3), np.array([0, 0, 0, 1, 1, 2]), PETS)

    assert result.confusion.tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert (result.count, result.correct, result.accuracy) == (6, 4, 4 / 6)
    assert result.support.tolist() == [3, 2, 1]
    assert result.precision[:2].tolist() == [2 / 3, 2 / 3]
    assert np.isnan(result.precision[2])  # no image was predicted to be an eel
    assert result.recall.tolist() == [2 / 3, 1, 0]
    assert result.classes == PETS


def test_wilson_interval_of_9970_in_10000() -> None:
    labels = np.zeros(10_000, dtype=np.int64)
    result = evaluate(certain([0] * 9970 + [1] * 30, 2), labels, ("yes", "no"))

    z, n, p = 1.959964, 10_000, 0.997
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    assert result.interval == pytest.approx((middle - half, middle + half), abs=1e-9)
    assert result.interval == pytest.approx((0.995721, 0.997898), abs=1e-6)


@pytest.mark.parametrize(("correct", "low", "high"), [(0, 0.0, 0.277533), (10, 0.722467, 1.0)])
def test_wilson_interval_at_the_ends(correct: int, low: float, high: float) -> None:
    result = evaluate(certain([0] * correct + [1] * (10 - correct), 2), [0] * 10, ("yes", "no"))
    assert result.interval == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize("count", [1, 10, 10_000, 10**9])
def test_a_share_lies_within_its_interval(count: int) -> None:
    assert wilson(0, count)[0] == 0
    assert wilson(count, count)[1] == 1


def test_log_loss_worked_out_by_hand() -> None:
    result = evaluate([[0.5, 0.5, 0], [0.2, 0.8, 0], [0.1, 0.3, 0.6]], [0, 1, 1], PETS)
    assert result.log_loss == pytest.approx(-(math.log(0.5) + math.log(0.8) + math.log(0.3)) / 3, abs=1e-6)


def test_log_loss_of_a_zero_probability_is_finite() -> None:
    result = evaluate(certain([1, 0], 2), [0, 0], ("yes", "no"))
    assert result.log_loss == pytest.approx(-math.log(SMALLEST_PROBABILITY) / 2, abs=1e-6)


def test_classes_that_do_not_occur_are_silent_and_undefined() -> None:
    result = evaluate(certain([3, 3], 10), [3, 3], [str(digit) for digit in range(10)])
    assert result.accuracy == 1
    assert np.isfinite(result.recall).tolist() == [digit == 3 for digit in range(10)]
    assert result.log_loss == pytest.approx(0, abs=1e-5)


def test_of_equal_probabilities_the_first_counts() -> None:
    result = evaluate([[0.5, 0.5], [0.5, 0.5]], [0, 1], ("yes", "no"))
    assert result.confusion.tolist() == [[1, 0], [1, 0]]


def test_accuracy_counts_every_image_and_agrees_with_its_confusion() -> None:
    random = np.random.default_rng(0)
    chances = random.dirichlet(np.ones(26), 1001).astype(np.float32)
    labels = random.integers(0, 26, 1001, dtype=np.uint8)
    result = evaluate(chances, labels, [chr(ord("a") + letter) for letter in range(26)])

    assert result.confusion.sum() == result.support.sum() == result.count == 1001
    assert result.correct == np.trace(result.confusion) == (chances.argmax(1) == labels).sum()
    assert result.confusion.dtype == result.support.dtype == np.int64


def test_half_precision_still_sums_to_one() -> None:
    chances = np.random.default_rng(0).dirichlet(np.ones(10), 100).astype(np.float16)
    assert evaluate(chances, np.zeros(100, dtype=np.int64), "0123456789").count == 100


def test_as_dict_is_strict_json() -> None:
    result = evaluate(certain([0, 1], 3), [0, 0], PETS)
    read = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert read["precision"] == [1.0, 0.0, None]
    assert read["recall"] == [0.5, None, None]
    assert read["confusion"] == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert (read["count"], read["correct"], read["classes"]) == (2, 1, list(PETS))
    assert set(read) == set(result.__dataclass_fields__)


@pytest.mark.parametrize(
    ("probabilities", "labels", "classes", "message"),
    [
        ([[0.5, 0.5]], [0], PETS, r"shape \(1, 2\) do not fit 3 classes"),
        ([0.5, 0.5], [0], PETS, "one row per image with 3 columns"),
        ([[0.5, 0.5]], [0, 1], PETS[:2], "one label per image"),
        ([[0.5, 0.5]], [[1, 0]], PETS[:2], "one label per image"),
        (np.empty((0, 2)), np.empty(0, np.int64), PETS[:2], "no images"),
        ([[1.0]], [0], PETS[:1], "two or more"),
        ([[0.5, 0.5]], [2], PETS[:2], r"label 2 of image 0 is none of 0\.\.1"),
        ([[0.5, 0.5]], [-1], PETS[:2], "label -1 of image 0"),
        ([[0.5, 0.5]], [0.0], PETS[:2], "float64, not integers"),
        ([["a", "b"]], [0], PETS[:2], "not numbers"),
        ([[0.5, 0.5], [np.nan, 1]], [0, 1], PETS[:2], r"the first is image 1, are NaN: .* \(--out\)"),
        ([[np.inf, 0]], [0], PETS[:2], "no probabilities"),
        ([[9.0, -8.0]], [0], PETS[:2], "softmax"),
        ([[3.0, 4.0]], [0], PETS[:2], "sum 7"),
    ],
)
def test_refusals_say_what_and_where(
    probabilities: object, labels: object, classes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        evaluate(probabilities, labels, classes)  # type: ignore[arg-type]


def test_it_agrees_with_scikit_learn_and_scipy() -> None:
    from scipy.stats import binomtest
    from sklearn import metrics

    random = np.random.default_rng(0)
    truth, chances = random.integers(0, 6, 500), random.dirichlet(np.ones(7), 500)  # nobody is class 6
    result, every = evaluate(chances, truth, tuple("abcdefg")), np.arange(7)
    predicted = chances.argmax(axis=1)
    precision, recall, _, support = metrics.precision_recall_fscore_support(
        truth, predicted, labels=every, zero_division=np.nan
    )
    np.testing.assert_array_equal(result.confusion, metrics.confusion_matrix(truth, predicted, labels=every))
    np.testing.assert_allclose(result.precision, precision)
    np.testing.assert_allclose(result.recall, recall)
    np.testing.assert_array_equal(result.support, support)
    for correct, count in ((0, 1), (3, 7), (500, 500), (9963, 10_000)):
        interval = binomtest(correct, count).proportion_ci(0.95, method="wilson")
        assert wilson(correct, count) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_a_missing_library_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(MissingExtra, match=r"SciPy.*zeronine\[train\]"):
        auroc([0.9], [0.1])


def test_what_rows_lack_to_one_is_none_of_the_classes() -> None:
    result = evaluate([[0.5, 0.1, 0.0], [0.0, 0.0, 0.0]], [0, 1], PETS)
    assert result.correct == 1
    assert result.log_loss == pytest.approx(-(math.log(0.5) + math.log(SMALLEST_PROBABILITY)) / 2, abs=1e-6)


def test_the_calibration_error_worked_out_by_hand() -> None:
    confidence = [0.02, 0.95, 0.97, 0.50, 0.52]  # bins 0, 14, 14, 7, 7 of 15
    correct = [False, True, True, True, False]
    assert calibration_error(confidence, correct) == pytest.approx((0.02 + abs(2 - 1.92) + abs(1 - 1.02)) / 5)
    assert calibration_error([1.0, 1.0], [True, True]) == 0
    assert calibration_error([1.0, 1.0], [False, False]) == 1
    assert calibration_error([1 / 15], [True]) == pytest.approx(14 / 15), "a bin's upper end belongs to it"


def test_bins_of_equal_mass_hold_as_many_images_each() -> None:
    confidence = np.linspace(0.9, 1, 45)
    correct = np.ones(45, bool)
    correct[:3] = False  # the whole first bin
    expected = (confidence[:3].sum() + (1 - confidence[3:]).sum()) / 45
    assert calibration_error(confidence, correct, equal_mass=True) == pytest.approx(expected)
    low = confidence <= 14 / 15  # all lie in the last two bins of equal width, where the wrong ones are thinned out
    thinned = (confidence[low] - correct[low]).sum() + (1 - confidence[~low]).sum()
    assert calibration_error(confidence, correct) == pytest.approx(thinned / 45)
    assert thinned / 45 < expected


def test_equal_confidences_share_a_bin_whatever_their_order() -> None:
    confidence = np.array([0.5] * 20 + [1.0] * 80)
    correct = np.arange(100) % 5 > 0
    order = np.random.default_rng(0).permutation(100)
    error = calibration_error(confidence, correct, equal_mass=True)
    assert error == calibration_error(confidence[order], correct[order], equal_mass=True)
    assert error == pytest.approx((abs(16 - 10) + abs(64 - 80)) / 100)


def test_the_area_under_the_curve_counts_pairs_and_ties_as_half() -> None:
    assert auroc([3, 2], [1, 0]) == 1
    assert auroc([1, 0], [3, 2]) == 0
    assert auroc([1, 1, 1], [1, 1]) == 0.5
    assert auroc([0.9, 0.5], [0.5, 0.1]) == (1 + 1 + 0.5 + 1) / 4


def test_the_area_under_the_curve_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    inside, outside = random.integers(2, 9, 300) / 8, random.integers(0, 7, 200) / 8
    labels = [1] * 300 + [0] * 200
    assert auroc(inside, outside) == pytest.approx(roc_auc_score(labels, np.concatenate([inside, outside])))


def test_selective_accuracy_keeps_the_surest() -> None:
    confidence, correct = [0.9, 0.2, 0.8, 0.7], [True, False, False, True]
    assert selective_accuracy(confidence, correct, 1) == (2, 4)
    assert selective_accuracy(confidence, correct, 0.75) == (2, 3)
    assert selective_accuracy(confidence, correct, 0.5) == (1, 2)
    assert selective_accuracy(confidence, correct, 0.01) == (1, 1)
    assert selective_accuracy(np.ones(10_000), np.ones(10_000), 0.99) == (9_900, 9_900)


def test_metrics_refuse_what_does_not_fit() -> None:
    with pytest.raises(DataError, match="give one of each per image"):
        calibration_error([0.5], [True, False])
    with pytest.raises(DataError, match="give one of each per image"):
        selective_accuracy([], [], 0.5)
    with pytest.raises(DataError, match="a coverage of 0 is none"):
        selective_accuracy([0.5], [True], 0)
    with pytest.raises(DataError, match="scores of both kinds"):
        auroc([], [0.5])
    with pytest.raises(DataError, match="5 of 3 is no share"):
        wilson(5, 3)
