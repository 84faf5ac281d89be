"""The recogniser: any picture of a digit -> Prediction, of a page -> Numbers. ONNX Runtime only; no training stack.

Knows models and what they take. Leaves pixels to ``image`` and pages to ``numbers``; knows no data set, no label.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from zeronine.errors import ImageError, ModelError
from zeronine.image import Source, View, digit_image, digit_views, plain_image, resized

if TYPE_CHECKING:  # single digits are read without what reads pages: a cold start is a tenth shorter
    from zeronine.numbers import Networks, Number
    from zeronine.rules import Rule

Probabilities = NDArray[np.float32]

MODELS = Path(__file__).parent / "models"
"""The shipped models, a folder each."""

SHIPPED = "standard_v1"
"""The model that a Reader uses when none is named."""

SHIPPED_PAGE = "page_v1"
"""Likewise for finding digits on a page."""

KERAS_FILES = (".keras", ".h5", ".hdf5")
"""Endings of files that only the training stack opens, see ``train.export.open_reader``."""

BATCH = 64
"""Pictures that are prepared and recognised at a time. With more, what passes between the layers leaves the processor's
cache: 256 took up to 1.9 times as long for an image."""

CLEAR = 0.9
"""Confidence below which a picture is seen in other ways too, see ``image.digit_views``; the most confident counts."""

WHOLE = 0.25
"""Share of the answer to all that may belong to the digit in that of a view that leaves something away.

Such views had a mean confidence of 0.87 and were right on 64 % (DIDA), 68 % (photos), 42 % (scans): without a part of
it, a zero is a clear seven. Log loss with a share of 0, 0.15, 0.25 and 0.4: USPS's training part 0.0183, 0.0180,
0.0178, 0.0179; photos 0.0504, 0.0398, 0.0394, 0.0396; DIDA 0.209, 0.181, 0.179, 0.179.
"""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a Reader says of one picture.

    Attributes:
        digit: the answer, or the name of the class where classes are not digits; None when rejected.
        confidence: probability, 0..1, that the likeliest class is right; 0 when there was nothing to read.
        probabilities: of every class, (classes,) float32; what they lack to 1 is the probability that it is no digit.
            All 0 when there was nothing to read.
        rejected: whether the picture is refused.
        reason: why it is refused: ``blank``, ``not a digit``, ``unsure``, ``unreadable`` or ``too large``; else empty.
        detail: the sentence for people that goes with the reason.
        classes: names of the classes, in the order of ``probabilities``.
    """

    digit: int | str | None
    confidence: float
    probabilities: Probabilities
    rejected: bool
    reason: str
    detail: str
    classes: tuple[str, ...]

    def top(self, count: int) -> list[tuple[str, float]]:
        """The ``count`` likeliest classes, by name, with their probabilities, likeliest first."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.classes[index], float(self.probabilities[index])) for index in order]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain types, as ``zeronine predict --json`` prints it."""
        return {
            "digit": self.digit,
            "confidence": round(self.confidence, 6),
            "rejected": self.rejected,
            "reason": self.reason,
            "probabilities": [round(float(value), 6) for value in self.probabilities],
        }


