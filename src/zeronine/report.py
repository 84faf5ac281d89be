"""Pictures of a run: learning curves, confusion, worst errors, a sample. Reads run folders; trains nothing.

Every page is laid out in inches from its top left corner, on a Matplotlib figure of its own: no pyplot, no
state that outlives a call. Blue with a tick is right, orange with a cross is wrong: Okabe and Ito's colours,
which colour-blind readers can tell apart, darkened for small text.
"""

import io
import json
import math
import warnings
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zeronine.errors import DataError, MissingExtra, RecipeError
from zeronine.evaluate import Evaluation, evaluate
from zeronine.files import replaced
from zeronine.train import predicted_split
from zeronine.train.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 8.0
"""Inches across every page."""

DOTS = 200
"""Dots per inch: 1,600 pixels across, sharp on a dense screen and readable when shown at 1,000."""

MARGIN = 0.35
GAP = 0.2

INK, SOFT, PALE, FAINT, EMPTY = "#1f2328", "#656d76", "#9aa2ab", "#e3e6ea", "#f6f7f8"
RIGHT, RIGHT_TINT = "#00649f", "#cfe3f1"
WRONG, WRONG_HALF, WRONG_TINT = "#b84a00", "#f0a868", "#fbe3d1"

STYLE: Mapping[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib, so that a page looks the same everywhere
    "text.parse_math": False,  # a class may be called "$"
    "text.color": INK,
    "axes.edgecolor": PALE,
    "axes.labelcolor": SOFT,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
}


