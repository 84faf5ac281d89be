"""Page -> boxes and lines. Knows pixels, places and sizes; knows no network and nothing of which digit.

A network that finds digits (see ``train.spotting``) sees the ink of a page at several sizes, each half of the one
before, for it knows digits of 15 to 68 pixels. What it says of each place becomes spots; spots become lines.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[Any]
Maps = NDArray[np.float32]

COARSE = 8
"""Pixels of a page for one of the picture that its paper's tone is found in."""

REACH = 11
"""Coarse pixels that the widest stroke, and the box of paper around it, may have."""

LEAST = 0.08
"""Contrast, in 0..1, that the darkest ink is taken to have at least: less is grain."""

STRIDE = 4
"""Pixels of a page for one cell of a network's maps."""

ALIGNED = 16
"""Pixels that the sides of what a network sees are multiples of."""

SMALLEST, LARGEST = 15.0, 68.0
"""Height in pixels of the digits that a network finds at one size of the page."""

BOX_UNIT = 24.0
"""Pixels: a box's width and height are given as the logarithm of so many."""

FAINTEST = 0.06
"""Probability of a digit below which a place is not looked at again."""

MOST_SPOTS = 3000
"""On one page: what has more is a texture, of which the likeliest are kept."""


@dataclass(frozen=True, eq=False)
class Spot:
    """A place on a page where a digit may be.

    Attributes:
        x: of its middle, in pixels.
        y: likewise.
        width: of its box, in pixels.
        height: likewise.
        probabilities: of each digit, (10,); their sum is the probability that there is one.
        goes_on: probability, 0..1, that its number has another digit to the right.
    """

    x: float
    y: float
    width: float
    height: float
    probabilities: NDArray[np.float32]
    goes_on: float = 1.0

    @cached_property
    def presence(self) -> float:
        """Probability, 0..1, that a digit is there."""
        return float(self.probabilities.sum())

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, width, height in pixels."""
        return self.x - self.width / 2, self.y - self.height / 2, self.width, self.height

    @property
    def breadth(self) -> float:
        """Width in pixels, of a thin one more than it has ink."""
        return max(self.width, 0.4 * self.height)


@dataclass(frozen=True, eq=False)
class Line:
    """Spots that stand in a row, from left to right.

    Attributes:
        spots: one or more.
        angle: degrees, clockwise, that the row falls.
    """

    spots: tuple[Spot, ...]
    angle: float


def ink(grey: Grey) -> Grey:
    """The ink of a page: how much darker each place is than the paper around it, by the darkest ink.

    Args:
        grey: (H, W) float32 in 0..1, dark ink on light paper.

    Returns:
        (H, W) float32 in 0..1; paper is 0, also in the shade.
    """
    coarse = (max(1, -(-grey.shape[1] // COARSE)), max(1, -(-grey.shape[0] // COARSE)))
    small = cv2.resize(grey, coarse, interpolation=cv2.INTER_AREA)
    closed = cv2.morphologyEx(
        small, cv2.MORPH_CLOSE, np.ones((REACH, REACH), np.uint8), borderType=cv2.BORDER_REPLICATE
    )
    smooth = cv2.blur(closed, (5, 5), borderType=cv2.BORDER_REPLICATE)
    paper = cv2.resize(smooth, grey.shape[::-1], interpolation=cv2.INTER_LINEAR)
    darker = (paper - grey).clip(0)
    top = float(np.quantile(darker[:: max(1, grey.shape[0] // 400), :: max(1, grey.shape[1] // 400)], 0.995))
    return np.asarray((darker / max(top, LEAST)).clip(0, 1), np.float32)


def sizes(shape: tuple[int, ...]) -> list[float]:
    """Factors by which a page is scaled to find digits of every size on it, the largest first.

    Args:
        shape: height, width of the page in pixels.
    """
    height, width = shape[:2]
    factor = 1.0
    while factor < 4 and min(height, width) * factor < 100 and height * width * (2 * factor) ** 2 < 200_000:
        factor *= 2
    factors = [factor]
    while height * factors[-1] > LARGEST and max(height, width) * factors[-1] > 40:
        factors.append(factors[-1] / 2)
    return factors


def scaled(page: Grey, factor: float, margin: int = 0) -> Grey:
    """A page's ink at another size, with a margin, on empty paper whose sides a network takes: (1, 1, H, W)."""
    height, width = max(1, round(page.shape[0] * factor)), max(1, round(page.shape[1] * factor))
    if factor != 1:
        page = cv2.resize(page, (width, height), interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    below, beside = -(height + 2 * margin) % ALIGNED, -(width + 2 * margin) % ALIGNED
    return np.pad(page, ((margin, margin + below), (margin, margin + beside)))[None, None].clip(0, 1)


MARGIN, CLEAN = 16, 0.05
"""Pixels of empty paper around a page with clean edges: at the very edge a 1 looks like the edge of a sheet.

And the ink, in 0..1, that most of a clean edge has at most.
"""


def _margin(page: Grey) -> int:
    """How much empty paper a page gets on each side: none where what is printed on it would end there."""
    edge = np.concatenate([page[0], page[-1], page[:, 0], page[:, -1]])
    return MARGIN if float(np.quantile(edge, 0.7)) < CLEAN else 0


def spots(page: Grey, network: Callable[[Grey], Maps]) -> list[Spot]:
    """Where digits may be on a page, likeliest first; more than one spot may stand for the same digit.

    Args:
        page: ink, (H, W) float32 in 0..1.
        network: (1, 1, H, W) -> maps (1, 16, H / 4, W / 4), see ``train.spotting``.
    """
    found: list[Spot] = []
    margin = _margin(page)
    for factor in sizes(page.shape):
        found.extend(_peaks(network(scaled(page, factor, margin))[0], factor, margin))
    found.sort(key=lambda spot: -spot.presence)
    kept = _different(found[:MOST_SPOTS])
    around = _around(kept)
    whole = [_of_many(spot, [kept[other] for other in near]) for spot, near in zip(kept, around, strict=True)]
    parts = [_of_one(spot, [whole[other] for other in near]) for spot, near in zip(whole, around, strict=True)]
    return sorted((spot for spot in parts if spot.presence > FAINTEST), key=lambda spot: -spot.presence)


def _different(found: Sequence[Spot]) -> list[Spot]:
    """Spots, less those that are the same digit as one before them."""
    kept: dict[int, Spot] = {}
    for index, near in enumerate(_around(found)):
        if not any(other in kept and _same(found[index], kept[other]) for other in near.tolist()):
            kept[index] = found[index]
    return list(kept.values())


def _around(found: Sequence[Spot]) -> list[NDArray[np.intp]]:
    """For each spot the places, in their order, of those that it may have to do with: their boxes meet.

    To compare each with each would take minutes where a texture has thousands.
    """
    if not found:
        return []
    x, y, wide, high = np.array([(spot.x, spot.y, spot.breadth, spot.height) for spot in found]).T
    return [
        np.flatnonzero(
            (np.abs(x - x[index]) < (wide + wide[index]) / 2) & (np.abs(y - y[index]) < (high + high[index]) / 2)
        )
        for index in range(len(found))
    ]


def _of_many(spot: Spot, others: Sequence[Spot]) -> Spot:
    """A spot with its presence lowered by that of smaller ones in it that stand side by side: a number is no digit."""
    inner = [other for other in others if other.presence > STRONG and _within(other, spot)]
    rest = 1.0
    for one, other in combinations(inner[:20], 2):
        level = abs(one.y - other.y) < 0.5 * min(one.height, other.height)
        if level and abs(one.x - other.x) > 0.7 * max(one.breadth, other.breadth):
            rest = min(rest, (1 - one.presence) * (1 - other.presence))
    return _less(spot, rest)


def _of_one(spot: Spot, others: Sequence[Spot]) -> Spot:
    """A spot with its presence lowered by that of a larger one around it: the loop of a 6 is no zero."""
    return _less(spot, min((1 - other.presence for other in others if _within(spot, other)), default=1.0))


def _less(spot: Spot, share: float) -> Spot:
    return spot if share == 1 else replace(spot, probabilities=spot.probabilities * np.float32(share))


def _within(inner: Spot, outer: Spot) -> bool:
    """Whether most of a spot lies within a larger one."""
    wide, high, wide2, high2 = inner.width, inner.height, outer.width, outer.height
    if high > 0.9 * high2 or (high > 0.75 * high2 and wide > 0.5 * wide2):
        return False
    across, down = _overlap(inner, outer)
    return across > 0.75 * wide and down > 0.75 * high


def _overlap(one: Spot, other: Spot) -> tuple[float, float]:
    """Width and height in pixels of what two boxes have in common; 0 or less where they are apart."""
    left, top, wide, high = one.box
    left2, top2, wide2, high2 = other.box
    return min(left + wide, left2 + wide2) - max(left, left2), min(top + high, top2 + high2) - max(top, top2)


def _peaks(maps: Maps, factor: float, margin: int) -> Iterator[Spot]:
    """Places where a middle is likelier than in the cells around, in pixels of the page without its margin."""
    chance = 1 / (1 + np.exp(-maps[0]))
    around = cv2.dilate(chance, np.ones((3, 3), np.uint8))
    rows, columns = np.nonzero((chance >= around) & (chance > FAINTEST))
    logits = maps[1:11, rows, columns]
    odds = np.exp(logits - logits.max(axis=0))
    rates = (odds / odds.sum(axis=0) * chance[rows, columns]).T
    x, y, wide, high, goes_on = maps[11:, rows, columns]
    unit = STRIDE / factor
    for index in range(len(rows)):
        width, height = (BOX_UNIT / factor * np.exp(side[index].clip(-4, 3)) for side in (wide, high))
        across = (columns[index] + 0.5 + x[index]) * unit - margin / factor
        down = (rows[index] + 0.5 + y[index]) * unit - margin / factor
        on = float(1 / (1 + np.exp(-goes_on[index])))
        yield Spot(float(across), float(down), float(width), float(height), rates[index], on)


def _same(one: Spot, other: Spot) -> bool:
    """Whether two spots are one digit: at one place and of like size."""
    if max(one.height, other.height) > 1.8 * min(one.height, other.height):
        return False
    near = abs(one.x - other.x) < 0.3 * min(one.breadth, other.breadth)
    return near and abs(one.y - other.y) < 0.3 * min(one.height, other.height)


def conflict(one: Spot, other: Spot) -> bool:
    """Whether two spots claim the same ink, so that only one can be a digit."""
    across, down = _overlap(one, other)
    if across <= 0 or down <= 0:
        return False
    share = across * down / max(min(one.width * one.height, other.width * other.height), 1e-6)
    apart = abs(one.x - other.x) / max(min(one.breadth, other.breadth), 1e-6)
    return share > 0.55 and apart < 0.75


STRONG = 0.3
"""Probability from which a spot makes a line; fainter ones only join one."""

WIDEST_GAP = 2.6
"""Heights of a digit between two of one line."""

LEAST_PART, MOST_PART = 0.3, 2.2
"""Heights of a digit between two numbers of a line at least; between two digits of one number at most."""

WIDENING = 1.5
"""How fast the odds of a number going on fall with a blank's width by that of the row's other gaps.

On photos the network takes numbers for one that stand closer than those that it learned from.
"""

BLANK = 0.9
"""Heights of a digit from which a gap is a blank: points and commas need less."""

JOINED = 0.85
"""Likewise between a faint spot and the number that it may belong to."""


Places = dict[int, tuple[float, float]]
"""Of each spot's middle on the page turned upright, by its identity."""


def lines(found: Sequence[Spot], page: Grey) -> list[Line]:
    """Rows of spots as they would be read, each one number: from the top down, from left to right.

    Args:
        found: spots of a page, likeliest first.
        page: ink, (H, W) float32 in 0..1: a ruled line may part two numbers.
    """
    strong = [spot for spot in found if spot.presence >= STRONG]
    if not strong:
        return []
    angle = skew(strong)
    turned = {id(spot): _turned(spot, -angle) for spot in found}
    parts = [part for row in _rows(strong, turned) for part in _parted(row, turned)]
    cells = [cell for part in parts for cell in _cells(part, turned, page, angle)]
    numbers = _without_parts(cells, turned)
    faint = [spot for spot in found if spot.presence < STRONG]
    result = []
    for number in _in_order(numbers, turned):
        joined = _without_marks([*number, *_joining(faint, number, turned)])
        result.append(Line(tuple(sorted(joined, key=lambda spot: turned[id(spot)][0])), float(np.rad2deg(angle))))
    return result


def _without_marks(number: list[Spot]) -> list[Spot]:
    """A number without what is much smaller than its digits: points, commas and dashes that look like digits."""
    height = float(np.median([spot.height for spot in number if spot.presence >= STRONG]))
    return [spot for spot in number if max(spot.height, spot.width) > MARK * height]


def _without_parts(numbers: list[list[Spot]], places: Places) -> list[list[Spot]]:
    """Numbers without those that lie where a larger one is written: its commas, ticks and ends of strokes."""
    left, top, right, bottom, height = np.array([_extent(number, places) for number in numbers]).T
    x, y = (left + right)[:, None] / 2, (top + bottom)[:, None] / 2
    inside = (left < x) & (x < right) & (top - ABOVE * height < y) & (y < bottom + ABOVE * height)
    several = np.array([len(number) > 1 for number in numbers])
    part = inside & several & ~several[:, None] & (height[:, None] < PART * height)
    return [number for number, covered in zip(numbers, part.any(axis=1), strict=True) if not covered]


def _extent(number: Sequence[Spot], places: Places) -> tuple[float, float, float, float, float]:
    """Left, top, right, bottom of a number's boxes on the page turned upright, and the median of their heights."""
    middles = np.array([places[id(spot)] for spot in number])
    sizes = np.array([(spot.width, spot.height) for spot in number])
    low, high = (middles - sizes / 2).min(axis=0), (middles + sizes / 2).max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1]), float(np.median(sizes[:, 1]))