class Network(Protocol):
    """A trained network of any make, as a Reader sees it."""

    shape: tuple[int, ...]
    """Of one input, without the batch: (28, 28), (784,), (28, 28, 1), (1, 28, 28), (32, 32, 3) and so on."""

    def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities or logits (N, classes) of inputs (N, *shape) in 0..1."""
        ...


class OnnxNetwork:
    """A network in an ``.onnx`` file.

    Args:
        path: the file.
        threads: that one call computes with; None for ONNX Runtime's choice.

    Raises:
        ModelError: the file is missing, damaged, or takes something other than one batch of images.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self._session = _session(path, threads)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) < 2 or "float" not in inputs[0].type:
            taken = [(entry.name, entry.type, entry.shape) for entry in inputs]
            raise ModelError(f"{path} takes {taken}; a digit network takes one batch of float images")
        if not all(isinstance(side, int) for side in inputs[0].shape[1:]):
            raise ModelError(
                f"{path} leaves the size of its images open: it must be fixed, or where it finds digits on pages, take "
                "zeronine read --page"
            )
        self.shape = tuple(inputs[0].shape[1:])
        self._input = inputs[0].name
        self._alone = inputs[0].shape[0] == 1

    def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs (N, classes) of inputs (N, *shape)."""
        if self._alone and len(inputs) > 1:
            return np.concatenate([self(inputs[index : index + 1]) for index in range(len(inputs))])
        outputs = self._session.run(None, {self._input: inputs})[0]
        return np.asarray(outputs, np.float32).reshape(len(inputs), -1)


class _WideNetwork:
    """A network in an ``.onnx`` file that takes planes (N, 1, H, W) of any width.

    Args:
        path: the file.
        taken: what it takes, for people.
        recipe: that trains one.
        height: in pixels of all that it takes; None for any.

    Raises:
        ModelError: the file is missing, damaged, or takes something other.
    """

    def __init__(self, path: Path, taken: str, recipe: str, height: int | None = None) -> None:
        self._session = _session(path)
        inputs = self._session.get_inputs()
        shape = inputs[0].shape
        if len(inputs) != 1 or len(shape) != 4 or isinstance(shape[3], int) or (height and shape[2] != height):
            raise ModelError(f"{path} takes no {taken}: train one with  zeronine train {recipe}")
        self._input = inputs[0].name

    def __call__(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the network gives for the ink of planes (N, 1, H, W)."""
        return np.asarray(self._session.run(None, {self._input: np.ascontiguousarray(planes)})[0], np.float32)


class PageNetwork(_WideNetwork):
    """A network in an ``.onnx`` file that finds digits, see ``train.spotting``: pages -> (N, 16, H / 4, W / 4).

    Args:
        path: the file.

    Raises:
        ModelError: the file is missing, damaged, or takes something other than pages.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "pages of any size", "page")
        maps = self._session.get_outputs()[0].shape[1]
        if maps != MAPS:
            raise ModelError(f"{path} gives {maps} maps, not {MAPS}: export it again")


class RowNetwork(_WideNetwork):
    """A network in an ``.onnx`` file that reads rows of digits, see ``train.lining``: rows -> (N, W / 4, 11).

    Args:
        path: the file.

    Raises:
        ModelError: the file is missing, damaged, or takes something other than rows.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rows of any length", "line", ROW_HEIGHT)


ROWS, ROW_HEIGHT = "rows.onnx", 48
"""The file beside a page's ``model.onnx``, and the height in pixels of what it takes: ``page.ROW``."""

MAPS = 16
"""That a network gives which finds digits."""


