"""Spots of one line -> what it says, likeliest first. Knows probabilities and rules; knows no pixels.

Spots that claim the same ink form a link of which at most a few fit together; the links follow one another. A reading
takes one way through each link and a digit for each spot that it takes, so that the probabilities of all readings sum
to 1. Rules narrow the search: only readings that a rule accepts are followed.
"""

import heapq
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from zeronine.page import Spot, conflict
from zeronine.rules import Rule

KEPT = 400
"""Readings followed at a time."""


@dataclass(frozen=True)
class Reading:
    """One way to read a line.

    Attributes:
        text: digits; may be empty.
        probability: 0..1, among all ways to read it.
        spots: those that were taken, by their place in the line, one for each digit; none where ``joint`` takes a text
            from the row of which not all digits were found.
    """

    text: str
    probability: float
    spots: tuple[int, ...]


Way = tuple[float, tuple[int, ...]]
"""Probability, and the spots that are taken."""


def links(spots: Sequence[Spot]) -> list[list[Way]]:
    """The ways through each group of spots that claim the same ink, with their probabilities, which sum to 1.

    Groups follow one another: one that would begin before another ends is one with it.

    Args:
        spots: from left to right.
    """
    groups: list[list[int]] = []
    for index, spot in enumerate(spots):
        claimed = (group[0] for group in groups if any(conflict(spots[other], spot) for other in group))
        first = min(claimed, default=index)
        joined = [group for group in groups if group[-1] >= first]
        merged = sorted({index, *(member for group in joined for member in group)})
        groups = [group for group in groups if group not in joined] + [merged]
    return [_ways(group, spots) for group in sorted(groups)]


def _ways(group: list[int], spots: Sequence[Spot]) -> list[Way]:
    """All sets of a group's spots that do not claim the same ink; at most the six likeliest spots are looked at."""
    group = sorted(sorted(group, key=lambda index: -spots[index].presence)[:6])
    against = {(one, other) for one, other in combinations(group, 2) if conflict(spots[one], spots[other])}
    ways: list[Way] = []
    for count in range(len(group) + 1):
        for taken in combinations(group, count):
            if any(pair in against for pair in combinations(taken, 2)):
                continue
            weight = 1.0
            for index in group:
                presence = min(spots[index].presence, 0.9999)
                if index in taken:
                    weight *= presence
                elif not any(tuple(sorted((index, other))) in against for other in taken):
                    weight *= 1 - presence
            ways.append((weight, taken))
    total = sum(weight for weight, _ in ways)
    return [(weight / total, taken) for weight, taken in ways]


def readings(spots: Sequence[Spot], rule: Rule | None = None, count: int = 10) -> list[Reading]:
    """What a line may say, likeliest first.

    Args:
        spots: from left to right.
        rule: what the text must be; None for anything.
        count: of readings at most.

    Returns:
        Different texts that the rule accepts; none where none of the readings followed does. Probabilities are shares
        of all readings, also of those that the rule forbids.
    """
    paths = {"": _Path(1.0, 1.0, (), rule.start if rule else "")}
    rates = [_rates(spot) for spot in spots]
    for link in links(spots):
        onward: dict[str, _Path] = {}
        least = LEAST * max(path.best for path in paths.values())
        for text, path in paths.items():
            for weight, chosen in link:
                if path.chance * weight >= least:
                    way = _Path(path.chance * weight, path.best * weight, path.spots + chosen, path.state)
                    _write(onward, text, way, [rates[index] for index in chosen], rule, least)
        paths = dict(heapq.nlargest(KEPT, onward.items(), key=lambda item: item[1].chance))
        if not paths:
            return []
    done = [
        Reading(text, path.chance, path.spots)
        for text, path in paths.items()
        if rule is None or rule.accepts(path.state)
    ]
    return heapq.nlargest(count, done, key=lambda reading: reading.probability)


LEAST = 1e-6
"""Share of the best reading's probability below which one is not followed."""


@dataclass
class _Path:
    """All ways to one text so far: their probability, that of the best, and its spots."""

    chance: float
    best: float
    spots: tuple[int, ...]
    state: Hashable


Rates = list[tuple[int, float]]
"""The digits that a spot may be with their probabilities if it is one, likeliest first."""


def _rates(spot: Spot) -> Rates:
    rates = spot.probabilities / max(spot.presence, 1e-9)
    return [(int(digit), float(rates[digit])) for digit in np.argsort(-rates)]


def _write(
    onward: dict[str, _Path], text: str, way: _Path, chosen: Sequence[Rates], rule: Rule | None, least: float
) -> None:
    """Add what a text becomes by the digits that the chosen spots may be."""
    if not chosen:
        known = onward.get(text)
        if known is None:
            onward[text] = way
        else:
            known.chance += way.chance
            if way.best > known.best:
                known.best, known.spots = way.best, way.spots
        return
    for digit, rate in chosen[0]:
        if rate * way.chance <= least:
            break
        after = rule.step(way.state, digit) if rule else ""
        if after is not None:
            longer = _Path(way.chance * rate, way.best * rate, way.spots, after)
            _write(onward, text + str(digit), longer, chosen[1:], rule, least)
