"""A run of the page's network -> model folder: its confidence calibrated on composed pages, its parity proved.

Everything is fitted on pages made of images that no training page was made of; measured on pages of the test images.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

from zeronine import data as datasets
from zeronine.errors import DataError, ModelError
from zeronine.evaluate import wilson
from zeronine.files import identity
from zeronine.joint import Weights, candidates, scored
from zeronine.lattice import Reading
from zeronine.numbers import Calibration, Networks, found, read_page, row_chances
from zeronine.page import ROW, Grey, Line, Maps, Spot, cut_row, ink, lines
from zeronine.reader import MODELS, ROWS, SHIPPED_PAGE, Reader
from zeronine.train import glyphs
from zeronine.train.compose import LEVELS, Composer
from zeronine.train.composed import composer, starts_of, trained, trainings
from zeronine.train.lines import LINE
from zeronine.train.pages import PAGE
from zeronine.train.run import Run
from zeronine.train.sheet import Page, Placed
from zeronine.train.synthesis import Random
from zeronine.train.write_onnx import write_onnx

PARITY, ROW_PARITY = 0.02, 0.005
"""Largest difference of a map's logit, or a probability, between the trained network and the exported one.

Measured: 4e-3 and 3e-4, all of it from weights of 2 bytes; 1e-5 with 4.
"""

PAGES, LINES = 300, 600
"""Composed pages, and pictures of one number, that calibration is fitted on."""

LENGTHS = (1, 2, 3, 4, 5, 6, 8, 10, 12)
"""Of the numbers that a model is measured on, in digits."""

EACH = 40
"""Pictures of each length, level, touching and not."""


def export_pages(run: Run, out: Path, rows: Run | None = None) -> Path:
    """Make a model folder of a finished run of the page's network, and of one of the network that reads rows.

    Args:
        run: its data set must be at hand.
        out: the model folder; must not exist yet.
        rows: the run of ``line``; None for the shipped model's network.

    Returns:
        The model folder: ``model.onnx``, ``rows.onnx``, ``card.json`` with the calibration, ``README.md``.

    Raises:
        ModelError: the folder exists, a run is of another kind, or an exported network does not answer as the trained
            one did.
        DataError: the run's data set is not at hand, or has changed.
    """
    if out.exists():
        raise ModelError(f"{out} exists: choose another folder with --out, or remove it")
    for one, kind in ((run, PAGE.name), (rows, LINE.name)):
        if one is not None and one.config["kind"] != kind:
            raise ModelError(
                f"{one.folder} is a run of {one.config['recipe']}, not of {kind}: "
                " zeronine export PAGE-RUN --rows LINE-RUN"
            )
    validation, strangers, test = _splits(run)
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        _write_finder(run, unfinished)
        card = _card(run, out.name)
        card |= {"model": identity(unfinished / "model.onnx"), "rows": _write_rows(rows, unfinished)}
        _write(unfinished, card)
        networks = Reader(page=unfinished).networks
        card["parity"] = _parity(trained(PAGE, run), networks.find, PARITY, ((16, 16), (64, 208), (320, 240)))
        if rows is not None:
            card["rows"]["parity"] = _parity(_Answering(rows), networks.rows, ROW_PARITY, ((ROW, 16), (ROW, 400)))
        calibration = calibrated(validation, strangers, networks)
        card["calibration"] = asdict(calibration)
        card["measured"] = measured(test, replace(networks, calibration=calibration))
        _write(unfinished, card)
        unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return out


def _write_finder(run: Run, folder: Path) -> None:
    sides = (
        torch.export.Dim("sixteenths_high", min=1, max=1000),
        torch.export.Dim("sixteenths_wide", min=1, max=1000),
    )
    shapes = {2: 16 * sides[0], 3: 16 * sides[1]}
    example = torch.zeros(1, 1, 64, 96)
    write_onnx(trained(PAGE, run), example, folder / "model.onnx", shapes, ("pages", "maps"), halved=True)


def _write_rows(rows: Run | None, folder: Path) -> dict[str, Any]:
    """Write the network that reads rows; what the card says of it."""
    path = folder / ROWS
    if rows is None:
        shutil.copyfile(MODELS / SHIPPED_PAGE / ROWS, path)
        card: dict[str, Any] = json.loads((MODELS / SHIPPED_PAGE / "card.json").read_text(encoding="utf-8"))
        shipped: dict[str, Any] = card["rows"]
        return shipped
    across = {3: 4 * torch.export.Dim("places", min=2, max=10_000)}
    write_onnx(_Answering(rows), torch.zeros(1, 1, ROW, 64), path, across, ("rows", "probabilities"), halved=True)
    config = rows.config
    return {
        **{key: config[key] for key in ("recipe", "seed", "settings", "data", "hardware", "versions")},
        "training_seconds": config["seconds"],
        **_history(rows),
        "read_whole": rows.history[-1]["val_whole"],
        **identity(path),
    }


class _Answering(torch.nn.Module):
    """The network of a run of ``line`` with probabilities for logits.

    Args:
        run: finished.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.network = trained(LINE, run)
        self.eval()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Probabilities (N, W / 4, 11) of rows (N, 1, 48, W)."""
        answers: torch.Tensor = self.network(rows).softmax(2)
        return answers


def _splits(run: Run) -> tuple[Composer, Composer, Composer]:
    """What makes pages to calibrate with, in hands that are known and in others, and to measure on."""
    config = run.config
    dataset = datasets.load(config["data"]["name"])
    if dataset.sha256 != config["data"]["sha256"]:
        raise DataError(f"{dataset.name} has changed since {run.folder} was trained: put it back, or train again")
    _, validation = dataset.holdout(config["settings"]["validation"], seed=0)
    measured = dataset.test if len(dataset.test) else validation
    return composer(validation), composer(validation, glyphs.digits()), composer(measured)


def _write(folder: Path, card: dict[str, Any]) -> None:
    (folder / "card.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(readme(card), encoding="utf-8")


def _parity(
    network: torch.nn.Module, exported: Callable[[Grey], Maps], most: float, sides: Sequence[tuple[int, int]]
) -> dict[str, Any]:
    """How an exported network's answers compare with those of the trained one, on noise of several sizes."""
    random, largest = np.random.default_rng(0), 0.0
    for height, width in sides:
        page = random.random((1, 1, height, width), np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(page)).numpy()
        largest = max(largest, float(np.abs(exported(page) - expected).max()))
    if largest > most:
        raise ModelError(f"the exported network differs from the trained one by {largest:.1e}: not exported")
    return {"largest_difference": float(f"{largest:.1e}")}