def draw(run_folder: str | Path, *, out: str | Path | None = None) -> list[Path]:
    """Draw the pictures of a run: four PNG files, 1,600 pixels across.

    Learning curves and confusion need nothing but the run folder and come first; the worst errors and the
    sample show images of the data set that the run names, and are left out of a run that learned from pages.

    Args:
        run_folder: a folder that training wrote.
        out: where the pictures go, if not to ``plots`` in the run folder.

    Returns:
        The files, in that order.

    Raises:
        RecipeError: the folder holds no run, or one that is not finished; its learning curves are drawn.
        DataError: the folder's config is of no run; or the data set is not there or has changed since, and only
            learning curves and confusion are drawn.
        MissingExtra: Matplotlib, SciPy or scikit-learn is not installed.
    """
    try:
        import matplotlib.style
    except ImportError as error:
        raise MissingExtra("train", "Matplotlib") from error

    run = Run(Path(run_folder))
    config = _config(run)
    folder = run.folder / "plots" if out is None else Path(out)
    with matplotlib.style.context(["default", dict(STYLE)]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # of a class name in a script that the font lacks
        written = [_save(_learning_curves(config, run.history), folder / "learning_curves.png")]
        probabilities, labels = run.predictions
        result = evaluate(probabilities, labels, [" ".join(str(name).split()) for name in config["classes"]])
        written.append(_save(_confusion(config, result), folder / "confusion.png"))
        if run.composed:
            return written
        predictions = _Predictions(config, predicted_split(run).images, probabilities, labels, result.classes)
        written.append(_save(_worst_errors(predictions), folder / "worst_errors.png"))
        written.append(_save(_sample(predictions), folder / "sample.png"))
    return written


# ---- what a run says ---------------------------------------------------------------------------------------


def _config(run: Run) -> dict[str, Any]:
    """The config of a run; other programs write files of that name too."""
    config = run.config
    missing = {"recipe", "seed", "settings", "data", "classes"} - config.keys()
    if missing:
        raise DataError(f"{run.folder / 'config.json'} is of no run, it lacks {min(missing)!r}: name a run folder")
    return config


def _title(config: Mapping[str, Any]) -> str:
    """The recipe, the data set without the folders before it, and the seed."""
    return f"{config['recipe']} on {Path(config['data']['name']).name}, seed {config['seed']}"


def _part(config: Mapping[str, Any]) -> str:
    """What was predicted: ``test``, or ``train`` where the run had nothing else."""
    return str(config.get("predictions_of", "test"))


def _images(config: Mapping[str, Any]) -> str:
    """What to call the predicted images on a page."""
    return "training images" if _part(config) == "train" else "test images"


# ---- learning curves ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Curve:
    """One figure of a history.

    Attributes:
        name: ``training`` or ``validation``.
        steps: (M,) epochs or iterations that have the figure.
        values: (M,) the figure.
    """

    name: str
    steps: NDArray[np.float64]
    values: NDArray[np.float64]


def _learning_curves(config: Mapping[str, Any], history: Sequence[Mapping[str, float]]) -> "Figure":
    """Loss and accuracy by epoch or iteration."""
    unit = "iteration" if history and "iteration" in history[0] else "epoch"
    panels = [
        ("Loss", _curves(history, "loss", unit), 4),
        ("Accuracy, %", _curves(history, "accuracy", unit), 2),
    ]
    panels = [panel for panel in panels if panel[1]]
    if not panels:
        notes = [_title(config), "This run kept no history of loss or accuracy."]
        return _page("Learning curves", notes, 1.25)[0]
    last = history[-1].get(unit, len(history))
    length = f"{last:,.0f} {unit}{'s' * (last != 1)}"
    figure, page = _page("Learning curves", [f"{_title(config)} · {length}{_duration(config.get('seconds'))}"], 3.9)
    width = (WIDTH - MARGIN) / 2
    for place, (title, curves, decimals) in enumerate(panels):
        left, top, height = MARGIN + place * width, 1.4, 1.9
        total = figure.get_figheight()
        box = left + 0.4, total - top - height, width - 1.5, height
        axes = figure.add_axes((box[0] / WIDTH, box[1] / total, box[2] / WIDTH, box[3] / total), xlabel=unit)
        spread = _draw_curves(axes, curves)
        _name_curves(axes, curves, height, decimals)
        page.text(left, 1.15, title + spread, fontsize=10, fontweight="bold", va="center")
    return figure


def _curves(history: Sequence[Mapping[str, float]], figure: str, unit: str) -> list[_Curve]:
    """A figure of the training and the validation images, where the history has any; accuracy in per cent."""
    steps = np.array([row.get(unit, number) for number, row in enumerate(history, 1)])
    curves = []
    for name, column in (("training", figure), ("validation", f"val_{figure}")):
        values = np.array([row.get(column, math.nan) for row in history]) * (100 if figure == "accuracy" else 1)
        seen = np.isfinite(values)
        if seen.any():
            curves.append(_Curve(name, steps[seen], values[seen]))
    return curves


def _draw_curves(axes: "Axes", curves: Sequence[_Curve]) -> str:
    """Draw curves over their steps. Gives what the title has to say of the scale."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullLocator

    for curve in curves:
        axes.plot(
            curve.steps,
            curve.values,
            color=PALE if curve.name == "training" else RIGHT,
            linewidth=1.8,
            marker="o" if len(curve.steps) <= 20 else None,
            markersize=3.6,
            clip_on=False,
        )
    axes.margins(x=0.02, y=0.06)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8, pad=5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    axes.xaxis.label.set_fontsize(8.5)
    steps = np.unique(np.concatenate([curve.steps for curve in curves]))
    if len(steps) == 1:
        axes.set_xticks(steps, [f"{steps[0]:.0f}"])
    values = np.concatenate([curve.values for curve in curves])
    if values.min() <= 0 or values.max() < 20 * values.min():
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        return ""
    axes.set_yscale("log")  # on a linear one, the later epochs of a loss that falls this far are one flat line
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    return ", logarithmic"


def _name_curves(axes: "Axes", curves: Sequence[_Curve], height: float, decimals: int) -> None:
    """Write each curve's name and last value right of its end, apart from the other and within the panel."""
    axes.get_ylim()  # settles the limits, which transLimits does not wait for
    place = axes.transScale + axes.transLimits
    ends = [float(place.transform((1, curve.values[-1]))[1]) for curve in curves]
    gap = 0.37 / height
    if len(ends) == 2 and abs(ends[0] - ends[1]) < gap:
        middle, half = sum(ends) / 2, math.copysign(gap / 2, ends[0] - ends[1])
        middle = min(max(middle, gap), 1 - gap)
        ends = [middle + half, middle - half]
    for curve, end in zip(curves, ends, strict=True):
        axes.annotate(
            f"{curve.name}\n{curve.values[-1]:.{decimals}f}",
            (1, min(max(end, gap / 2), 1 - gap / 2)),
            xycoords="axes fraction",
            xytext=(8, 0),
            textcoords="offset points",
            fontsize=8.5,
            color=SOFT if curve.name == "training" else RIGHT,
            va="center",
            linespacing=1.25,
        )


def _duration(seconds: float | None) -> str:
    """How long a training took, as people say it; nothing where it is not known."""
    if not seconds:
        return ""
    if seconds < 120:
        return f" in {seconds:.{0 if seconds >= 10 else 1}f} s"
    return f" in {seconds / 60:.0f} min" if seconds < 7200 else f" in {seconds / 3600:.1f} h"


# ---- confusion ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Matrix:
    """Where the cells of a confusion matrix lie on its page.

    Attributes:
        count: classes.
        left, top: of the first cell, in inches from the page's top left corner.
        width, height: of a cell, in inches.
    """

    count: int
    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.count * self.width

    @property
    def bottom(self) -> float:
        return self.top + self.count * self.height

    @property
    def narrow(self) -> bool:
        """Whether numbers below the columns have to be turned."""
        return self.width <= 0.35

    @cached_property
    def columns(self) -> list[float]:
        """The middle of every column."""
        return [self.left + (index + 0.5) * self.width for index in range(self.count)]

    @cached_property
    def rows(self) -> list[float]:
        """The middle of every row."""
        return [self.top + (index + 0.5) * self.height for index in range(self.count)]


def _confusion(config: Mapping[str, Any], result: Evaluation) -> "Figure":
    """How many images of each class were predicted as which, with recall and precision."""
    count = len(result.classes)
    names = min(1.3, max(_width(name, 9) for name in (*result.classes, "precision %")))
    width = min(0.9, (WIDTH - 2 * MARGIN - names - 1.3) / count)
    height = max(width, 0.115)  # 60 classes: rows that can still be read are no squares
    above = [_fit(name, 1.0, _size(width)) for name in result.classes]
    highest = max(_width(name, _size(width)) for name in above)
    turned = highest > 0.9 * width
    matrix = _Matrix(count, MARGIN + names + 0.1, 1.6 + (highest if turned else 0.1), width, height)
    low, high = result.interval
    figure, page = _page(
        f"{result.correct:,} of {result.count:,} {_images(config)} right: {_percent(result.accuracy, 2)}",
        [
            f"{_title(config)} · 95 % interval {_percent(low, 2)} to {_percent(high, 2)}",
            _most_frequent(result),
        ],
        matrix.bottom + (1.0 if matrix.narrow else 0.75),
    )
    _cells(page, matrix, result.confusion)
    page.text(matrix.left, 1.36, "predicted", fontsize=9, color=SOFT, va="center_baseline")
    for x, name in zip(matrix.columns, above, strict=True):
        place = x, matrix.top - 0.06
        page.text(*place, name, fontsize=_size(width), rotation=90 if turned else 0, ha="center", va="bottom")
    beside = [_fit(name, names, _size(height)) for name in result.classes]
    _sums(page, matrix, result, beside)
    return figure


def _size(extent: float) -> float:
    """Points of text in a row or column that is so many inches wide."""
    return min(9.0, 0.8 * 72 * extent)


def _most_frequent(result: Evaluation) -> str:
    """The commonest errors in words: three, or as many as a line holds."""
    errors = result.confusion - np.diag(np.diag(result.confusion))
    order = np.argsort(-errors, axis=None, kind="stable")[: min(3, np.count_nonzero(errors))]
    if not order.size:
        return "No errors"
    names = [_fit(name, 2.0, 9) for name in result.classes]
    pairs = [divmod(int(place), len(errors)) for place in order]
    parts = [f"{names[true]} predicted as {names[wrong]} ({errors[true, wrong]:,} ×)" for true, wrong in pairs]
    lines = ["Most often: " + ", ".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((line for line in lines if _width(line, 9) <= WIDTH - 2 * MARGIN), lines[-1])


def _cells(page: "Axes", matrix: _Matrix, confusion: NDArray[np.int64]) -> None:
    """Cells with their counts: the diagonal in one blue, so that orange, deeper for more, is errors only."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    shades = confusion / max((confusion - np.diag(np.diag(confusion))).max(), 1)
    colours = LinearSegmentedColormap.from_list("errors", [WRONG_TINT, WRONG_HALF, WRONG])(shades)[..., :3]
    colours[confusion == 0] = to_rgb(EMPTY)
    colours[np.diag_indices(matrix.count)] = to_rgb(RIGHT_TINT)
    across = np.linspace(matrix.left, matrix.right, matrix.count + 1)
    down = np.linspace(matrix.top, matrix.bottom, matrix.count + 1)
    page.pcolormesh(across, down, colours, edgecolors="white", linewidth=min(1.5, 6 * matrix.width))

    size = min(9.0, 9 * 0.9 * matrix.width / _width(f"{confusion.max()}", 9))
    if size < 5:  # nobody could read the counts; the shades and the sums must do
        return
    for true, predicted in np.argwhere(confusion):
        colour = RIGHT if true == predicted else "white" if shades[true, predicted] > 0.75 else INK
        place = matrix.columns[predicted], matrix.rows[true]
        text = f"{confusion[true, predicted]}"
        page.text(*place, text, fontsize=size, color=colour, ha="center", va="center_baseline")


def _sums(page: "Axes", matrix: _Matrix, result: Evaluation, names: Sequence[str]) -> None:
    """The names of the rows, images and recall beside them, images and precision below the columns."""
    grey: dict[str, Any] = {"color": SOFT, "va": "center_baseline"}
    size = _size(matrix.height)
    beside = [
        (matrix.left - 0.1, "true", 9, names, INK),
        (matrix.right + 0.6, "images", 8, [f"{value}" for value in result.support], SOFT),
        (matrix.right + 1.2, "recall %", 8, [_rate(value) for value in result.recall], SOFT),
    ]
    for x, title, points, column, colour in beside:
        page.text(x, matrix.top - 0.13, title, fontsize=points, ha="right", **grey)
        for y, text in zip(matrix.rows, column, strict=True):
            page.text(x, y, text, fontsize=size, color=colour, ha="right", va="center_baseline")
    below = [
        ("images", [f"{value}" for value in result.confusion.sum(axis=0)]),
        ("precision %", [_rate(value) for value in result.precision]),
    ]
    for number, (title, row) in enumerate(below):
        y = matrix.bottom + (0.25 + 0.38 * number if matrix.narrow else 0.2 + 0.22 * number)
        page.text(matrix.left - 0.1, y, title, fontsize=8, ha="right", **grey)
        for x, text in zip(matrix.columns, row, strict=True):
            turn = {"rotation": 90, "va": "center"} if matrix.narrow else {}
            page.text(x, y, text, fontsize=min(8.0, _size(matrix.width)), ha="center", **(grey | turn))


def _rate(fraction: float) -> str:
    """A fraction in per cent, without the sign; a dash where there is none."""
    return "–" if math.isnan(fraction) else _percent(fraction, 1).removesuffix(" %")


# ---- images with their predictions -------------------------------------------------------------------------

ROWS = 4
CAPTION = 7.2
"""Points."""

MARK = 0.14
"""Inches that a tick or a cross takes before a name."""


@dataclass(frozen=True, eq=False)
class _Predictions:
    """Images and what was predicted of them.

    Attributes:
        config: of the run.
        pictures: (N, H, W) or (N, H, W, 3), uint8 or floats about 0..1.
        probabilities: (N, K).
        labels: (N,).
        classes: K names.
    """

    config: Mapping[str, Any]
    pictures: NDArray[Any]
    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """(N,) the most probable class."""
        predicted: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return predicted

    def columns(self, most: int) -> int:
        """How many images stand side by side: at least 5, and more as long as every name fits below one."""
        longest = max(_width(name, CAPTION, bold=True) for name in self.classes)
        needed = MARK + longest + _width(" >99.9 %", CAPTION)
        return next((count for count in range(most, 5, -1) if _side(count) > needed), 5)


def _worst_errors(predictions: _Predictions) -> "Figure":
    """The errors with the highest probability of the wrong label, the surest first."""
    wrong = np.flatnonzero(predictions.predicted != predictions.labels)
    count, images = len(predictions.labels), _images(predictions.config)
    if not wrong.size:
        return _page("No errors", [_title(predictions.config), f"All {count:,} {images} are right."], 1.25)[0]
    columns = predictions.columns(6)
    surest = np.argsort(-predictions.probabilities[wrong].max(axis=1), kind="stable")
    chosen = wrong[surest][: columns * ROWS]
    heading = f"The {len(chosen)} surest of {len(wrong):,} errors"
    if len(chosen) == len(wrong):
        heading = f"All {len(wrong)} errors, the surest first" if len(wrong) > 1 else "The only error"
    notes = [
        f"{_title(predictions.config)} · {len(wrong):,} of {count:,} {images} wrong",
        f"✗ predicted, ✓ true label, each with its probability; # place among the {images}, from 0",
    ]
    return _grid(predictions, chosen, columns, heading, notes, numbered=True)


def _sample(predictions: _Predictions) -> "Figure":
    """Images drawn at random by the run's seed."""
    count = min(predictions.columns(8) * ROWS, len(predictions.labels))
    random = np.random.default_rng(predictions.config["seed"])
    chosen = random.choice(len(predictions.labels), count, replace=False)
    right = int((predictions.predicted[chosen] == predictions.labels[chosen]).sum())
    heading = f"{count} {_images(predictions.config)} drawn at random: {right} right"
    notes = [
        _title(predictions.config),
        "✓ right; ✗ wrong, framed, with the true label below it; each with its probability",
    ]
    return _grid(predictions, chosen, predictions.columns(8), heading, notes, numbered=False)


def _side(columns: int) -> float:
    """Inches across an image where so many stand beside each other."""
    return (WIDTH - 2 * MARGIN - (columns - 1) * GAP) / columns


def _grid(
    predictions: _Predictions,
    chosen: NDArray[np.int64],
    columns: int,
    heading: str,
    notes: Sequence[str],
    *,
    numbered: bool,
) -> "Figure":
    """A page of images with captions: either numbered errors, or a mixture with the errors framed."""
    side, top = _side(columns), 1.25
    pitch = side + (0.78 if numbered else 0.6)
    figure, page = _page(heading, notes, top + math.ceil(len(chosen) / columns) * pitch + 0.1)
    for place, index in enumerate(chosen):
        corner = MARGIN + place % columns * (side + GAP), top + place // columns * pitch
        wrong = predictions.predicted[index] != predictions.labels[index]
        _image(page, predictions.pictures[index], corner, side, framed=bool(wrong) and not numbered)
        _caption(page, predictions, int(index), (corner[0], corner[1] + side), side, numbered=numbered)
    return figure


def _image(page: "Axes", picture: NDArray[Any], corner: tuple[float, float], side: float, *, framed: bool) -> None:
    """An image in a square, its aspect kept, close to the caption below."""
    from matplotlib.patches import Rectangle

    pixels = picture / 255 if picture.dtype == np.uint8 else np.clip(picture, 0, 1)
    height, width = (side * extent / max(picture.shape[:2]) for extent in picture.shape[:2])
    left, top = corner[0] + (side - width) / 2, corner[1] + side - height
    extent = left, left + width, top + height, top
    page.imshow(pixels, cmap="gray", vmin=0, vmax=1, extent=extent, aspect="auto")
    if framed:
        page.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=WRONG, linewidth=2.5))


