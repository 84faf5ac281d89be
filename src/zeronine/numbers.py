"""Page -> Numbers: where they are, what they say, how sure that is. Knows pages, lattices and rules.

Takes the networks as functions; knows nothing of files, of what they were trained on, or of ONNX Runtime.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zeronine import ctc
from zeronine.image import Source, page_grey
from zeronine.joint import Weights, joined
from zeronine.lattice import Reading
from zeronine.page import ROW, STRONG, Grey, Line, Maps, Row, Spot, cut_row, ink, lines, skew, spots, whole_line
from zeronine.rules import Rule

Box = tuple[float, float, float, float]
"""Left, top, width, height, each as a share of the picture's width or height."""

MOST_PIXELS = 2_000_000
"""A larger page is shrunk to so many."""


@dataclass(frozen=True)
class Alternative:
    """Another way to read a number.

    Attributes:
        text: its digits.
        confidence: probability, 0..1, that this is what is written.
    """

    text: str
    confidence: float


@dataclass(frozen=True, eq=False)
class Digit:
    """One digit of a Number.

    Attributes:
        digit: 0 to 9.
        confidence: probability, 0..1, that this digit is written there.
        box: around it, upright in the picture, in shares of its width and height.
        probabilities: of each digit, (10,), over the readings that have as many digits; what they lack to 1 is the
            probability that the number has more digits or fewer, or is none.
    """

    digit: int
    confidence: float
    box: Box
    probabilities: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Number:
    """A handwritten number on a page.

    Attributes:
        text: its digits, likeliest reading; also where it is rejected.
        confidence: probability, 0..1, that all of it is right.
        box: around it, upright in the picture, in shares of its width and height.
        angle: degrees, clockwise, by which its line falls; 90 is read downwards, 180 is upside down.
        digits: from first to last.
        alternatives: other readings, likeliest first; with ``confidence`` theirs sum to 1 at most.
        rejected: whether it should not be taken without looking.
        reason: why: ``unsure``, or ``rule`` where no reading fits; else empty.
        rule: name of the rule that narrowed the reading; empty for none.
        unruled: the likeliest reading without the rule, where there is one.
    """

    text: str
    confidence: float
    box: Box
    angle: float
    digits: tuple[Digit, ...]
    alternatives: tuple[Alternative, ...]
    rejected: bool
    reason: str
    rule: str = ""
    unruled: Alternative | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same as plain types, as ``zeronine read --json`` prints it."""
        row: dict[str, Any] = {
            "text": self.text,
            "confidence": round(self.confidence, 4),
            "box": [round(side, 5) for side in self.box],
            "angle": round(self.angle, 1),
            "rejected": self.rejected,
            "reason": self.reason,
            "alternatives": [_plain(alternative) for alternative in self.alternatives],
            "digits": [
                {
                    "digit": digit.digit,
                    "confidence": round(digit.confidence, 4),
                    "box": [round(side, 5) for side in digit.box],
                }
                for digit in self.digits
            ],
        }
        if self.rule:
            row |= {"rule": self.rule, "unruled": _plain(self.unruled) if self.unruled else None}
        return row


def _plain(alternative: Alternative) -> dict[str, Any]:
    return {"text": alternative.text, "confidence": round(alternative.confidence, 4)}


@dataclass(frozen=True)
class Calibration:
    """How a network's probabilities become confidence; fitted on composed pages, kept in the model's card.

    Attributes:
        presence: factor and offset of the logit of a digit being there.
        finder: exponent of the probabilities of the network that finds digits.
        row: how much the network that finds digits and the one that reads rows count, see ``joint.Weights``.
        confidence: factor and offset of the logit of a whole number's probability.
        unsure: confidence below which a number is rejected.
    """

    presence: tuple[float, float] = (1.0, 0.0)
    finder: float = 1.0
    row: Weights = field(default_factory=Weights)
    confidence: tuple[float, float] = (1.0, 0.0)
    unsure: float = 0.5

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> "Calibration":
        """The one in a model's card; the plain one where there is none.

        Raises:
            TypeError, ValueError: it holds something other than numbers, or of another name.
        """
        known: dict[str, Any] = dict(card.get("calibration", {}))
        for name, value in known.items():
            if name in ("presence", "confidence"):
                factor, offset = value
                known[name] = float(factor), float(offset)
            elif name == "row":
                known[name] = Weights(**{part: float(number) for part, number in dict(value).items()})
            else:
                known[name] = float(value)
        return cls(**known)


@dataclass(frozen=True)
class Networks:
    """What reads a page.

    Attributes:
        find: (1, 1, H, W) ink -> maps (1, 16, H / 4, W / 4), see ``train.spotting``.
        rows: (1, 1, 48, W) ink of a row -> probabilities (1, W / 4, 11) of each digit, and of nothing new, in places
            along it.
        calibration: see there.
    """

    find: Callable[[Grey], Maps]
    rows: Callable[[Grey], NDArray[np.float32]]
    calibration: Calibration = field(default_factory=Calibration)


@dataclass(frozen=True, eq=False)
class View:
    """A page's ink as it is looked at: turned upright.

    Attributes:
        ink: (H, W) float32 in 0..1.
        matrix: (2, 3), from the middles of pixels of the page to those of the view.
        shape: height, width of the page in pixels.
    """

    ink: Grey
    matrix: NDArray[np.float64]
    shape: tuple[int, int]

    @property
    def angle(self) -> float:
        """Degrees, clockwise, by which a level line of the view falls on the page."""
        return float(np.rad2deg(np.arctan2(-self.matrix[1, 0], self.matrix[0, 0])))

    def turned(self, degrees: float) -> "View":
        """The view of the same page in which lines that fall by so many degrees here are level."""
        height, width = self.ink.shape
        turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)  # of middles of pixels
        size = np.ceil(np.abs(turn[:, :2]) @ np.array([width, height]) - 1e-6).astype(int)
        turn[:, 2] += (size - [width, height]) / 2
        page = cv2.warpAffine(self.ink, turn, (int(size[0]), int(size[1])), flags=cv2.INTER_LINEAR)
        both = turn @ np.concatenate([self.matrix, [[0, 0, 1]]])
        return View(page, both, self.shape)

    def box(self, sides: Sequence[Box]) -> Box:
        """The upright box on the page, in shares of it, around boxes in pixels of the view."""
        corners = np.array([(x + i * w, y + j * h) for x, y, w, h in sides for i in (0, 1) for j in (0, 1)])
        back = cv2.invertAffineTransform(self.matrix)
        places = (corners - 0.5) @ back[:, :2].T + back[:, 2] + 0.5
        low = (places.min(axis=0) / self.shape[::-1]).clip(0, 1)
        high = (places.max(axis=0) / self.shape[::-1]).clip(0, 1)
        return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])


STEEP = 6.0
"""Degrees of skew from which a page is turned and looked at again: the network knows less of steeper lines."""


def read_page(source: Source, networks: Networks, rule: Rule | None = None, count: int = 3) -> list[Number]:
    """Every handwritten number on a page, in reading order.

    Args:
        source: as for ``image.digit_image``.
        networks: what finds and reads.
        rule: what each number must be; None for anything.
        count: of alternatives at most.

    Raises:
        ImageError: the picture cannot be read or is too large.
    """
    grey = page_grey(source, MOST_PIXELS)
    page = View(ink(grey), np.eye(2, 3), (grey.shape[0], grey.shape[1]))
    view, seen = _upright(page, networks)
    numbers = []
    for line in lines(seen, view.ink):
        number = _number(line, view, seen, networks, rule, count)
        if number:
            numbers.append(number)
    return numbers


def read_field(page: Grey, networks: Networks, rule: Rule | None = None, count: int = 3) -> Number | None:
    """The one number in a field of a form; None where it is empty.

    Args:
        page: the field's ink, (H, W) float32 in 0..1, see ``page.ink``.
        networks: what finds and reads.
        rule: what the number must be; None for anything.
        count: of alternatives at most.
    """
    view = View(page, np.eye(2, 3), (page.shape[0], page.shape[1]))
    line = whole_line(found(page, networks))
    return _number(line, view, line.spots, networks, rule, count) if line else None


def _upright(page: View, networks: Networks) -> tuple[View, list[Spot]]:
    """The page turned so that its lines are level, and the spots on it."""
    view, seen, evidence = _looked(page, networks)
    if _doubtful(seen):
        for quarters in (1, 2, 3):
            other = _looked(page.turned(90.0 * quarters), networks)
            if other[2] > BETTER * evidence + 1:
                view, seen, evidence = other
    return view, seen


BETTER = 1.15
"""How many times as much, and one clear digit more, a page turned by a right angle must show."""

CLEAR, ENOUGH = 0.9, 3
"""Mean probability of the likeliest digits from which a page is upright without doubt; digits that make a line.