def calibrated(pages: Composer, strangers: Composer, networks: Networks) -> Calibration:
    """How a network's probabilities become confidence, fitted on composed pages.

    Args:
        pages: makes them; of images that the network has not learned from.
        strangers: likewise, in hands that it has not learned from: what it misses of these tells how far to trust it.
        networks: what finds and reads; their own calibration is left out.
    """
    networks = replace(networks, calibration=Calibration())
    rows = _examined(pages, networks)
    known = Calibration(_presence(rows), _exponent(rows))
    known = replace(known, row=_weights(strangers, replace(networks, calibration=known)))
    return replace(known, confidence=_confidence(pages, replace(networks, calibration=known)))


Examined = tuple[Spot, int]
"""A spot, and which digit it is: -1 for none."""


def _examined(pages: Composer, networks: Networks) -> list[Examined]:
    """Spots of composed pages with the truth."""
    rows: list[Examined] = []
    for number in range(PAGES):
        page = _any_page(pages, np.random.default_rng([1, number]))
        spots = found(ink(page.grey), networks)
        rows += [(spot, truth) for spot, truth in zip(spots, truths(spots, page), strict=True) if truth is not None]
    return rows


def _any_page(pages: Composer, random: Random) -> Page:
    """A page, or a piece of one, of any size."""
    return pages.page(random, (int(random.integers(60, 300)), int(random.integers(120, 400))))


def truths(spots: Sequence[Spot], page: Page) -> list[int | None]:
    """Which digit each spot is, -1 for none; None for what is neither, such as a digit that is half on the page."""
    taken: set[int] = set()
    result: list[int | None] = []
    for spot in spots:  # the likeliest first: each digit is found once
        near = [index for index, placed in enumerate(page.digits) if _on(spot, placed)]
        free = [index for index in near if index not in taken and page.digits[index].visible >= 0.75]
        if free:
            taken.add(free[0])
            result.append(page.digits[free[0]].digit)
        else:
            result.append(None if any(page.digits[index].visible < 0.75 for index in near) else -1)
    return result


