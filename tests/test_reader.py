"""The Reader: models of every make and shape, predictions, refusals."""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from zeronine import Reader
from zeronine.errors import ModelError
from zeronine.image import digit_image
from zeronine.reader import BATCH, MODELS, SHIPPED, SHIPPED_PAGE

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*-[0-9].*"))


class Constant:
    """A network that always answers 3; it keeps what it was fed."""

    def __init__(self, shape: tuple[int, ...], logits: bool = False) -> None:
        self.shape, self.logits = shape, logits
        self.fed = np.zeros(0, np.float32)

    def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        self.fed = inputs
        outputs = np.zeros((len(inputs), 10), np.float32)
        outputs[:, 3] = 5 if self.logits else 1
        return outputs


def test_the_shipped_model_reads_the_examples() -> None:
    reader = Reader()
    assert len(EXAMPLES) == 6
    assert {path.name: str(reader.predict(path).digit) for path in EXAMPLES} == {
        path.name: path.stem.split("-")[1] for path in EXAMPLES
    }


def test_a_prediction(seven: NDArray[np.float32]) -> None:
    prediction = Reader().predict(seven)
    assert prediction.digit == 7
    assert (prediction.rejected, prediction.reason, prediction.detail) == (False, "", "")
    assert prediction.probabilities.shape == (10,)
    assert 0.9 < prediction.probabilities.sum() <= 1 + 1e-5  # the rest is that it might be no digit
    assert prediction.confidence == pytest.approx(float(prediction.probabilities.max()))
    assert prediction.top(2)[0][0] == "7"
    assert json.loads(json.dumps(prediction.as_dict())).keys() == {
        "digit",
        "confidence",
        "rejected",
        "reason",
        "probabilities",
    }


def test_refusals_do_not_stop_the_others(seven: NDArray[np.float32], tmp_path: Path) -> None:
    sources = [seven, np.zeros((28, 28)), b"text", tmp_path / "none.png", 1 - seven]
    predictions = list(Reader().predict_many(sources))
    assert [prediction.digit for prediction in predictions] == [7, None, None, None, 7]
    assert [prediction.reason for prediction in predictions] == ["", "blank", "unreadable", "unreadable", ""]
    assert all(prediction.rejected == bool(prediction.detail) for prediction in predictions)


def test_many_pictures_come_out_in_order(seven: NDArray[np.float32]) -> None:
    blank = np.zeros((28, 28))
    digits = [prediction.digit for prediction in Reader().predict_many([seven, blank] * BATCH)]
    assert digits == [7, None] * BATCH


def test_batches_answer_as_single_pictures_do(digits: object, seven: NDArray[np.float32]) -> None:
    reader = Reader()
    images = np.stack([digit_image(np.roll(seven, shift, 1)) for shift in range(5)])
    together = reader.probabilities(images)
    alone = np.concatenate([reader.probabilities(image[None]) for image in images])
    assert together == pytest.approx(alone, abs=1e-6)
    assert reader.probabilities(images[:0]).shape == (0, 10)


@pytest.mark.parametrize(
    ("shape", "side"), [((784,), 28), ((400,), 20), ((64,), 8), ((28, 28, 1), 28), ((1, 28, 28), 28), ((1, 32, 32), 32)]
)
def test_networks_of_other_shapes(seven: NDArray[np.float32], shape: tuple[int, ...], side: int) -> None:
    network = Constant(shape)
    reader = Reader(network)
    assert reader.predict(seven).digit == 3
    assert reader.shape == (side, side)
    assert network.fed.shape == (1, *shape)


def test_column_by_column(seven: NDArray[np.float32]) -> None:
    rows, columns = Constant((400,)), Constant((400,))
    Reader(rows).predict(seven)
    Reader(columns, order="column").predict(seven)
    assert np.array_equal(columns.fed.reshape(20, 20).T, rows.fed.reshape(20, 20))


@pytest.mark.parametrize("shape", [(32, 32, 3), (3, 32, 32)])
def test_colour_networks_get_colour(shape: tuple[int, ...]) -> None:
    network = Constant(shape)
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 255
    assert Reader(network, card={"classes": list("0123456789")}).predict(red).digit == 3
    assert network.fed.reshape(shape).max(axis=(0, 1) if shape[-1] == 3 else (1, 2)).tolist() == [1, 0, 0]