Our own pages have 0.95 to 0.99 upright (one of digits over one another 0.82), 0.81 to 0.85 upside down; photographed
numbers 0.94 to 0.99, and mostly below 0.9.
"""


def _looked(page: View, networks: Networks) -> tuple[View, list[Spot], float]:
    """A page with its skew taken out where it is steep, its spots, and how much speaks for them."""
    seen = found(page.ink, networks)
    strong = [spot for spot in seen if spot.presence > STRONG]
    degrees = float(np.rad2deg(skew(strong))) if len(strong) >= ENOUGH else 0.0
    if abs(degrees) > STEEP:
        page = page.turned(degrees)
        seen = found(page.ink, networks)
    return page, seen, sum(float(spot.probabilities.max()) ** 2 for spot in seen)


def _doubtful(seen: Sequence[Spot]) -> bool:
    """Whether there are digits enough to tell which way is up, and they are not clear."""
    likely = [float(spot.probabilities.max()) for spot in seen if spot.presence > STRONG]
    return len(likely) >= ENOUGH and float(np.mean(likely)) < CLEAR


def found(page: Grey, networks: Networks) -> list[Spot]:
    """Where digits may be on a page, likeliest first, their presence calibrated.

    Args:
        page: ink, (H, W) float32 in 0..1.
        networks: what finds.
    """
    factor, offset = networks.calibration.presence
    finder = networks.calibration.finder
    result = []
    for spot in spots(page, networks.find):
        presence = _logistic(factor * _logit(spot.presence) + offset)
        rates = (spot.probabilities / spot.presence) ** finder
        result.append(replace(spot, probabilities=np.asarray(rates / rates.sum() * presence, np.float32)))
    return sorted(result, key=lambda spot: -spot.presence)


@dataclass(frozen=True)
class _Said:
    """What a line may say, likeliest first: whatever it is, and by the rule; with the row that was read."""

    free: list[Reading]
    ruled: list[Reading]
    row: Row
    chances: NDArray[np.float32]


def _said(line: Line, view: View, seen: Sequence[Spot], networks: Networks, rule: Rule | None, count: int) -> _Said:
    """What a line says by all networks.

    Args:
        line: its spots.
        view: that it stands on.
        seen: spots of the whole view, to tell where other lines begin.
        networks: what reads.
        rule: what the text must be; None for anything.
        count: of readings at most.
    """
    cut = cut_row(view.ink, line, seen)
    chances = row_chances(cut, networks.rows)
    free, ruled = joined(line.spots, chances, networks.calibration.row, rule, count)
    return _Said(free, ruled, cut, chances)


def row_chances(cut: Row, rows: Callable[[Grey], NDArray[np.float32]]) -> NDArray[np.float32]:
    """What a network says of the places along a row, (W / 4, 11)."""
    width = -(-cut.ink.shape[1] // PLACE) * PLACE
    page = np.zeros((1, 1, ROW, width), np.float32)
    page[0, 0, :, : cut.ink.shape[1]] = cut.ink
    answers: NDArray[np.float32] = rows(page)[0]
    return answers


PLACE = 4
"""Pixels of a row for one place along it."""


def _number(
    line: Line, view: View, seen: Sequence[Spot], networks: Networks, rule: Rule | None, count: int
) -> Number | None:
    """What a line says; None where the likeliest is that nothing is there."""
    known, heard = networks.calibration, _said(line, view, seen, networks, rule, max(count + 1, LENGTHS_SEEN))
    free, ruled = heard.free, [reading for reading in heard.ruled if reading.text]
    if not free or not free[0].text:
        return None
    total = sum(reading.probability for reading in ruled)
    share = 1 / (total + UNRULY * (1 - total)) if ruled and rule is not None else 1.0
    best = ruled[0] if ruled else free[0]
    confidence = _confidence(best.probability * share, known) if ruled else 0.0
    reason = "rule" if not ruled else "unsure" if confidence < known.unsure else ""
    others = [
        Alternative(one.text, _confidence(one.probability * share, known))
        for one in (ruled or free)
        if one.text and one.text != best.text
    ]  # each is calibrated alone: together they may come to more than is left of 1
    left = min(1.0, (1 - confidence) / max(sum(other.confidence for other in others), 1e-9))
    digits = _digits(best, line, heard, share)
    angle = (view.angle + line.angle + 180) % 360 - 180
    return Number(
        text=best.text,
        confidence=confidence,
        box=view.box([spot.box for spot in digits]),
        angle=angle if angle > -179.95 else angle + 360,  # what is rounded to 180
        digits=tuple(_digit(spot, sign, view) for spot, sign in zip(digits, best.text, strict=True)),
        alternatives=tuple(replace(other, confidence=left * other.confidence) for other in others[:count]),
        rejected=bool(reason),
        reason=reason,
        rule=rule.name if rule else "",
        unruled=Alternative(free[0].text, _confidence(free[0].probability, known)) if rule else None,
    )


LENGTHS_SEEN = 40
"""Readings from which a digit's probabilities are summed."""