def _caption(
    page: "Axes",
    predictions: _Predictions,
    index: int,
    corner: tuple[float, float],
    side: float,
    *,
    numbered: bool,
) -> None:
    """What was predicted and, if that is wrong, the true label; the image's number on request."""
    left, top = corner
    predicted, true = int(predictions.predicted[index]), int(predictions.labels[index])
    lines = [("✓", true, RIGHT)] if predicted == true else [("✗", predicted, WRONG), ("✓", true, RIGHT)]
    style: dict[str, Any] = {"fontsize": CAPTION, "va": "center_baseline"}
    for number, (mark, label, colour) in enumerate(lines):
        y = top + 0.15 + 0.17 * number
        chance = _percent(float(predictions.probabilities[index, label]), 1)
        room = side - MARK - _width(chance, CAPTION) - 0.04
        name = _fit(predictions.classes[label], room, CAPTION, bold=True)
        page.text(left, y, mark, color=colour, **style)
        page.text(left + MARK, y, name, color=colour, fontweight="bold", **style)
        page.text(left + side, y, chance, color=SOFT, ha="right", **style)
    if numbered:
        y = top + 0.15 + 0.17 * len(lines)
        page.text(left, y, "#", color=PALE, **style)
        page.text(left + MARK, y, f"{index}", color=SOFT, **style)


