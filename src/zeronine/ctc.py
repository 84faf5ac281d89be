"""What a network says of each place along a row -> texts, narrowed by a rule. Knows probabilities and rules, no pixels.

Connectionist temporal classification, after Graves et al., 2006: a text's probability is that of all ways to spread it
over the places, where each place says a digit, goes on saying it, or says nothing new.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zeronine.rules import Rule

Chances = NDArray[np.floating]
"""(places, 11): probabilities of each digit and, last, of nothing new."""

NOTHING = 10
"""Column of "nothing new"."""

KEPT, LEAST = 24, 1e-3
"""Texts followed at a time; probability from which a digit is looked at in a place."""

CLEAR = 0.9995
"""Probability of nothing new from which a place says nothing."""


@dataclass
class _Path:
    """A text so far: its probability by whether the last place went on saying its last digit, and its rule's state."""

    saying: float
    silent: float
    state: Hashable

    @property
    def chance(self) -> float:
        return self.saying + self.silent


def texts(chances: Chances, rule: Rule | None = None, count: int = KEPT) -> list[str]:
    """The likeliest texts, likeliest first; found by prefix beam search.

    Args:
        chances: of each place.
        rule: what the text must be; None for anything.
        count: of texts at most.
    """
    paths = {"": _Path(0.0, 1.0, rule.start if rule else "")}
    for row in chances:
        nothing = float(row[NOTHING])
        if nothing > CLEAR:
            for path in paths.values():
                path.saying, path.silent = 0.0, path.chance
            continue
        onward: dict[str, _Path] = {}
        said = [(int(digit), float(row[digit])) for digit in np.flatnonzero(row[:NOTHING] > LEAST)]
        for text, path in paths.items():
            _add(onward, text, 0.0, path.chance * nothing, path.state)
            for digit, chance in said:
                again = bool(text) and text[-1] == str(digit)
                if again:
                    _add(onward, text, path.saying * chance, 0.0, path.state)
                begun = path.silent if again else path.chance
                state = rule.step(path.state, digit) if rule and begun else ""
                if begun and state is not None:
                    _add(onward, text + str(digit), begun * chance, 0.0, state)
        best = sorted(onward.items(), key=lambda item: -item[1].chance)[:KEPT]
        whole = sum(path.chance for _, path in best) or 1.0
        paths = {text: _Path(path.saying / whole, path.silent / whole, path.state) for text, path in best}
    done = [(path.chance, text) for text, path in paths.items() if rule is None or rule.accepts(path.state)]
    return [text for _, text in sorted(done, key=lambda item: -item[0])[:count]]


def _add(paths: dict[str, _Path], text: str, saying: float, silent: float, state: Hashable) -> None:
    known = paths.get(text)
    if known is None:
        paths[text] = _Path(saying, silent, state)
    else:
        known.saying += saying
        known.silent += silent


def log_likelihoods(chances: Chances, texts: Sequence[str]) -> NDArray[np.float64]:
    """Logarithm of the probability of each text, (len(texts),); -inf where there are too few places for it.

    Args:
        chances: of each place.
        texts: of digits; may be empty.
    """
    states = _states(texts)
    count, width = states.shape
    skips = _skips(states)
    ways = np.zeros((count, width + 2))  # of each text: probability of being at each state, two columns before them
    ways[:, 1] = 1.0  # the start lies before nothing new and the first digit
    skips[:, 1:2] = True
    factors = []
    for row in np.asarray(chances, np.float64):
        now = (ways[:, 2:] + ways[:, 1:-1] + skips * ways[:, :-2]) * row[states]
        factors.append(now.sum(axis=1))
        ways[:, 2:] = now / np.where(factors[-1] > 0, factors[-1], 1.0)[:, None]
        ways[:, 1] = 0.0
    ends = 2 * np.array([len(text) for text in texts])
    index = np.arange(count)
    factors.append(ways[index, 2 + ends] + np.where(ends > 0, ways[index, 1 + ends], 0.0))
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(factors).sum(axis=0))


def _skips(states: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which states may follow the last but one before them, (texts, states): a digit another digit."""
    skips = np.zeros(states.shape, bool)
    skips[:, 2:] = (states[:, 2:] != NOTHING) & (states[:, 2:] != states[:, :-2])
    return skips


def _states(texts: Sequence[str]) -> NDArray[np.int64]:
    """(len(texts), 2 * longest + 1): each text's digits with nothing new before, between and after them."""
    longest = max((len(text) for text in texts), default=0)
    states = np.full((len(texts), 2 * longest + 1), NOTHING)
    for number, text in enumerate(texts):
        states[number, 1 : 2 * len(text) : 2] = [int(sign) for sign in text]
    return states


def places(chances: Chances, text: str) -> list[float]:
    """Where along the row each digit of a text is said, in the likeliest way to spread it: middles of its places.

    Args:
        chances: of each place.
        text: of digits; at most as many as there are places.
    """
    states = _states([text])
    skips, states = _skips(states)[0, 2:], states[0]
    logs = np.log(np.maximum(np.asarray(chances, np.float64), 1e-12))[:, states]
    best = np.full(len(states), -np.inf)
    best[:2] = logs[0, :2]
    back = np.zeros(logs.shape, np.int64)
    for place in range(1, len(logs)):
        moves = np.full((3, len(states)), -np.inf)
        moves[0] = best
        moves[1, 1:] = best[:-1]
        moves[2, 2:] = np.where(skips, best[:-2], -np.inf)
        back[place] = moves.argmax(axis=0)
        best = moves.max(axis=0) + logs[place]
    state = len(states) - 1 if len(states) == 1 or best[-1] >= best[-2] else len(states) - 2
    said: list[list[int]] = [[] for _ in text]
    for place in range(len(logs) - 1, -1, -1):
        if state % 2:
            said[state // 2].append(place)
        state -= int(back[place, state])
    return [float(np.mean(some)) if some else 0.0 for some in said]