def test_logits_become_probabilities(seven: NDArray[np.float32]) -> None:
    prediction = Reader(Constant((28, 28), logits=True)).predict(seven)
    assert prediction.probabilities.sum() == pytest.approx(1)
    assert prediction.confidence == pytest.approx(np.exp(5) / (np.exp(5) + 9))


def test_what_outputs_are_is_decided_once(seven: NDArray[np.float32]) -> None:
    class Steep(Constant):
        """Logits that look like probabilities where there is little ink."""

        def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
            return super().__call__(inputs) * (1 + 8 * (inputs.sum(axis=(1, 2)) > 50))[:, None].astype(np.float32)

    thin = np.zeros((100, 60), np.uint8)
    thin[20:80, 28:32] = 255
    reader = Reader(Steep((28, 28)))
    together = [prediction.confidence for prediction in reader.predict_many([thin, seven])]
    assert together[0] == Reader(Steep((28, 28))).predict(thin).confidence
    bare = Reader(MODELS / SHIPPED / "model.onnx")
    assert np.array_equal(bare.predict(seven).probabilities, Reader().predict(seven).probabilities)


def test_a_reader_is_opened_again_in_another_process(seven: NDArray[np.float32]) -> None:
    reader = pickle.loads(pickle.dumps(Reader(unsure=0.25, threads=1)))
    assert reader.unsure == 0.25
    assert np.array_equal(reader.predict(seven).probabilities, Reader().predict(seven).probabilities)