# ---- sweeps ------------------------------------------------------------------------------------------------


def draw_sweep(folder: str | Path, *, out: str | Path | None = None) -> list[Path]:
    """Draw what a sweep found: its trials in their order, each setting against the error, what matters how much.

    Args:
        folder: a folder that a sweep wrote.
        out: where the pictures go, if not to ``plots`` in that folder.

    Returns:
        ``history.png``, ``settings.png``, ``importance.png``; none where no trial is over.

    Raises:
        RecipeError: the folder holds no results of a sweep.
        MissingExtra: Matplotlib is not installed.
    """
    try:
        import matplotlib.style
    except ImportError as error:
        raise MissingExtra("train", "Matplotlib") from error

    found = _Found.read(Path(folder))
    if not found.shown:
        return []
    place = Path(folder) / "plots" if out is None else Path(out)
    with matplotlib.style.context(["default", dict(STYLE)]):
        return [
            _save(_sweep_history(found), place / "history.png"),
            _save(_sweep_settings(found), place / "settings.png"),
            _save(_sweep_importance(found), place / "importance.png"),
        ]


@dataclass(frozen=True)
class _Found:
    """What a sweep found.

    Attributes:
        title: recipe and number of validation images.
        images: that number.
        shown: the trials with an accuracy, in the order of their beginning.
        best: number of the best one; -1 where none is finished.
        own: number of the one with the recipe's own settings, or None.
        space: by setting, ``low``, ``high``, ``log``, or ``examples``.
        importances: by setting.
        no_importances: why there are none.
    """

    title: str
    images: int
    shown: Sequence[Mapping[str, Any]]
    best: int
    own: int | None
    space: Mapping[str, Mapping[str, Any]]
    importances: Mapping[str, float]
    no_importances: str

    @classmethod
    def read(cls, folder: Path) -> "_Found":
        """What ``results.json`` says."""
        try:
            content = json.loads((folder / "results.json").read_text(encoding="utf-8"))
            trials = content["trials"]
            return cls(
                f"{content['recipe']}, chosen by {content['images']:,} validation images",
                content["images"],
                sorted((trial for trial in trials if trial["accuracy"] is not None), key=lambda trial: trial["number"]),
                next((trial["number"] for trial in trials if trial["state"] == "finished"), -1),
                *(content[name] for name in ("own", "space", "importances", "no_importances")),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RecipeError(f"{folder} holds no results of a sweep: name the folder of one that has ended") from error

    def error(self, trial: Mapping[str, Any]) -> float:
        """Per cent of the validation images; none wrong is half a one, for a logarithmic axis."""
        return 100 * max(1 - float(trial["accuracy"]), 0.5 / self.images)

    def of(self, state: str) -> list[Mapping[str, Any]]:
        """The trials that ended so."""
        return [trial for trial in self.shown if trial["state"] == state]


SWEPT = "Error on them in %, logarithmic:   ● finished   ○ ended early, at its error then"


def _sweep_history(found: _Found) -> "Figure":
    """Error by number of the trial, and the best so far."""
    from matplotlib.ticker import MaxNLocator

    finished = found.of("finished")
    best = next((trial for trial in finished if trial["number"] == found.best), None)
    heading = (
        f"Best of {len(found.shown)} trials: {_percent(best['accuracy'], 2)} right" if best else "No trial finished"
    )
    figure, _ = _page(heading, [found.title, SWEPT], 4.4)
    axes = _panel(figure, (MARGIN + 0.4, 1.25), (WIDTH - 2 * MARGIN - 1.5, 2.5))
    _swept(axes, found, [trial["number"] for trial in found.shown])
    if finished:
        numbers = [*(trial["number"] for trial in finished), found.shown[-1]["number"]]
        so_far = np.minimum.accumulate([found.error(trial) for trial in finished])
        axes.step(numbers, [*so_far, so_far[-1]], where="post", color=RIGHT, linewidth=1.2, zorder=1)
        end: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "xytext": (8, 0)}
        text = f"best\n{so_far[-1]:.2f}"
        axes.annotate(text, (1, so_far[-1]), fontsize=8.5, color=RIGHT, va="center", **end)
    for trial in finished:
        if trial["number"] == found.own:
            place: dict[str, Any] = {"xytext": (6, -12), "textcoords": "offset points"}
            axes.annotate("the recipe's own", (trial["number"], found.error(trial)), fontsize=8, color=SOFT, **place)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlabel("trial", fontsize=8.5)
    return figure


