"""The figures of a measurement as people read them: in the terminal, and in a model's README."""

from dataclasses import asdict, dataclass
from typing import Any

from zeronine.bench.accuracy import COVERAGE, Accuracy, Share


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        title: its heading.
        columns: their headings.
        rows: a text for each column.
        notes: sentences that go below it.
        words: how many columns, from the left, are words; the others are figures.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    words: int = 2

    def as_dict(self) -> dict[str, Any]:
        """As plain types, for a model's card."""
        return asdict(self)


def tables(figures: Accuracy) -> dict[str, Table]:
    """The tables that have rows, by name.

    Args:
        figures: of a model.
    """
    made = {
        "handwriting": _handwriting(figures),
        "scenes": _scenes(figures),
        "corruptions": _corruptions(figures),
        "calibration": _calibration(figures),
        "refusal": _refusal(figures),
    }
    return {name: table for name, table in made.items() if table.rows}


def _handwriting(figures: Accuracy) -> Table:
    rows = []
    for name, row in figures.handwriting.items():
        rows.append((name, row.about, *_share(row.share)))
        rows += [(f"{name}, {capture}", "", *_share(share)) for capture, share in row.captures.items()]
    columns = ("set", "what", "right", "accuracy", "95 % interval", "refused", "if none were")
    notes = ("A refused digit counts as wrong; the last column is the accuracy if none were refused.",)
    return Table("Everyone's handwriting", columns, tuple(rows), notes)


def _scenes(figures: Accuracy) -> Table:
    rows = tuple((name, row.about, *_share(row.share)) for name, row in figures.scenes.items())
    columns = ("scene", "what", "right", "accuracy", "95 % interval", "refused", "if none were")
    notes = ("The pictures of the set of scans, put into photographs by code of our own.",)
    return Table("Scenes", columns, rows, notes)


def _share(share: Share) -> tuple[str, ...]:
    low, high = share.interval
    return (
        f"{share.correct:,} of {share.count:,}",
        _percent(share.accuracy),
        f"{100 * low:.2f} to {100 * high:.2f} %",
        f"{share.refused:,}",
        "" if share.forced is None else _percent(share.forced / share.count),
    )


def _corruptions(figures: Accuracy) -> Table:
    rows = []
    for name, row in figures.corruptions.items():
        both = (_percent(row.reader.accuracy), f"{row.reader.refused:,}", _percent(row.network.accuracy))
        rows.append((name, row.settings, *both))
    reader, network = (figures.over_corruptions(way) for way in ("reader", "network"))
    if reader and network and len(rows) > 1:
        rows.append(("mean", "", _percent(reader["mean"]), "", _percent(network["mean"])))
        least = (f"{_percent(way['least'])}, {way['least_of']}" for way in (reader, network))
        rows.append(("least", "", next(least), "", next(least)))
    count = max((row.reader.count for row in figures.corruptions.values()), default=0)
    notes = (
        f"{count:,} of MNIST's test images, corrupted as in MNIST-C (Mu & Gilmer, 2019) by code of our own. Reader: "
        "with its preprocessing, a refused digit counts as wrong. Network: the image as it is.",
    )
    return Table("Corruptions", ("corruption", "what", "Reader", "refused", "network"), tuple(rows), notes)


def _calibration(figures: Accuracy) -> Table:
    rows = []
    for name, row in figures.calibration.items():
        shares = (row.accuracy, row.confidence, row.equal_width, row.equal_mass)
        rows.append((name, f"{row.count:,}", *map(_percent, shares)))
    notes = (
        "Expected calibration error, 15 bins, of equal width and with as many pictures each. Refused pictures count "
        "with the digit that they would have been read as.",
    )
    columns = ("set", "pictures", "accuracy", "mean confidence", "error, equal width", "error, equal mass")
    return Table("Calibration", columns, tuple(rows), notes, words=1)


def _refusal(figures: Accuracy) -> Table:
    rows = [
        (f"{name}, digits", "false alarms", f"{share.count:,}", _refused(share.refused, share.count), "", "")
        for name, share in figures.false_alarms.items()
    ]
    for name, row in figures.refusal.items():
        areas = (_area(row.network), _area(row.reader))
        rows.append((name, row.about, f"{row.count:,}", _refused(row.refused, row.count), *areas))
    notes = [
        "AUROC: how often an MNIST test digit is given more confidence than one of these. Network: 28×28 straight into "
        "it, its highest probability of a digit. Reader: with its preprocessing, its confidence, 0 for what is blank.",
    ]
    if figures.surest:
        sure = figures.surest
        notes.append(
            f"The surest {100 * COVERAGE:.0f} % of MNIST's test images: {sure.correct:,} of {sure.count:,} right, "
            f"{_percent(sure.accuracy)}."
        )
    columns = ("set", "what", "pictures", "refused", "AUROC, network", "AUROC, Reader")
    return Table("Refusal", columns, tuple(rows), tuple(notes))


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"


def _refused(refused: int, count: int) -> str:
    return f"{refused:,} ({_percent(refused / count)})"


def _area(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