PART = 0.62
"""Heights of a number's digits up to which a lone spot within its line is part of it and no number."""

MARK = 0.45
"""Heights of a number's digits from which a spot may be one of them: small zeros at the end have a half."""


def whole_line(found: Sequence[Spot]) -> Line | None:
    """All spots of a picture that holds one number, from left to right, however far apart; None where there are none.

    Args:
        found: spots of the picture, likeliest first.
    """
    rows = _rows([spot for spot in found if spot.presence >= STRONG], {id(spot): (spot.x, spot.y) for spot in found})
    if not rows:
        return None
    main = max(rows, key=lambda row: sum(spot.presence * spot.height for spot in row))
    top, bottom = (float(np.median([spot.y + side * spot.height for spot in main])) for side in (-0.5, 0.5))
    height = bottom - top
    level = [
        spot
        for spot in found
        if top - 0.2 * height < spot.y < bottom + 0.2 * height and 0.4 * height < spot.height < 2 * height
    ]
    return Line(tuple(sorted(level, key=lambda spot: spot.x)), float(np.rad2deg(skew(main))))


def skew(strong: Sequence[Spot]) -> float:
    """The angle in radians, clockwise, by which the rows of a page fall: the median over digits side by side."""
    places = np.array([(spot.x, spot.y, spot.height) for spot in strong])
    angles = []
    for x, y, height in places:
        across, down = places[:, 0] - x, places[:, 1] - y
        alike = np.maximum(places[:, 2], height) < 1.8 * np.minimum(places[:, 2], height)
        beside = (across > 0.15 * height) & (across < 3 * height) & (np.abs(down) < 0.7 * across + 0.2 * height) & alike
        if beside.any():
            nearest = np.flatnonzero(beside)[np.hypot(across, 2 * down)[beside].argmin()]
            angles.append(float(np.arctan2(down[nearest], across[nearest])))
    return float(np.median(angles)) if len(angles) > 1 else 0.0