def _sweep_settings(found: _Found) -> "Figure":
    """A panel for each setting: error by value."""
    columns, pitch = 3, 2.15
    rows = math.ceil(len(found.space) / columns)
    notes = [found.title, f"{SWEPT}   ◯ the best"]
    figure, page = _page("What each setting does", notes, 1.3 + rows * pitch)
    across = (WIDTH - 2 * MARGIN + GAP) / columns
    for place, (name, space) in enumerate(found.space.items()):
        left, top = MARGIN + place % columns * across, 1.25 + place // columns * pitch
        title = "width, times the recipe's" if name == "width" else name.replace("_", " ")
        page.text(left, top, title, fontsize=9, fontweight="bold", va="center")
        axes = _panel(figure, (left + 0.4, top + 0.2), (across - GAP - 0.45, pitch - 0.75))
        _swept(axes, found, [_position(trial["values"][name], space) for trial in found.shown])
        _value_axis(axes, space)
    return figure


def _sweep_importance(found: _Found) -> "Figure":
    """A bar for each setting: its share in the differences between finished trials."""
    if not found.importances:
        return _page("What matters", [found.title, found.no_importances], 1.25)[0]
    notes = [found.title, "Share of the differences between finished trials that each setting explains (fANOVA)"]
    figure, page = _page("What matters", notes, 1.35 + 0.34 * len(found.importances))
    names = max(_width(name, 9) for name in found.importances)
    left, most = MARGIN + names + 0.15, max(found.importances.values())
    for row, (name, share) in enumerate(found.importances.items()):
        y, length = 1.3 + 0.34 * row, (WIDTH - left - MARGIN - 0.7) * share / most
        page.text(left - 0.12, y, name.replace("_", " "), fontsize=9, ha="right", va="center_baseline")
        page.barh(y, length, 0.2, left=left, color=RIGHT)
        page.text(left + length + 0.08, y, _percent(share, 0), fontsize=9, color=SOFT, va="center_baseline")
    return figure


