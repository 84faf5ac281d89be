"""What two networks say of a line -> its readings: one finds digits, the other reads the row at once. Knows texts only.

A text's probability is the product of what both give it, each to a power, as a share of all texts that either sees.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zeronine import ctc, lattice
from zeronine.ctc import Chances
from zeronine.lattice import Reading, readings
from zeronine.page import Spot
from zeronine.rules import Lexicon, Rule


@dataclass(frozen=True)
class Weights:
    """How much each network counts; fitted on composed pages.

    Attributes:
        spots: exponent of the probability that the digits found give a text.
        row: exponent of that which the row gives it.
        unfound: logarithm of the probability that a text is taken to have where not all of its digits were found.
        digit: what each digit of a text after its first adds to its logarithm: within a number both networks rather
            miss a digit than invent one.
        number: what a text adds to its logarithm for being one, where the other reading is that no number is there.
    """

    spots: float = 1.0
    row: float = 1.0
    unfound: float = -7.0
    digit: float = 0.0
    number: float = 0.0


LOOKED = 40
"""Readings of the digits found that the row is asked about, at most."""

UNSEEN = -40.0
"""Logarithm of a row's probability at least."""


def joined(
    spots: Sequence[Spot], chances: Chances, weights: Weights, rule: Rule | None, count: int
) -> tuple[list[Reading], list[Reading]]:
    """What a line may say by both networks, likeliest first: whatever it is, and by a rule.

    Args:
        spots: from left to right.
        chances: of each place along the row, see ``ctc``.
        weights: how much each counts.
        rule: what the text must be; None for anything.
        count: of readings at most.

    Returns:
        Readings of any text, and those that the rule accepts; where not all digits of one were found it has no spots.
    """
    free = candidates(spots, chances, None)
    ruled = candidates(spots, chances, rule) if rule else free
    known = {one.text: one for one in (*free, *ruled)}
    scores = scored(list(known.values()), chances, weights)
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    result = {
        text: Reading(text, float(share), one.spots) for (text, one), share in zip(known.items(), shares, strict=True)
    }
    return _likeliest((result[one.text] for one in free), count), _likeliest((result[one.text] for one in ruled), count)


LEAST = 1e-6
"""Probability from which a text is a reading: a search narrowed by a rule comes to others, for want of better ones."""


def _likeliest(some: Iterable[Reading], count: int) -> list[Reading]:
    return sorted((one for one in some if one.probability > LEAST), key=lambda one: -one.probability)[:count]


def candidates(spots: Sequence[Spot], chances: Chances, rule: Rule | None) -> list[Reading]:
    """Texts that either network sees, with the probability that the spots give them: 0 where not all were found.

    Args:
        spots: from left to right.
        chances: of each place along the row.
        rule: what the text must be; None for anything.
    """
    found = {one.text: one for one in readings(spots, rule, lattice.KEPT)}
    texts = [*list(found)[:LOOKED], *ctc.texts(chances, rule)]
    texts += [""] if rule is None else []
    unknown = [text for text in texts if text and text not in found]
    if unknown:
        found |= {one.text: one for one in readings(spots, Lexicon(unknown), len(unknown))}
    return [found.get(text, Reading(text, 0.0, ())) for text in dict.fromkeys(texts)]


def scored(some: Sequence[Reading], chances: Chances, weights: Weights) -> NDArray[np.float64]:
    """Logarithm of what both networks together give each reading, (len(some),); of shares that do not sum to 1."""
    with np.errstate(divide="ignore"):
        found = np.log(np.array([one.probability for one in some]))
    row = ctc.log_likelihoods(chances, [one.text for one in some])
    lengths = np.array([len(one.text) for one in some])
    return np.asarray(
        weights.spots * np.maximum(found, weights.unfound)
        + weights.row * np.maximum(row, UNSEEN)
        + weights.digit * (lengths - 1).clip(0)
        + weights.number * (lengths > 0)
    )