def _digits(best: Reading, line: Line, heard: _Said, share: float) -> list[Spot]:
    """The digits of a reading: where they are, and what each may be by all readings that are as long."""
    spots = [line.spots[index] for index in best.spots] or _aligned(best.text, line, heard.row, heard.chances)
    chances = np.zeros((len(best.text), 10), np.float32)
    for reading in heard.ruled or heard.free:
        if len(reading.text) == len(best.text):
            chances[np.arange(len(chances)), [int(sign) for sign in reading.text]] += reading.probability * share
    return [replace(spot, probabilities=row) for spot, row in zip(spots, chances, strict=True)]


def _aligned(text: str, line: Line, cut: Row, chances: NDArray[np.float32]) -> list[Spot]:
    """Where a row says the digits of a text: the spot there, or one as large as the line's others."""
    height = float(np.median([spot.height for spot in line.spots]))
    width = float(np.median([spot.width for spot in line.spots]))
    free, result = list(line.spots), []
    for place in ctc.places(chances, text):
        across = (place + 0.5) * PLACE
        near = min(free, key=lambda spot: abs(cut.across(spot.x, spot.y) - across), default=None)
        x, y = cut.place(across, ROW / 2)
        if near and math.hypot(near.x - x, near.y - y) < 0.5 * near.height:
            free.remove(near)
            result.append(near)
        else:
            result.append(Spot(x, y, width, height, np.zeros(10, np.float32)))
    return result


UNRULY = 0.01
"""Share of numbers that do not obey the rule which they are read by: a slip of the pen, or the wrong field."""


def _digit(spot: Spot, sign: str, view: View) -> Digit:
    return Digit(int(sign), float(spot.probabilities[int(sign)]), view.box([spot.box]), spot.probabilities)


def _confidence(probability: float, known: Calibration) -> float:
    factor, offset = known.confidence
    return _logistic(factor * _logit(probability) + offset)


def _logit(probability: float) -> float:
    kept = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(kept / (1 - kept))


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-max(min(value, 30.0), -30.0)))