def _panel(figure: "Figure", corner: tuple[float, float], size: tuple[float, float]) -> "Axes":
    """Axes at so many inches from the top left corner, with a logarithmic scale of errors."""
    total = figure.get_figheight()
    (left, top), (width, height) = corner, size
    axes = figure.add_axes((left / WIDTH, (total - top - height) / total, width / WIDTH, height / total))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=7.5, pad=4)
    return axes


def _swept(axes: "Axes", found: _Found, places: Sequence[float]) -> None:
    """A mark for each trial, its error upwards; a ring around the best."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator

    for trial, x in zip(found.shown, places, strict=True):
        finished, y = trial["state"] == "finished", found.error(trial)
        face, edge = (RIGHT, "white") if finished else ("none", PALE)
        axes.plot(x, y, "o", markersize=5.5 if finished else 4.5, markerfacecolor=face, markeredgecolor=edge, zorder=3)
        if trial["number"] == found.best:
            axes.plot(x, y, "o", markersize=11, markerfacecolor="none", markeredgecolor=INK, zorder=4)
    errors = [found.error(trial) for trial in found.shown]
    axes.set_yscale("log")
    axes.set_ylim(min(errors) / 1.25, max(errors) * 1.25)
    wide = max(errors) > 8 * min(errors)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if wide else (1, 1.5, 2, 3, 4, 5, 6, 8)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))


def _position(value: Any, space: Mapping[str, Any]) -> float:
    """Where a value lies on its axis: itself, or its place among several."""
    return float(space["examples"].index(value) if "examples" in space else value)


def _value_axis(axes: "Axes", space: Mapping[str, Any]) -> None:
    """The scale of a setting, from end to end of what was searched."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullLocator

    if "examples" in space:
        names = [_fit(f"{value}", 1.9 / len(space["examples"]), 7.5) for value in space["examples"]]
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.5, len(names) - 0.5)
        return
    low, high = space["low"], space["high"]
    if space["log"]:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 30 * low else (1,)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.set_xlim(low * (low / high) ** 0.05, high * (high / low) ** 0.05)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=space["whole"]))
        axes.set_xlim(low - 0.05 * (high - low), high + 0.05 * (high - low))