class Reader:
    """Reads digits from pictures, and numbers from pages.

    Args:
        model: None for the shipped model, the name of a shipped one, a model folder, an ``.onnx`` file, or a Network.
        order: how a network that takes a flat row of pixels was trained: ``row`` by row, or ``column`` by column as
            the rows of ``ex3data1.mat`` are. A model folder says it in its card.
        card: what is known of a Network: its ``classes``, and its ``input`` as in a model folder's card.
        unsure: confidence, 0..1, below which a picture is refused as ``unsure``: 0 for never. None for the card's, or
            never where it names none.
        page: the model that reads pages: None for the shipped one, the name of a shipped one, a model folder, or its
            ``model.onnx``, which ``rows.onnx`` lies beside. It is opened when ``read`` is called first.
        threads: that one call of the digit network computes with; None for ONNX Runtime's choice. With 1 a picture
            takes half the processor's time, as no thread waits for another: for programs that read many at once.

    Another process that it is sent to opens it anew with the same arguments.

    Raises:
        ModelError: no such model, one that takes no digit images, no such ``order``, or ``unsure`` out of range.

    Example:
        >>> Reader().predict("seven.png").digit  # doctest: +SKIP
        7
        >>> [number.text for number in Reader().read("form.jpg")]  # doctest: +SKIP
        ['90210', '1999']
    """

    def __init__(
        self,
        model: str | Path | Network | None = None,
        *,
        order: Literal["row", "column"] | None = None,
        card: Mapping[str, Any] | None = None,
        unsure: float | None = None,
        page: str | Path | None = None,
        threads: int | None = None,
    ) -> None:
        self._given: dict[str, Any] = {
            "model": model,
            "order": order,
            "card": card,
            "unsure": unsure,
            "page": page,
            "threads": threads,
        }
        self._page = page
        self.card: Mapping[str, Any] = card or {}
        self.name = "network"
        if model is None or isinstance(model, str | Path):
            path, self.card = find(SHIPPED if model is None else model)
            self.name = _name(path, self.card)
            model = OnnxNetwork(path, threads)
        self._network = model
        taken = self.card.get("input", {})
        self.order: str = order or taken.get("order", "row")
        if self.order not in ("row", "column"):
            raise ModelError(f"order is {self.order!r}: it must be 'row' or 'column'")
        self.shape = _image_shape(model.shape)
        if self.order == "column" and len(model.shape) > 1:
            raise ModelError(
                f"{self.name} takes images of {model.shape}: an order is for networks of a flat row of pixels"
            )
        limits = self.card.get("reject", {})
        self.least_digit: float = limits.get("digit", 0.0)
        self.unsure: float = limits.get("unsure", 0.0) if unsure is None else unsure
        if not isinstance(self.unsure, int | float | np.floating) or not 0 <= self.unsure <= 1:
            raise ModelError(f"unsure is {self.unsure!r}: it must be a probability, 0 to 1")
        self.digits: bool = taken.get("kind", "pixels" if len(self.shape) == 3 else "digits") == "digits"

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), **self._given), ()

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of what the model tells apart, in the order of its outputs."""
        named = self.card.get("classes")
        if named:
            return tuple(named)
        count = self.probabilities(np.zeros((1, *self.shape), np.float32)).shape[1]
        return tuple(str(index) for index in range(count))

    def predict(self, source: Source) -> Prediction:
        """Read one picture.

        Args:
            source: path, bytes, PIL image or array of any size, dtype and polarity; see ``image.load_pixels``.

        Returns:
            The Prediction; a picture that cannot be read gives one that is rejected, with the reason.
        """
        return next(self.predict_many([source]))

    def see(self, source: Source) -> tuple[Prediction, NDArray[np.float32] | None]:
        """Read one picture, and tell what the network saw of it.

        Args:
            source: as for ``predict``.

        Returns:
            The Prediction, and the image that it is of, float32 in 0..1 of this Reader's ``shape``: that of
            ``prepare`` or, where that was not clear, another view of the picture. None where there is nothing to see.
        """
        seen = self._seen([source])[0]
        return self._answer(seen), seen.best

    def predict_many(self, sources: Iterable[Source]) -> Iterator[Prediction]:
        """Read pictures one after the other; one Prediction each, in their order, as they are ready."""
        batch: list[Source] = []
        for source in sources:
            batch.append(source)
            if len(batch) == BATCH:
                yield from self._answers(batch)
                batch = []
        yield from self._answers(batch)

    def read(self, source: Source, rule: "Rule | None" = None, alternatives: int = 3) -> "list[Number]":
        """Read every handwritten number on a page.

        Args:
            source: path, bytes, PIL image or array of any size, dtype and polarity; see ``image.load_pixels``.
            rule: what each number must be, see ``rules``; None for anything.
            alternatives: other readings of each number at most.

        Returns:
            The numbers from the top down, from left to right; none where nothing is written.

        Raises:
            ImageError: the picture cannot be read or is too large.
            ModelError: there is no such model for pages.
            TypeError: ``rule`` is none, but a pattern for example.
        """
        from zeronine.numbers import read_page

        if rule is not None and not hasattr(rule, "step"):
            raise TypeError(f"{rule!r} is no rule: pass one, such as  zeronine.rules.rule(pattern=r'\\d{{5}}')")
        return read_page(source, self.networks, rule, alternatives)

    @cached_property
    def _page_model(self) -> tuple[Path, dict[str, Any]]:
        """File and card of the model that reads pages."""
        return find(SHIPPED_PAGE if self._page is None else self._page)

    @property
    def page_name(self) -> str:
        """Name of the model that reads pages, which the digit model has no part in.

        Raises:
            ModelError: there is no such model for pages.
        """
        return _name(*self._page_model)

    @cached_property
    def networks(self) -> "Networks":
        """What reads a page: the network that finds digits, and the one that reads a row of them.

        Raises:
            ModelError: there is no such model for pages.
        """
        from zeronine.numbers import Calibration, Networks

        path, card = self._page_model
        finder, rows = PageNetwork(path), path.with_name(ROWS)
        if not rows.exists():
            raise ModelError(f"{rows} is missing, which reads the rows that {path.name} finds: export the model again")
        try:
            known = Calibration.of(card)
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"calibration in the card of {path.parent} is damaged ({error}): export it again"
            ) from None
        return Networks(finder, RowNetwork(rows), known)

    def probabilities(self, images: NDArray[np.float32]) -> Probabilities:
        """Probabilities (N, classes) of images (N, *shape) float32 in 0..1 that are prepared already.

        Raises:
            ModelError: the images have another shape, or the card names more or fewer classes than there are.
        """
        if images.shape[1:] != self.shape:
            raise ModelError(f"{self.name} takes images of {self.shape}, these have {images.shape[1:]}")
        logits = not self._gives_probabilities
        parts = [self._network(self._arranged(images[start : start + BATCH])) for start in range(0, len(images), BATCH)]
        if logits:
            parts = [_softmax(outputs) for outputs in parts]
        if not parts:
            return np.zeros((0, len(self.classes)), np.float32)
        named = self.card.get("classes")
        if named and parts[0].shape[1] != len(named):
            raise ModelError(f"{self.name} tells {parts[0].shape[1]} classes apart, its card names {len(named)}")
        return np.concatenate(parts)

    def prepare(self, source: Source) -> NDArray[np.float32]:
        """What the network sees of a picture: float32 in 0..1 of this Reader's ``shape``.

        Raises:
            ImageError: the picture cannot be read, is too large, or is blank.
        """
        if not self.digits:
            return plain_image(source, self.shape)
        return resized(digit_image(source), self.shape[0])

    def _answers(self, sources: list[Source]) -> Iterator[Prediction]:
        """A Prediction for each picture."""
        return (self._answer(one) for one in self._seen(sources))

    def _seen(self, sources: list[Source]) -> list["_Seen"]:
        """Pictures seen in the likeliest way, and in others too where that is not clear."""
        seen = [_Seen(self._views(source)) for source in sources]
        self._look([one for one in seen if one.look()])
        doubtful = [one for one in seen if one.error is None]
        while doubtful := [one for one in doubtful if one.row.max() < CLEAR and one.look()]:
            self._look(doubtful)
        return seen

    def _views(self, source: Source) -> Iterator[View]:
        """What the network may see of a picture, likeliest first."""
        if not self.digits:
            return (View(plain_image(one, self.shape), whole=True) for one in (source,))
        return (view._replace(image=resized(view.image, self.shape[0])) for view in digit_views(source))

    def _look(self, seen: list["_Seen"]) -> None:
        """Let the network see the views that are due; each picture keeps the one that is to be believed."""
        if not seen:
            return
        for one, row in zip(seen, self.probabilities(np.stack([one.view.image for one in seen])), strict=True):
            one.weigh(row)

    def _answer(self, seen: "_Seen") -> Prediction:
        """The answer of a picture's best view, or why there is none."""
        if seen.error is not None:
            nothing = np.zeros(len(self.classes), np.float32)
            return Prediction(None, 0.0, nothing, True, seen.error.reason, str(seen.error), self.classes)
        row = seen.row
        confidence, name = float(row.max()), self.classes[int(row.argmax())]
        reason, detail = "", ""
        if row.sum() < self.least_digit:
            reason, detail = "not a digit", f"it is no digit by {100 * (1 - row.sum()):.0f} %"
        elif confidence < self.unsure:
            reason, detail = "unsure", f"{name} at best, by {100 * confidence:.0f} %"
        answer = int(name) if name.isdecimal() else name
        return Prediction(None if reason else answer, confidence, row, bool(reason), reason, detail, self.classes)

    @cached_property
    def _gives_probabilities(self) -> bool:
        """Whether outputs are probabilities: the card says so, or those of noise, from none to full, might be.

        Decided once, so that a picture is read alone as it is among others.
        """
        if self.card.get("output") == "probabilities":
            return True
        noise = np.random.default_rng(0).random((8, *self.shape), np.float32)
        outputs = self._network(self._arranged((noise.T * np.linspace(0, 1, 8, dtype=np.float32)).T))
        return bool(outputs.min() >= 0 and outputs.sum(axis=1).max() < 1 + 1e-3)  # the rest to 1 may be no digit

    def _arranged(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Images (N, *self.shape) as the network wants them laid out."""
        if self.order == "column":
            images = images.swapaxes(1, 2)
        if len(self.shape) == 3 and self._network.shape[0] == 3:
            images = images.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(images).reshape(len(images), *self._network.shape)


class _Seen:
    """A picture while it is read: the views of it, the one that is due, and the one to be believed with its answer.

    Args:
        views: what the network may see of it, likeliest first; raises ImageError where there is nothing to see.
    """

    def __init__(self, views: Iterator[View]) -> None:
        self._views = views
        self._whole: Probabilities
        self.view: View
        self.best: NDArray[np.float32] | None = None
        self.row: Probabilities = np.zeros(0, np.float32)
        self.error: ImageError | None = None

    def look(self) -> bool:
        """Take the next view; False where there is none."""
        try:
            self.view = next(self._views)
        except StopIteration:
            return False
        except ImageError as error:
            self.error = error
            return False
        return True

    def weigh(self, row: Probabilities) -> None:
        """Take the answer to the view that is due; it is believed where it is surer than those before it."""
        if not self.view.whole:
            row = WHOLE * self._whole + (1 - WHOLE) * row
        if row.max() > self.row.max(initial=-1):  # a network may be so sure of nothing that each digit has 0
            self.row, self.best = row, self.view.image
        if self.view.whole:
            self._whole = self.row


def _session(path: Path, threads: int | None = None) -> Any:
    """An ONNX Runtime session of a file.

    Raises:
        ModelError: the file is missing or damaged.
    """
    import onnxruntime

    if not path.exists():
        raise ModelError(f"no such model: {path}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a class of its own for every kind of damage
        raise ModelError(f"{path} is no model that ONNX Runtime opens ({error}): export it again") from error


def of_training(model: str | Path) -> bool:
    """Whether a model is a Keras file or a run folder: ``train.export.open_reader`` opens these, a Reader does not."""
    return Path(model).suffix in KERAS_FILES or (Path(model) / "config.json").exists()


def find(model: str | Path) -> tuple[Path, dict[str, Any]]:
    """The ``.onnx`` file of a model and its card, empty where there is none.

    Args:
        model: the name of a shipped one, a model folder, or an ``.onnx`` file.

    Raises:
        ModelError: no such model.
    """
    names = sorted(path.name for path in MODELS.iterdir() if path.is_dir())
    folder = MODELS / model if model in names else Path(model)
    if folder.is_file():
        if folder.suffix != ".onnx":
            raise ModelError(f"{folder} is no .onnx file or model folder: make one with  zeronine export")
        return folder, {}
    if not folder.is_dir():
        raise ModelError(f"no such model: {model}. Shipped: {', '.join(names)}")
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{folder} is no model folder, it has no card.json: make one with  zeronine export") from None
    except ValueError as error:
        raise ModelError(f"{folder / 'card.json'} is damaged ({error}): export the model again") from error
    if fault := _fault(card):
        raise ModelError(f"{folder / 'card.json'} is damaged ({fault}): export the model again")
    return folder / "model.onnx", card


def _fault(card: Any) -> str:
    """What a Reader cannot make sense of in a card; empty for nothing."""
    if not isinstance(card, dict):
        return "it is no object"
    for name, kind, known in (("input", dict, "an object"), ("reject", dict, "an object"), ("classes", list, "a list")):
        if not isinstance(card.get(name, kind()), kind):
            return f"{name} is not {known}"
    if not all(isinstance(name, str) for name in card.get("classes", [])):
        return "classes are not texts"
    if not all(isinstance(limit, int | float) and 0 <= limit <= 1 for limit in card.get("reject", {}).values()):
        return "reject is not between 0 and 1"
    return ""


def _name(path: Path, card: Mapping[str, Any]) -> str:
    """Of a model: its folder's, or its file's where that is all there is."""
    return path.parent.name if card else path.name


def _image_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Of one image, (side, side) or (side, side, 3), for a network's input shape."""
    pixels = tuple(side for side in shape if side != 1)
    if len(pixels) == 1 and round(pixels[0] ** 0.5) ** 2 == pixels[0]:
        return (round(pixels[0] ** 0.5),) * 2
    if len(pixels) == 2 and pixels[0] == pixels[1]:
        return pixels
    if len(pixels) == 3 and 3 in (pixels[0], pixels[-1]):
        return pixels if pixels[-1] == 3 else (*pixels[1:], 3)
    raise ModelError(f"the network takes {shape}, which is no square grey or colour image")


def _softmax(outputs: NDArray[np.float32]) -> Probabilities:
    """Probabilities of logits (N, classes)."""
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    result: Probabilities = powers / powers.sum(axis=1, keepdims=True)
    return result
