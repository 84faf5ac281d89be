"""Export: what users get answers as what was trained; Keras files of any make are measured."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from zeronine import Reader, data
from zeronine.errors import DataError, ModelError, RecipeError
from zeronine.train import Run, train
from zeronine.train.export import _card, _making, evaluate_model, export, open_reader
from zeronine.train.keras_loop import use_engine

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """A quick run of each kind on the embedded digits."""
    folder = tmp_path_factory.mktemp("runs")
    settings: dict[str, dict[str, object]] = {
        "standard": {
            "epochs": 3,
            "batch_size": 64,
            "widths": "8,8,8,16",
            "pools": "1,2",
            "written": 20,
            "crowded": 20,
            "refused": 80,
            "settling": 1,
        },
        "dense-25-15": {"epochs": 4},
        "conv-32-64": {"epochs": 2, "filters": "8,8"},
    }
    return {
        name: train(name, data="optdigits", digits=True, out=folder / name, settings=chosen)
        for name, chosen in settings.items()
    }


@pytest.mark.parametrize("name", ["standard", "dense-25-15", "conv-32-64"])
def test_the_exported_network_is_the_trained_one(runs: dict[str, Run], tmp_path: Path, name: str) -> None:
    folder = export(runs[name].folder, tmp_path / "mine_v1")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "card.json", "model.onnx"]
    probabilities, labels = runs[name].predictions
    reader = Reader(folder)
    images = data.load("optdigits", digits=True).test.images
    assert reader.probabilities(images) == pytest.approx(probabilities, abs=1e-5)
    for size in (1, 7):
        assert reader.probabilities(images[:size]) == pytest.approx(probabilities[:size], abs=1e-5)
    said = [reader.predict(image) for image in images[:20]]
    assert [one.probabilities.argmax() for one in said] == probabilities[:20].argmax(1).tolist()
    assert str(Path(__file__).parent.parent).encode() not in (folder / "model.onnx").read_bytes()
    card = json.loads((folder / "card.json").read_text())
    assert card["measured"]["correct"] == int((probabilities.argmax(1) == labels).sum())
    assert card["parity"]["same_answers"] == card["parity"]["images"] == len(labels)
    text = (folder / "README.md").read_text()
    assert f"{100 * runs[name].accuracy:.2f} %" in text
    assert f"zeronine train {name}" in text


def test_a_card_names_who_taught_its_network(runs: dict[str, Run], tmp_path: Path) -> None:
    teacher, pupil = (shutil.copytree(runs["standard"].folder, tmp_path / name) for name in ("somewhere", "pupil"))
    config = json.loads((pupil / "config.json").read_text())
    config["settings"]["teacher"] = str(teacher)
    (pupil / "config.json").write_text(json.dumps(config))
    card = _card(Run(pupil), "taught_v1")
    first, second, *_ = _making(card).split("    ")[1:]
    assert first.startswith("zeronine train standard")
    assert first.endswith("--out teacher\n")
    assert "--set teacher=teacher" in second
    assert "somewhere" not in json.dumps(card)
    shutil.rmtree(teacher)
    assert _making(_card(Run(pupil), "orphaned_v1")).count("zeronine train") == 1


def test_a_network_of_20_by_20_reads_any_picture(tmp_path: Path, seven: np.ndarray) -> None:
    images = np.random.default_rng(0).random((60, 20, 20)).astype(np.float32).clip(0.01, 0.99)
    np.savez(tmp_path / "small.npz", x_train=images, y_train=np.arange(60) % 10)
    run = train("dense-25-15", data=str(tmp_path / "small.npz"), out=tmp_path / "run", settings={"epochs": 1})
    reader = Reader(export(run.folder, tmp_path / "small_v1"))
    assert reader.shape == (20, 20)
    assert reader.predict(seven).digit in range(10)


def test_what_is_not_exported(runs: dict[str, Run], tmp_path: Path) -> None:
    run = runs["dense-25-15"].folder
    folder = export(run, tmp_path / "mine_v1")
    with pytest.raises(ModelError, match="exists"):
        export(run, folder)
    with pytest.raises(RecipeError, match="holds no run"):
        export(tmp_path / "nothing", tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine_v1"]


def test_a_damaged_run_is_not_exported(runs: dict[str, Run], tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(runs["standard"].folder, copy)
    weights = torch.load(copy / "model.pt", weights_only=True)
    torch.save({name: weight * 1.01 for name, weight in weights.items()}, copy / "model.pt")
    with pytest.raises(ModelError, match="differs"):
        export(copy, tmp_path / "mine_v1")
    (copy / "model.pt").write_bytes(b"x")
    with pytest.raises(ModelError, match="train again"):
        export(copy, tmp_path / "mine_v1")
    config = json.loads((copy / "config.json").read_text())
    config["data"]["sha256"] = "0"
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match="changed"):
        export(copy, tmp_path / "mine_v1")
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


@pytest.mark.parametrize("file", ["", "model.keras", "model.h5"])
def test_runs_and_their_files_are_measured_alike(runs: dict[str, Run], file: str) -> None:
    run = runs["conv-32-64"]
    result, name, part = evaluate_model(run.folder / file, "optdigits")
    assert (name, part) == ("optdigits", "test")
    assert result.accuracy == run.accuracy
    assert evaluate_model(run.folder)[0].accuracy == run.accuracy


def test_a_run_is_measured_on_the_part_that_is_asked_for(
    runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("standard", "dense-25-15"):
        result, _, part = evaluate_model(runs[name].folder, split="train")
        assert (result.count, part) == (1437, "train")
    monkeypatch.chdir(tmp_path)
    digits = data.load("optdigits", digits=True).test
    np.savez("mine.npz", x=digits.images, y=digits.labels)
    run = train("dense-25-15", data="mine.npz", out=tmp_path / "run", settings={"epochs": 1, "holdout": 60})
    assert [evaluate_model(run.folder, split=part)[0].count for part in ("test", "train")] == [60, 360]
    (tmp_path / "other").mkdir()
    monkeypatch.chdir("other")
    with pytest.raises(DataError, match=r"trained on mine.npz in another folder, .*: give its path with --data"):
        evaluate_model(run.folder)
    assert evaluate_model(run.folder, "../mine.npz")[0].count == 360


def test_logits_are_measured_as_probabilities(runs: dict[str, Run]) -> None:
    run = runs["dense-25-15"]
    result, *_ = evaluate_model(run.folder / "model.keras", "optdigits", digits=True)
    assert result.accuracy == run.accuracy
    assert result.log_loss == pytest.approx(evaluate_model(run.folder, "optdigits", digits=True)[0].log_loss, rel=1e-4)


@pytest.mark.parametrize("layout", ["flat-400", "flat-784", "square", "channel"])
@pytest.mark.parametrize("form", ["keras", "h5"])
def test_a_users_own_keras_file(tmp_path: Path, layout: str, form: str) -> None:
    use_engine("torch")
    import keras

    shape = {"flat-400": (400,), "flat-784": (784,), "square": (28, 28), "channel": (28, 28, 1)}[layout]
    model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(10)])
    model.save(tmp_path / f"mine.{form}")
    result, *_ = evaluate_model(tmp_path / f"mine.{form}", "optdigits", split="test")
    assert result.count == 360


def test_order_matters_to_a_network_of_columns(tmp_path: Path, runs: dict[str, Run]) -> None:
    turned = data.load("optdigits", digits=True)
    flat = turned.train.images.transpose(0, 2, 1).reshape(len(turned.train), -1)
    np.savez(tmp_path / "turned.npz", x_train=flat, y_train=turned.train.labels)
    run = train("dense-25-15", data=str(tmp_path / "turned.npz"), out=tmp_path / "run", settings={"epochs": 6})
    with pytest.raises(ModelError, match="flat row"):
        evaluate_model(run.folder, order="column")
    use_engine("torch")
    import keras

    trained = keras.models.load_model(run.folder / "model.keras")
    flat = keras.Sequential([keras.Input((784,)), *trained.layers[1:]])
    flat.save(tmp_path / "flat.keras")
    by_row, *_ = evaluate_model(tmp_path / "flat.keras", "optdigits", digits=True)
    by_column, *_ = evaluate_model(tmp_path / "flat.keras", "optdigits", digits=True, order="column")
    assert by_column.accuracy > by_row.accuracy + 0.2


def test_a_file_that_keras_2_wrote() -> None:
    reader = open_reader(FIXTURES / "keras2.h5")
    expected = np.load(FIXTURES / "keras2.npz")
    assert reader.probabilities(expected["images"]) == pytest.approx(expected["probabilities"], abs=1e-5)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [("none.keras", None, "no such model"), ("bad.keras", b"x", "save it again"), ("bad.h5", b"x", "save it again")],
)
def test_keras_files_that_do_not_open(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    if content:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=says):
        open_reader(tmp_path / name)


def test_other_classes_than_the_model_knows(runs: dict[str, Run], tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", x=np.random.default_rng(0).random((4, 28, 28)).astype(np.float32), y=[0, 11, 1, 0])
    with pytest.raises(ModelError, match="classes"):
        evaluate_model(runs["standard"].folder, str(tmp_path / "two.npz"), digits=False)


def test_the_shipped_model_on_mnist(mnist: data.Dataset) -> None:
    result, *_ = evaluate_model("standard_v1", "mnist")
    assert result.correct >= 9950  # of 10,000; it has 9,952. Everyone else's hands cost it 14 (LOG)