def _turned(spot: Spot, angle: float) -> tuple[float, float]:
    cosine, sine = np.cos(angle), np.sin(angle)
    return float(spot.x * cosine - spot.y * sine), float(spot.x * sine + spot.y * cosine)


def _rows(strong: Sequence[Spot], places: Places) -> list[list[Spot]]:
    """Spots joined with their neighbours left and right."""
    order = sorted(strong, key=lambda spot: places[id(spot)][0])
    row_of: dict[int, list[Spot]] = {}
    for index, spot in enumerate(order):
        x, y = places[id(spot)]
        best: tuple[float, Spot] | None = None
        for other in reversed(order[:index]):
            x2, y2 = places[id(other)]
            tall, low = max(spot.height, other.height), min(spot.height, other.height)
            gap = x - x2 - (spot.width + other.width) / 2
            if gap > WIDEST_GAP * tall or abs(y - y2) > 0.5 * tall or tall > 2.4 * low:
                continue
            far = max(gap, 0) + 2 * abs(y - y2)
            if best is None or far < best[0]:
                best = (far, other)
        row = row_of[id(best[1])] if best else []
        row.append(spot)
        row_of[id(spot)] = row
    return list({id(row): row for row in row_of.values()}.values())


def _parted(row: list[Spot], places: Places) -> Iterator[list[Spot]]:
    """A row where its numbers end: gaps before which the network sees an end, the sooner the wider they are."""
    gaps = [
        (places[id(spot)][0] - places[id(before)][0] - (spot.width + before.width) / 2)
        / max(before.height, spot.height)
        for before, spot in pairwise(row)
    ]
    usual = max(float(np.median(gaps)), 0.0) if len(gaps) > 1 else None
    number = [row[0]]
    for (before, spot), gap in zip(pairwise(row), gaps, strict=True):
        on = min(max(before.goes_on, 1e-4), 1 - 1e-4)
        surprise = WIDENING * np.log(gap / (usual + 0.15)) if usual is not None and gap > BLANK else 0.0
        if gap > LEAST_PART and (np.log(on / (1 - on)) < max(surprise, 0.0) or gap > MOST_PART):
            yield number
            number = []
        number.append(spot)
    yield number