def _on(spot: Spot, placed: Placed) -> bool:
    """Whether a spot's middle and size are those of a digit."""
    left, top, wide, high = placed.box
    close = abs(spot.x - left - wide / 2) < 0.35 * max(wide, 0.4 * high) and abs(spot.y - top - high / 2) < 0.35 * high
    return close and 0.5 < spot.height / max(high, 1) < 2


def _logits(values: NDArray[np.float64]) -> NDArray[np.float64]:
    kept = values.clip(1e-6, 1 - 1e-6)
    return np.asarray(np.log(kept / (1 - kept)))


def _log_loss(logits: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    return float(np.mean(np.logaddexp(0, np.where(true, -logits, logits))))


def _presence(rows: Sequence[Examined]) -> tuple[float, float]:
    """Factor and offset of the finder's logit of a digit being there; by log loss."""
    if not rows:
        return 1.0, 0.0
    logits = _logits(np.array([spot.presence for spot, _ in rows]))
    true = np.array([truth >= 0 for _, truth in rows])

    def loss(factors: NDArray[np.float64]) -> float:
        return _log_loss(factors[0] * logits + factors[1], true)

    fit = minimize(loss, np.array([1.0, 0.0]))
    return float(fit.x[0]), float(fit.x[1])


def _exponent(rows: Sequence[Examined]) -> float:
    """Exponent of the finder's probabilities of which digit it is; by log loss."""
    digits = [(spot, truth) for spot, truth in rows if truth >= 0]
    if not digits:  # an untrained network finds none
        return 1.0
    truth = np.array([one for _, one in digits])
    logs = np.log(np.array([spot.probabilities / spot.presence for spot, _ in digits]) + 1e-6)

    def loss(exponents: NDArray[np.float64]) -> float:
        logits = exponents[0] * logs
        return float(np.mean(np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(truth)), truth]))

    return float(minimize(loss, np.array([1.0]), bounds=[(0.1, 5)]).x[0])


def _weights(pages: Composer, networks: Networks) -> Weights:
    """How much the digits found, the row and their number count, by the log likelihood of what composed lines say.

    First what tells one number from another, of lines that hold one; then what a number adds for being one at all. At
    once, lines without a number would decide what a digit more adds, of which only lines with one can tell.
    """
    examined = [page for number in range(WEIGHED) for page in _both(pages, number)]
    cases = [case for page in examined for case in _cases(page, networks)]
    with_one = [_of_a_number(case) for case in cases if case[0][case[2]].text]
    if not with_one:
        return Weights()

    def among_numbers(values: NDArray[np.float64]) -> Weights:
        spots, row, unfound, digit = map(float, values)
        return Weights(abs(spots), abs(row), -abs(unfound), digit)

    start, steps = np.array([0.5, 0.5, 7.0, 0.0]), np.diag([0.5, 0.5, 3.0, 1.0])
    simplex = np.concatenate([start[None], start + steps])

    def loss(values: NDArray[np.float64]) -> float:
        return _surprise(with_one, among_numbers(values))

    fit = minimize(loss, start, method="Nelder-Mead", options={"initial_simplex": simplex, "maxiter": 250})
    known = among_numbers(fit.x)
    number = minimize_scalar(lambda value: _surprise(cases, replace(known, number=float(value)))).x
    return replace(known, number=float(number))


def _of_a_number(case: "Case") -> "Case":
    """A line that holds a number, without the reading that it holds none."""
    some, chances, right = case
    numbers = [one for one in some if one.text]
    return numbers, chances, numbers.index(some[right])


def _surprise(cases: Sequence["Case"], weights: Weights) -> float:
    """Mean of minus the logarithm of the probability that the right reading gets."""
    total = 0.0
    for some, chances, right in cases:
        scores = scored(some, chances, weights)
        total += float(np.logaddexp.reduce(scores) - scores[right])
    return total / len(cases)


WEIGHED = 400
"""Composed pages whose lines are looked at, and as many pictures of one number."""


def _both(pages: Composer, number: int) -> tuple[Page, Page]:
    """A page with what stands beside numbers, and a picture of one number."""
    random = np.random.default_rng([9, number])
    picture, _ = pages.line(random, int(random.integers(1, 9)), LEVELS[number % len(LEVELS)], number % 2 == 0)
    return _any_page(pages, np.random.default_rng([4, number])), picture


Case = tuple[list[Reading], NDArray[np.float32], int]
"""What a line may say, the places along its row, and which of the readings is right."""