# ---- pages -------------------------------------------------------------------------------------------------


def _page(heading: str, notes: Sequence[str], height: float) -> tuple["Figure", "Axes"]:
    """A white page with a heading and notes below it; its axes count inches from the top left corner."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), dpi=DOTS)
    page = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0), autoscale_on=False)
    page.set_axis_off()
    page.text(MARGIN, 0.42, _fit(heading, WIDTH - 2 * MARGIN, 13, bold=True), fontsize=13, fontweight="bold")
    for line, note in enumerate(notes):
        page.text(MARGIN, 0.7 + 0.22 * line, _fit(note, WIDTH - 2 * MARGIN, 9), fontsize=9, color=SOFT)
    return figure, page


def _percent(fraction: float, decimals: int) -> str:
    """A fraction in per cent, which rounding makes neither certain nor impossible."""
    least = 10.0**-decimals
    if 0 < fraction < least / 200:
        return f"<{least:.{decimals}f} %"
    if 1 - least / 200 <= fraction < 1:
        return f">{100 - least:.{decimals}f} %"
    return f"{100 * fraction:.{decimals}f} %"


def _width(text: str, size: float, *, bold: bool = False) -> float:
    """Inches that a line of text takes in so many points."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties(family=STYLE["font.family"], weight="bold" if bold else "normal")))
    font.set_size(size, DOTS)
    font.set_text(text)
    return float(font.get_width_height()[0]) / 64 / DOTS


def _fit(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """A text without its middle where it would be wider than so many inches."""
    if _width(text, size, bold=bold) <= width:
        return text

    def keep(count: int) -> str:
        return f"{text[: count - count // 2].rstrip()}…{text[len(text) - count // 2 :].lstrip()}"

    counts = range(1, len(text))
    return keep(max(1, bisect_right(counts, width, key=lambda count: _width(keep(count), size, bold=bold))))


def _save(figure: "Figure", path: Path) -> Path:
    """Draw, then write: a failure leaves the old picture or none."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", pil_kwargs={"compress_level": 0})
    picture = Image.open(drawn).convert("RGB")
    if picture.getcolors(1 << 13):  # no colour photographs: a palette makes a third of the bytes, and looks the same
        picture = picture.quantize(dither=Image.Dither.NONE)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as temporary:
        picture.save(temporary, "png", optimize=True)
    return path