def _cells(number: list[Spot], places: Places, page: Grey, angle: float) -> Iterator[list[Spot]]:
    """A number where the cells of a table end: at ruled lines between its digits.

    Lines that stand as close as digits part nothing: each digit has a box of its own, or the paper is squared.
    """
    if len(number) == 1:
        yield number
        return
    x, y = np.array([places[id(spot)] for spot in number]).T
    wide, high = np.array([(spot.width, spot.height) for spot in number]).T
    reach = FAR * high.max()
    rules, clear = _rules(page, (x[0] - reach, x[-1] + reach), float(y.mean()), float(high.max()), angle)
    on = np.abs(rules[:, None] - x) < wide / 2
    line = on.any(axis=0) & (wide < THIN * high)  # a piece of a ruled line is taken for a one
    left, middle, right = (np.r_[-np.inf, (x + side * wide)[~line], np.inf] for side in (-0.5, 0, 0.5))
    place = np.searchsorted(middle, rules)  # of the digit after each rule
    steps = np.delete(np.diff(middle), place - 1)
    usual = float(np.median(steps[np.isfinite(steps)])) if np.isfinite(steps).any() else np.inf
    far = np.diff(rules, prepend=-np.inf, append=np.inf) > CELL * usual
    free = (right[place - 1] < rules) & (rules < left[place]) & (left[place] - right[place - 1] > PADDED * high.max())
    ends = clear & far[:-1] & far[1:] & free
    parts, kept = np.searchsorted(rules[ends], x), ~on[ends].any(axis=0)
    for part in np.unique(parts[kept]):
        yield [number[index] for index in np.flatnonzero(kept & (parts == part))]