def _cases(page: Page, networks: Networks) -> list[Case]:
    """The lines that are found on a composed page, as far as they are clear: of all of one number each, or of none."""
    plane = page.ink
    seen = found(plane, networks)
    beside, written = lines(seen, plane), _numbers(page)
    held = [[number for number in written if _shares(line, number)] for line in beside]
    cases = []
    for line, numbers in zip(beside, held, strict=True):
        cut_off = any(one.visible < CLEARLY for number in numbers for one in number)
        parted = any(sum(number in others for others in held) > 1 for number in numbers)
        if len(numbers) > 1 or cut_off or parted:
            continue
        chances = row_chances(cut_row(plane, line, seen), networks.rows)
        some = candidates(line.spots, chances, None)
        text = "".join(str(one.digit) for one in numbers[0]) if numbers else ""
        cases += [(some, chances, index) for index, one in enumerate(some) if one.text == text]
    return cases


def _numbers(page: Page) -> list[list[Placed]]:
    """The digits of each number on a page."""
    numbers: list[list[Placed]] = [[]]
    for one in page.digits:
        numbers[-1].append(one)
        if not one.goes_on:
            numbers.append([])
    return [number for number in numbers if number]


def _shares(line: Line, number: Sequence[Placed]) -> bool:
    """Whether a line has a spot of a number."""
    return any(_on(spot, one) for spot in line.spots for one in number)


CLEARLY = 0.9
"""Share of each digit's ink that must be seen for a row to be a case."""


def _confidence(pages: Composer, networks: Networks) -> tuple[float, float]:
    """Factor and offset of the logit of a whole number's probability, by log loss; on hard pictures, as real ones."""
    chances, right = [], []
    for number in range(LINES):
        random = np.random.default_rng([2, number])
        page, text = pages.line(random, int(random.integers(1, 9)), "hard", random.random() < 0.3)
        for read in read_page(page.grey, networks):
            chances.append(read.confidence)
            right.append(read.text == text)
    if not chances:
        return 1.0, 0.0
    logits, true = _logits(np.array(chances)), np.array(right)

    def loss(factors: NDArray[np.float64]) -> float:
        return _log_loss(factors[0] * logits + factors[1], true)

    fit = minimize(loss, np.array([1.0, 0.0]))
    return float(fit.x[0]), float(fit.x[1])


def measured(pages: Composer, networks: Networks) -> list[dict[str, Any]]:
    """Numbers read rightly, by difficulty, touching or not, and length, on pictures that are always the same.

    Args:
        pages: makes them, of test images.
        networks: what finds and reads.
    """
    rows = []
    for level in LEVELS:
        for touching in (False, True):
            for length in LENGTHS:
                right = 0
                for number in range(EACH):
                    random = np.random.default_rng([3, LEVELS.index(level), touching, length, number])
                    page, text = pages.line(random, length, level, touching)
                    right += [read.text for read in read_page(page.grey, networks)] == [text]
                row = {"level": level, "touching": touching, "length": length, "count": EACH, "right": right}
                rows.append(row)
    return rows