def test_an_onnx_file_alone(seven: NDArray[np.float32], tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    shutil.copy(MODELS / SHIPPED / "model.onnx", path)
    reader = Reader(path)
    assert reader.predict(seven).digit == 7
    assert reader.classes == tuple("0123456789")


@pytest.mark.parametrize(
    ("files", "name", "says"),
    [
        ({}, "nothing", "no such model"),
        ({"mine.txt": b"x"}, "mine.txt", "no .onnx file or model folder"),
        ({"mine.onnx": b"x"}, "mine.onnx", "export it again"),
        ({"mine/notes.txt": b"x"}, "mine", "no card.json"),
        ({"mine/card.json": b"{"}, "mine", "damaged"),
        ({"mine/card.json": b"[]"}, "mine", "damaged"),
        ({"mine/card.json": b'{"input": "digits"}'}, "mine", "input is not an object"),
        ({"mine/card.json": b'{"classes": [0, 1]}'}, "mine", "classes are not texts"),
        ({"mine/card.json": b'{"reject": {"unsure": "0.5"}}'}, "mine", "reject is not between 0 and 1"),
        ({"mine/card.json": b"{}"}, "mine", "no such model"),
    ],
)
def test_models_that_do_not_open(tmp_path: Path, files: dict[str, bytes], name: str, says: str) -> None:
    for file, content in files.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(content)
    with pytest.raises(ModelError, match=says):
        Reader(tmp_path / name)


def test_a_card_that_names_other_classes_than_there_are(seven: NDArray[np.float32], tmp_path: Path) -> None:
    shutil.copytree(MODELS / SHIPPED, tmp_path / "mine")
    (tmp_path / "mine/card.json").write_text('{"classes": ["0", "1"]}')
    with pytest.raises(ModelError, match="10 classes apart, its card names 2"):
        Reader(tmp_path / "mine").predict(seven)


@pytest.mark.parametrize(
    "spoilt", [[1], {"presence": [1.0]}, {"confidence": "xy"}, {"row": {"other": 1}}, {"unsure": None}, {"other": 1}]
)
def test_a_damaged_calibration_is_told(tmp_path: Path, spoilt: object) -> None:
    shutil.copytree(MODELS / SHIPPED_PAGE, tmp_path / "mine")
    (tmp_path / "mine/card.json").write_text(json.dumps({"calibration": spoilt}))
    with pytest.raises(ModelError, match="calibration"):
        _ = Reader(page=tmp_path / "mine").networks


@pytest.mark.parametrize("shape", [(785,), (28, 20), (4, 28, 28), (5, 5, 5, 5)])
def test_networks_that_take_no_images(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="no square grey or colour image"):
        Reader(Constant(shape))


def test_images_of_another_shape_are_refused() -> None:
    with pytest.raises(ModelError, match="takes images of"):
        Reader().probabilities(np.zeros((2, 20, 20), np.float32))


@pytest.mark.parametrize("call", ["Reader().predict(sys.argv[1])", "main()"])
def test_recognising_needs_no_training_stack(call: str) -> None:
    code = (
        "import sys; from zeronine import Reader; from zeronine.cli import main\n"
        f"sys.argv = ['zeronine', {'sys.argv[1]' if 'Reader' in call else repr('predict') + ', sys.argv[1]'}]\n"
        f"try: {call}\nexcept SystemExit as stop: assert not stop.code\n"
        "heavy = {'torch', 'keras', 'tensorflow', 'jax', 'scipy', 'sklearn', 'matplotlib', 'onnx', 'jinja2'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(EXAMPLES[0])], check=True, capture_output=True)


class Sure:
    """A network that is as sure of a 3, and of a digit at all, as it is told; of a 5 when it looks again."""

    shape = (28, 28)

    def __init__(self, confidence: float, digit: float, later: float = 0.0) -> None:
        self.confidence, self.digit, self.later, self.calls = confidence, digit, later, 0

    def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        outputs = np.zeros((len(inputs), 10), np.float32)
        outputs[:, 3] = self.confidence if not self.calls else 0
        outputs[:, 5] = self.later if self.calls else 0
        outputs[:, 4] = self.digit - outputs[:, 3] - outputs[:, 5]
        self.calls += 1
        return outputs


CARD = {"classes": list("0123456789"), "output": "probabilities", "reject": {"digit": 0.4, "unsure": 0.5}}


@pytest.mark.parametrize(
    ("confidence", "digit", "reason"),
    [(0.95, 1.0, ""), (0.45, 0.8, "unsure"), (0.3, 0.35, "not a digit"), (0.0, 0.0, "not a digit")],
)
def test_what_is_refused(seven: NDArray[np.float32], confidence: float, digit: float, reason: str) -> None:
    prediction = Reader(Sure(confidence, digit), card=CARD).predict(seven)
    assert prediction.reason == reason
    assert prediction.rejected == bool(reason)
    assert prediction.digit == (None if reason else 3)
    assert prediction.confidence == pytest.approx(confidence)
    assert prediction.probabilities.sum() == pytest.approx(digit)
    assert bool(prediction.detail) == bool(reason)


def test_the_caller_says_what_is_sure_enough(seven: NDArray[np.float32]) -> None:
    assert Reader(Sure(0.95, 1.0), card=CARD, unsure=0.99).predict(seven).reason == "unsure"
    assert Reader(Sure(0.45, 0.8), card=CARD, unsure=0).predict(seven).digit in (3, 4)
    for unsure in (1.5, "0.5", float("nan")):
        with pytest.raises(ModelError, match="unsure"):
            Reader(unsure=unsure)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="'row' or 'column'"):
        Reader(order="rows")  # type: ignore[arg-type]


def test_a_pattern_alone_is_no_rule() -> None:
    with pytest.raises(TypeError, match=r"rule\(pattern="):
        Reader().read(np.full((60, 200), 255, np.uint8), r"\d{5}")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [".", ".."])
def test_a_folder_of_any_name_is_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    shutil.copytree(MODELS / SHIPPED, tmp_path / "mine")
    (tmp_path / "mine" / "below").mkdir()
    monkeypatch.chdir(tmp_path / "mine" / ("" if name == "." else "below"))
    assert Reader(name).classes == tuple("0123456789")


def test_what_is_not_clear_is_seen_in_other_ways() -> None:
    picture = np.full((80, 80), 255, np.uint8)
    picture[20:60, 38:44] = 0
    picture[10:70, :4] = 0  # a neighbour at the side
    picture[52:56, 50:54] = 0  # a full stop
    network = Sure(0.5, 0.5, later=0.8)
    answer = Reader(network, card=CARD).predict(picture)
    assert answer.digit == 5
    assert answer.confidence == pytest.approx(0.8 * 3 / 4)  # what is left away may have belonged to it
    assert network.calls > 1
    assert Reader(Sure(0.8, 0.8, later=0.95), card=CARD).predict(picture).digit == 3
    clear = Sure(0.95, 0.95, later=0.99)
    assert Reader(clear, card=CARD).predict(picture).digit == 3
    assert clear.calls == 1