def _rules(
    page: Grey, extent: tuple[float, float], middle: float, height: float, angle: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """What may be ruled lines across a row of digits, from left to right: where they are, and which are so clearly.

    Args:
        page: ink, (H, W).
        extent: where the row begins and ends, on the page turned upright; so is what comes back.
        middle: how far down it is there.
        height: of its digits.
        angle: radians, clockwise, that it falls.
    """
    shape = max(1, round(extent[1] - extent[0])), max(1, round(2 * CROSSING * height))
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    inked, darker = np.zeros(shape[0]), np.zeros(shape[0])
    for lean in np.linspace(-LEAN, LEAN, 7):
        offset = turn @ (extent[0] - lean * shape[1] / 2, middle - shape[1] / 2)
        matrix = np.column_stack([turn @ [[1, lean], [0, 1]], offset])
        box = cv2.warpAffine(page, matrix, shape, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        beside = box - cv2.blur(box, (shape[1] // 4 | 1, 1))
        inked = np.maximum(inked, (box > INKED).mean(axis=0))
        darker = np.maximum(darker, (cv2.blur(beside, (1, shape[1] // 10 | 1)) > DARKER).mean(axis=0))
    edges = np.flatnonzero(np.diff(np.maximum(inked, darker) > UNBROKEN, prepend=False, append=False))
    groups = [(begin, end) for begin, end in edges.reshape(-1, 2).tolist() if end - begin < THIN * height]
    places = [extent[0] + (begin + end) / 2 for begin, end in groups]
    return np.array(places), np.array([darker[begin:end].max() > UNBROKEN for begin, end in groups], bool)


FAR = 2.5
"""Heights of its digits before and after a row, where ruled lines are looked for, too."""

CELL = 1.6
"""Times as far as it is from digit to digit in a row, from one ruled line to the next, where they part numbers."""

PADDED = 0.45
"""Heights of a digit that are free around a ruled line which parts numbers, at least."""

CROSSING, LEAN = 0.85, 0.06
"""Heights of its digits that a ruled line reaches up and down from a row's middle; radians that it may lean."""

INKED, DARKER, UNBROKEN = 0.15, 0.1, 0.9
"""Ink of what may be a ruled line, and how much more it has than what is beside it, at least; share of its length."""

THIN = 0.3
"""Width of a ruled line by height of the digits at most; likewise of a spot that may be a piece of one."""


def _in_order(numbers: Iterable[list[Spot]], places: Places) -> list[list[Spot]]:
    """Numbers of one height on the page from left to right, those from the top down."""
    rows: list[tuple[float, float, list[list[Spot]]]] = []
    for number in sorted(numbers, key=lambda spots: float(np.mean([places[id(spot)][1] for spot in spots]))):
        middle = float(np.mean([places[id(spot)][1] for spot in number]))
        height = float(np.mean([spot.height for spot in number]))
        if rows and abs(middle - rows[-1][0]) < 0.6 * max(height, rows[-1][1]):
            rows[-1][2].append(number)
        else:
            rows.append((middle, height, [number]))
    return [number for *_, row in rows for number in sorted(row, key=lambda spots: places[id(spots[0])][0])]


def _joining(faint: Sequence[Spot], number: Sequence[Spot], places: Places) -> Iterator[Spot]:
    """Faint spots that are a number's digits, if they are any."""
    height = float(np.median([one.height for one in number]))
    for spot in faint:
        if not 0.45 * height < spot.height < 1.8 * height:
            continue
        x, y = places[id(spot)]
        nearest = min(number, key=lambda one: abs(places[id(one)][0] - x))
        gap = abs(places[id(nearest)][0] - x) - (nearest.width + spot.width) / 2
        if gap < JOINED * height and abs(places[id(nearest)][1] - y) < 0.45 * height:
            yield spot


ROW = 48
"""Height in pixels of a row of digits as the network sees it that reads rows."""

ABOVE, BESIDE = 0.22, 1.2
"""Heights of its digits, that are cut out above and below a row, and before and after it at most."""


@dataclass(frozen=True, eq=False)
class Row:
    """A line cut out of a page, level.

    Attributes:
        ink: (ROW, W) float32 in 0..1.
        matrix: (2, 3), from pixels of the page to those of the row.
    """

    ink: Grey
    matrix: NDArray[np.float64]

    def across(self, x: float, y: float) -> float:
        """How far along the row a place on the page is, in pixels of the row."""
        return float(self.matrix[0] @ (x, y, 1.0))

    def place(self, across: float, down: float) -> tuple[float, float]:
        """The place on the page of one on the row."""
        x, y = cv2.invertAffineTransform(self.matrix) @ (across, down, 1.0)
        return float(x), float(y)


def cut_row(page: Grey, line: Line, others: Sequence[Spot] = ()) -> Row:
    """A line cut out of a page, with a margin that ends half-way to what stands beside it.

    Args:
        page: ink, (H, W) float32 in 0..1.
        line: with one strong spot or more.
        others: spots of the page, of this line and of others.
    """
    strong = [spot for spot in line.spots if spot.presence >= STRONG] or list(line.spots)
    angle = np.deg2rad(line.angle)
    left, top, right, bottom, height = _extent(strong, {id(spot): _turned(spot, -angle) for spot in strong})
    cosine, sine = np.cos(angle), np.sin(angle)
    around = np.array([(spot.x, spot.y, spot.width / 2) for spot in others if spot.presence >= STRONG]).reshape(-1, 3)
    across, down = around[:, 0] * cosine + around[:, 1] * sine, around[:, 1] * cosine - around[:, 0] * sine
    level_with = (top < down) & (down < bottom)
    gaps_before = (left - across - around[:, 2])[level_with & (across < left)]
    gaps_after = (across - around[:, 2] - right)[level_with & (across > right)]
    left -= float(np.min(gaps_before.clip(0) / 2, initial=BESIDE * height))
    right += float(np.min(gaps_after.clip(0) / 2, initial=BESIDE * height))
    top, bottom = top - ABOVE * height, bottom + ABOVE * height
    level = np.array([[cosine, sine, -left], [-sine, cosine, -top]])
    shape = (max(1, math.ceil(right - left)), max(1, math.ceil(bottom - top)))
    # Whole pixels have their middles at a half, as spots count them.
    middles = level.copy()
    middles[:, 2] += level[:, :2] @ (0.5, 0.5) - 0.5
    piece = cv2.warpAffine(page, middles, shape, flags=cv2.INTER_LINEAR)
    ink = resized_row(piece)
    scale = np.array([[ink.shape[1] / shape[0]], [ROW / shape[1]]])
    return Row(ink, level * scale)


def resized_row(piece: Grey, widest: int | None = None) -> Grey:
    """A row's ink, ROW pixels high; its sides in proportion.

    Args:
        piece: ink, (H, W) float32 in 0..1.
        widest: pixels; a longer row is squeezed to them. None for any length.
    """
    height, width = piece.shape
    wide = max(8, round(width * ROW / height))
    shape = (wide if widest is None else min(wide, widest), ROW)
    return cv2.resize(piece, shape, interpolation=cv2.INTER_AREA if height > ROW else cv2.INTER_LINEAR)