def _card(run: Run, name: str) -> dict[str, Any]:
    """What is to be known of a model before its files are written."""
    config = run.config
    return {
        "name": name,
        "kind": "page",
        **{key: config[key] for key in ("recipe", "seed", "settings", "data", "hardware", "versions", "classes")},
        "training_seconds": config["seconds"],
        **_history(run),
        "digits_found_and_right": run.accuracy,
        "exported": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _history(run: Run) -> dict[str, Any]:
    """The trainings before one, the first of them first, as far as they are known, and which of them it began with."""
    *before, last = trainings(run.config["recipe"], str(run.folder))
    return {"before": before, "from": last["from"]}


def readme(card: dict[str, Any]) -> str:
    """The README of a model folder, all of it from ``card.json``."""
    text = f"""# {card["name"]}

Two networks that read handwritten numbers off a page, as a model folder of Zeronine: `model.onnx` finds digits,
`rows.onnx` reads each row of them at once, `card.json` has all that is known of them, and this page is made from the
card. Use it with `zeronine read IMAGE --page {card["name"]}` or `Reader(page="{card["name"]}")`.

| | finds digits | reads rows |
|---|---|---|
| takes | ink of a page of any size, see `zeronine.page`; digits of 15 to 68 pixels | ink of a row, {ROW} pixels high |
"""
    both = (card, card["rows"])
    for title, row in (
        ("recipe", [f"`{one['recipe']}`, seed {one['seed']}: {_settings(one)}" for one in both]),
        ("trained on", [_learned_from(one) for one in both]),
        ("training time", [_duration(one) for one in both]),
        ("file", [_size(one) for one in (card["model"], card["rows"])]),
    ):
        text += f"| {title} | {' | '.join(row)} |\n"
    right, whole = card["digits_found_and_right"], card["rows"]["read_whole"]
    text += f"| on composed pages | {100 * right:.1f} % of digits of test images found and right | "
    text += f"{100 * whole:.1f} % of rows of validation images read whole |\n"
    text += f"""
## To make it again

{_command(card, "run")}{_command(card["rows"], "rows")}    zeronine export run --rows rows --out {card["name"]}
"""
    return text + (_measured_table(card["measured"]) if card.get("measured") else "")


def _settings(card: dict[str, Any]) -> str:
    settings = card["settings"]
    if not settings["epochs"]:
        return f"the mean of the weights of {len(starts_of(settings['start']))} networks, see below"
    return ", ".join(f"{name} {value}" for name, value in settings.items() if value != "")


def _learned_from(card: dict[str, Any]) -> str:
    real = ", and real pictures" if card["settings"].get("real") else "; no real page"
    name = card["data"]["name"]
    return f"pages composed of `{name}`'s training images and of pen strokes, our own and 44 people's{real}"


def _duration(card: dict[str, Any]) -> str:
    hardware = card["hardware"]
    seconds = [one["training_seconds"] for one in (*card["before"], card)]
    minutes = " + ".join(f"{one / 60:.0f}" for one in seconds if one)
    return f"{minutes} minutes on {hardware['cores']} cores, {hardware['processor']}"


def _size(file: dict[str, Any]) -> str:
    return f"`{file['file']}`, {file['bytes']:,} bytes, SHA-256 `{file['sha256']}`"


def _command(card: dict[str, Any], out: str) -> str:
    """What trains a network again, and before it those that it was begun with; their folders get names of their own."""
    recipe, before = card["recipe"], card["before"]
    unknown = _starts((before or [card])[0])
    runs = [*({"recipe": recipe, "seed": 0, "settings": {}, "out": out} for out in unknown), *before]
    names = {one["out"]: f"runs/{recipe}-{number}" for number, one in enumerate(runs, 1)}
    lines = [_training(one, names[one["out"]], names) for one in runs]
    return "".join([*lines, _training(card, out, names)])


def _starts(card: dict[str, Any]) -> list[str]:
    """What a training began with, by the names that the card has for it."""
    named: list[str] = card.get("from") or starts_of(card["settings"].get("start", ""))
    return named


def _training(card: dict[str, Any], out: str, names: Mapping[str, str]) -> str:
    """What trains a network again from others, by the names that their folders get."""
    usual = json.loads(json.dumps(asdict((PAGE if card["recipe"] == PAGE.name else LINE).settings)))
    other = {name: value for name, value in card["settings"].items() if value not in (None, usual.get(name))}
    if other.pop("start", ""):
        other["start"] = [names.get(one, one) for one in _starts(card)]
    shown = {name: ",".join(map(str, value)) if isinstance(value, list) else value for name, value in other.items()}
    sets = "".join(f" --set {name}={value}" for name, value in shown.items())
    return f"    zeronine train {card['recipe']} --seed {card['seed']}{sets} --out {out}\n"


def _measured_table(rows: Sequence[dict[str, Any]]) -> str:
    """Numbers read rightly by length."""
    columns = list(dict.fromkeys((row["level"], row["touching"]) for row in rows))
    cells = {(row["level"], row["touching"], row["length"]): row for row in rows}
    lengths = sorted({row["length"] for row in rows})
    head = " | ".join(f"{level}{', touching' if touching else ''}" for level, touching in columns)
    lines = [
        f"| {length} | "
        + " | ".join(f"{100 * row['right'] / row['count']:.0f}" for row in (cells[(*key, length)] for key in columns))
        + " |"
        for length in lengths
    ]
    count = rows[0]["count"]
    low, high = wilson(count - 1, count)
    return (
        f"""
## Numbers of test images, on composed pictures

Percent of {count} pictures each whose number is read whole and right and nothing else is; one picture more or less is
{100 / count:.1f} points, and {count - 1} of {count} stand for {100 * low:.0f} to {100 * high:.0f} %.

| digits | {head} |
|---|{"---:|" * len(columns)}
"""
        + "\n".join(lines)
        + "\n"
    )
