"""The tutorial networks: sizes, settings, and that a kill changes nothing; on scikit-learn's real digits."""

import itertools
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from zeronine.data import Dataset, Split
from zeronine.errors import MissingExtra, RecipeError
from zeronine.train import keras_loop
from zeronine.train.keras_loop import Plan, divide, layers, train_tutorial, use_engine
from zeronine.train.run import Run
from zeronine.train.settings import override
from zeronine.train.tutorials import TUTORIALS

# Keras 3.15's own variables do not know NumPy 2's `copy` yet; it trips over that whenever it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")

TINY: dict[str, dict[str, object]] = {
    "dense-25-15": {"epochs": 3, "dropout": 0.2},
    "dense-128-256-512": {"epochs": 3, "dropout": 0.2, "units": (32, 16)},
    "dense-512-256-128": {"iterations": 25, "report_every": 10, "units": (32, 16), "as_published": False},
    "conv-32-64": {"epochs": 6, "batch_size": 32, "filters": (4, 8), "patience": 2, "min_delta": 0.9},
}
"""Every recipe, in seconds; dropout everywhere, and early stopping after the third of six epochs."""


def digits(size: int = 8, colour: bool = False, count: int = 400, tested: int = 100) -> Dataset:
    """Real digits of size 8, 28 or 32."""
    images, labels = load_digits(return_X_y=True)
    pixels = (images.reshape(-1, 8, 8) / 16).astype(np.float32)[:count]
    pixels = np.kron(pixels, np.ones((1, size // 8, size // 8), np.float32))
    pixels = np.pad(pixels, [(0, 0)] + [((size - pixels.shape[1]) // 2,) * 2] * 2)
    everything = Split(np.stack([pixels] * 3, -1) if colour else pixels, labels[:count].astype(np.int64))
    learned = count - tested
    return Dataset(
        "digits", everything.take(slice(learned)), everything.take(slice(learned, None)), tuple("0123456789")
    )


def data_for(name: str) -> Dataset:
    return digits(28 if name.startswith("conv") else 8)


def weights(run: Run, file: str = "model.keras") -> list[Any]:
    import keras

    return list(keras.saving.load_model(run.folder / file, compile=False).get_weights())


def outcome(run: Run) -> tuple[list[Any], list[dict[str, float]], Any, Any]:
    """All that must not depend on kills: everything but the seconds."""
    history = [{name: value for name, value in row.items() if name != "seconds"} for row in run.history]
    return weights(run), history, *run.predictions


def assert_same(run: Run, other: Run) -> None:
    for one, two in zip(outcome(run), outcome(other), strict=True):
        np.testing.assert_equal(one, two)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    return {name: train_tutorial(name, data_for(name), out=folder / name, settings=TINY[name]) for name in TINY}


class KilledError(Exception):
    pass


# The networks


@pytest.mark.parametrize(
    ("name", "shape", "parameters"),
    [
        ("dense-25-15", (20, 20), [10_025, 390, 160]),
        ("dense-128-256-512", (28, 28), [100_480, 33_024, 131_584, 5_130]),
        ("dense-512-256-128", (28, 28), [401_920, 131_328, 32_896, 1_290]),
        ("conv-32-64", (28, 28), [320, 18_496, 16_010]),
        ("conv-32-64", (32, 32, 3), [896, 18_496, 23_050]),
    ],
)
def test_networks_have_the_tutorials_parameters(name: str, shape: tuple[int, ...], parameters: list[int]) -> None:
    assert [count for _, _, count in layers(name, shape, 10) if count] == parameters


def test_layers_are_described() -> None:
    assert layers("conv-32-64", (28, 28), 10) == [
        ("conv 3×3 32, relu", (26, 26, 32), 320),
        ("max-pool 2×2", (13, 13, 32), 0),
        ("conv 3×3 64, relu", (11, 11, 64), 18_496),
        ("max-pool 2×2", (5, 5, 64), 0),
        ("flatten", (1600,), 0),
        ("dropout 0.5", (1600,), 0),
        ("dense 10, softmax", (10,), 16_010),
    ]


def test_overrides_change_the_network() -> None:
    changed = layers("dense-25-15", (8, 8), 4, {"units": "7", "activation": "tanh", "dropout": "0.5"})
    assert [what for what, _, _ in changed] == ["flatten", "dense 7, tanh", "dropout 0.5", "dense 4, linear"]
    assert len(layers("conv-32-64", (32, 32, 3), 10, {"filters": [4, 8, 16]})) == 9


def test_the_published_form_is_linear_and_the_meant_one_is_not() -> None:
    def bend(**settings: object) -> float:
        """How far the network is from keeping the middle of two points in the middle."""
        chosen = override(TUTORIALS["dense-512-256-128"].settings, settings)
        network = TUTORIALS["dense-512-256-128"].network((8, 8), 10, chosen)
        one, two = np.random.default_rng(0).random((2, 1, 8, 8), np.float32) * 9
        middle, ends = (
            network.predict((one + two) / 2, verbose=0),
            network.predict(np.concatenate([one, two]), verbose=0),
        )
        return float(np.abs(middle - ends.mean(0)).max() / np.abs(ends).max())

    use_engine("torch")
    assert bend() < 1e-5
    assert bend(as_published=False) > 1e-3
    assert not any("dropout" in what for what, _, _ in layers("dense-512-256-128", (8, 8), 10))
    meant = layers("dense-512-256-128", (8, 8), 10, {"as_published": "false"})
    assert [what for what, _, _ in meant][-3:] == ["dense 128, relu", "dropout 0.5", "dense 10, linear"]


def test_images_too_small_for_a_network(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"conv-32-64 does not fit images of shape \(8, 8\)"):
        layers("conv-32-64", (8, 8), 10)
    with pytest.raises(RecipeError, match="--digits makes"):
        train_tutorial("conv-32-64", digits(), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()  # or it would be another run's when that is done


# Settings


def test_text_is_read_as_the_setting_wants_it() -> None:
    settings = override(
        TUTORIALS["dense-512-256-128"].settings,
        {
            "units": "256, 128",
            "learning_rate": "3e-4",
            "iterations": "50",
            "as_published": "False",
            "dropout": 0,
        },
    )
    assert (settings.units, settings.learning_rate, settings.iterations) == ((256, 128), 3e-4, 50)  # type: ignore[union-attr]
    assert settings.as_published is False  # type: ignore[union-attr]
    assert settings.dropout == 0


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        (
            "dense-25-15",
            {"filters": "8"},
            "no setting 'filters' here: choose from activation, batch_size, dropout,",
        ),
        ("dense-25-15", {"iterations": 9}, "epochs, holdout, layers, learning_rate, units"),
        ("dense-25-15", {"epochs": "many"}, "epochs is 'many': it must be a whole number"),
        ("dense-25-15", {"epochs": 2.5}, "it must be a whole number"),
        ("dense-25-15", {"epochs": True}, "it must be a whole number"),
        ("dense-25-15", {"epochs": 0}, "epochs is 0: it must be 1 or more"),
        ("dense-25-15", {"units": "25,,15"}, "whole numbers with commas between them, such as 256,128"),
        ("dense-25-15", {"units": ()}, "it must be 1 or more"),
        ("dense-25-15", {"units": (25, -1)}, "it must be 1 or more"),
        ("dense-25-15", {"learning_rate": "nan"}, "greater than 0"),
        ("dense-25-15", {"learning_rate": None}, "it must be a number"),
        ("dense-25-15", {"dropout": 1}, "less than 1"),
        ("dense-25-15", {"activation": "rleu"}, "no activation 'rleu': choose from linear, relu"),
        ("dense-25-15", {"holdout": -1}, "0 or more"),
        ("dense-512-256-128", {"as_published": "maybe"}, "true or false"),
        ("dense-512-256-128", {"dropout": 0.2}, "set as_published to false as well"),
        ("conv-32-64", {"units": 10}, "filters"),
    ],
)
def test_bad_overrides_say_what_is_allowed(name: str, values: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        train_tutorial(name, digits(), out=tmp_path / "run", settings=values)
    assert message in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no tutorial 'dense': choose from dense-25-15, dense-128-256-512"):
        train_tutorial("dense", digits(), out=tmp_path)
    with pytest.raises(RecipeError, match="no engine 'numpy': choose from torch, tensorflow, jax"):
        train_tutorial("dense-25-15", digits(), out=tmp_path, engine="numpy")
    with pytest.raises(RecipeError, match="seed is -1"):
        train_tutorial("dense-25-15", digits(), out=tmp_path, seed=-1)


# Engines and extras


def test_one_process_has_one_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    use_engine("torch")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    with pytest.raises(RecipeError, match="already computes with torch here: start a new process for jax"):
        use_engine("jax")


@pytest.mark.parametrize(("missing", "extra"), [("keras", "train"), ("torch", "train")])
def test_missing_engines(monkeypatch: pytest.MonkeyPatch, missing: str, extra: str) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == missing else name)
    with pytest.raises(MissingExtra, match=rf"zeronine\[{extra}\]"):
        use_engine("torch")


def test_missing_tensorboard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "tensorboard" else name)
    with pytest.raises(MissingExtra, match=r"zeronine\[tensorboard\]"):
        train_tutorial("dense-25-15", digits(), out=tmp_path / "run", tensorboard=True)
    assert not (tmp_path / "run").exists()


# Data


def test_validation_is_where_the_tutorials_have_it() -> None:
    dataset = digits(count=360, tested=0)
    parts = {name: divide(recipe, dataset, recipe.settings) for name, recipe in TUTORIALS.items()}
    assert [len(split) for split in parts["dense-25-15"].values()] == [360, 0, 0]
    np.testing.assert_array_equal(parts["dense-512-256-128"]["validation"].labels, dataset.train.labels[:30])
    np.testing.assert_array_equal(parts["dense-512-256-128"]["train"].images, dataset.train.images[30:])
    np.testing.assert_array_equal(parts["conv-32-64"]["validation"].labels, dataset.train.labels[270:])
    np.testing.assert_array_equal(parts["conv-32-64"]["train"].images, dataset.train.images[:270])
    tested = divide(TUTORIALS["dense-128-256-512"], digits(), TUTORIALS["dense-128-256-512"].settings)
    assert tested["validation"] is tested["test"]


def test_data_in_class_order_lose_no_class() -> None:
    train = digits(count=360, tested=0).train
    ordered = Dataset("o", train.take(np.argsort(train.labels)), train.take(slice(0)), tuple("0123456789"))
    parts = divide(TUTORIALS["conv-32-64"], ordered, TUTORIALS["conv-32-64"].settings)
    assert set(parts["train"].labels) == set(parts["validation"].labels) == set(range(10))


def test_holding_out(tmp_path: Path) -> None:
    everything = digits(count=400, tested=0)
    run = train_tutorial("dense-25-15", everything, out=tmp_path / "held", settings={"epochs": 1, "holdout": "100"})
    assert run.config["predictions_of"] == "test"
    assert [run.config["data"][part] for part in ("train", "validation", "test")] == [300, 0, 100]
    assert set(run.history[0]) == {"epoch", "loss", "accuracy", "seconds"}
    run = train_tutorial("dense-25-15", everything, out=tmp_path / "all", settings={"epochs": 1})
    assert run.config["predictions_of"] == "train"
    np.testing.assert_array_equal(run.predictions[1], everything.train.labels)
    with pytest.raises(RecipeError, match="has its own test set"):
        train_tutorial("dense-25-15", digits(), out=tmp_path / "no", settings={"holdout": 100})


def test_order_comes_from_seed_and_epoch_alone() -> None:
    plan = Plan.of(override(TUTORIALS["dense-25-15"].settings, {"epochs": 3}), 50)
    assert (plan.steps, plan.total) == (2, 6)
    assert sorted(plan.order(0, 2)) == list(range(50))
    assert not np.array_equal(plan.order(0, 1), plan.order(0, 2))
    assert not np.array_equal(plan.order(0, 1), plan.order(1, 1))
    settings = override(TUTORIALS["dense-512-256-128"].settings, {"iterations": 25, "report_every": 10})
    walk = Plan.of(settings, 500)
    stream = np.concatenate([walk.order(0, epoch) for epoch in range(3)])
    assert (walk.epochs, walk.total, len(stream)) == (3, 25, 3 * 10 * 128)
    assert all(sorted(stream[start : start + 500]) == list(range(500)) for start in range(0, 3500, 500))


# Training


@pytest.mark.parametrize("name", TINY)
def test_a_run_has_its_files(name: str, uninterrupted: dict[str, Run]) -> None:
    run = uninterrupted[name]
    files = {"config.json", "history.csv", "model.keras", "predictions.npz"}
    assert {path.name for path in run.folder.iterdir()} == files | ({"model.h5"} if name == "conv-32-64" else set())
    probabilities, labels = run.predictions
    assert probabilities.shape == (100, 10)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(labels, data_for(name).test.labels)
    config = run.config
    assert (config["recipe"], config["kind"], config["engine"], config["seed"]) == (name, "keras", "torch", 0)
    assert config["seconds"] == pytest.approx(run.history[-1]["seconds"], abs=0.01)
    assert config["settings"]["learning_rate"] == TUTORIALS[name].settings.learning_rate


def test_histories(uninterrupted: dict[str, Run]) -> None:
    assert [row["epoch"] for row in uninterrupted["dense-25-15"].history] == [1, 2, 3]
    assert "val_loss" in uninterrupted["dense-128-256-512"].history[0]
    assert [row["iteration"] for row in uninterrupted["dense-512-256-128"].history] == [10, 20, 25]
    assert len(uninterrupted["conv-32-64"].history) == 3  # of six: stopped early


def test_iterations_report_the_batch_itself_without_dropout(tmp_path: Path) -> None:
    import keras

    dataset, settings = digits(), TINY["dense-512-256-128"] | {"iterations": 7}
    run = train_tutorial("dense-512-256-128", dataset, out=tmp_path / "run", settings=settings)
    recipe = TUTORIALS["dense-512-256-128"]
    chosen = override(recipe.settings, settings)
    train = divide(recipe, dataset, chosen)["train"]
    last = train.take(Plan.of(chosen, len(train)).order(0, 0)[6 * 128 : 7 * 128])
    network = keras.saving.load_model(run.folder / "model.keras", compile=False)
    right = network.predict(last.images, verbose=0).argmax(1) == last.labels
    assert run.history[-1]["accuracy"] == pytest.approx(right.mean(), abs=1e-6)


def test_the_best_epoch_is_kept(uninterrupted: dict[str, Run]) -> None:
    import keras

    run = uninterrupted["conv-32-64"]
    watched = divide(TUTORIALS["conv-32-64"], digits(28), TUTORIALS["conv-32-64"].settings)["validation"]
    network = keras.saving.load_model(run.folder / "model.keras", compile=False)
    right = network.predict(watched.images[..., None], verbose=0).argmax(1) == watched.labels
    assert right.mean() == pytest.approx(max(row["val_accuracy"] for row in run.history), abs=1e-6)


def test_saved_networks_predict_the_same(uninterrupted: dict[str, Run]) -> None:
    import keras

    for name, run in uninterrupted.items():
        for path in run.folder.glob("model.*"):
            network = keras.saving.load_model(path, compile=False)
            images = data_for(name).test.images.reshape(-1, *network.input_shape[1:])
            outputs = keras.ops.convert_to_numpy(network(images))
            if TUTORIALS[name].logits:
                outputs = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
            np.testing.assert_allclose(outputs, run.predictions[0], atol=1e-5)


def test_colour_images(tmp_path: Path) -> None:
    settings = TINY["conv-32-64"] | {"epochs": 1}
    run = train_tutorial("conv-32-64", digits(32, colour=True), out=tmp_path / "run", settings=settings)
    assert run.config["input_shape"] == [32, 32, 3]
    assert run.predictions[0].shape == (100, 10)


def test_nothing_is_printed_and_progress_is_reported(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    steps: list[tuple[int, int]] = []
    figures: list[float] = []

    def progress(done: int, total: int, running: Any) -> None:
        steps.append((done, total))
        figures.append(running["loss"])

    with caplog.at_level(logging.INFO):
        settings = TINY["conv-32-64"] | {"epochs": 2}
        train_tutorial("conv-32-64", digits(28), out=tmp_path / "run", settings=settings, progress=progress)
    assert steps == [(step, 16) for step in range(1, 17)]
    assert all(isinstance(figure, float) for figure in figures)
    assert capfd.readouterr().out == ""
    assert "HDF5" not in caplog.text


def test_the_seed_decides(tmp_path: Path, uninterrupted: dict[str, Run]) -> None:
    def again(folder: str, seed: int) -> Run:
        return train_tutorial("dense-25-15", digits(), out=tmp_path / folder, settings=TINY["dense-25-15"], seed=seed)

    assert_same(again("same", 0), uninterrupted["dense-25-15"])
    assert again("other", 1).history != uninterrupted["dense-25-15"].history


# Going on after a kill


def test_a_finished_run_stays_as_it_is(uninterrupted: dict[str, Run]) -> None:
    run = uninterrupted["dense-25-15"]
    before = {path: path.stat().st_mtime_ns for path in run.folder.iterdir()}
    train_tutorial("dense-25-15", digits(), out=run.folder, settings=TINY["dense-25-15"])
    assert {path: path.stat().st_mtime_ns for path in run.folder.iterdir()} == before


@pytest.mark.parametrize("change", [{"seed": 1}, {"settings": {"epochs": 4}}, {"dataset": digits(count=300)}])
def test_another_run_needs_another_folder(change: dict[str, Any], uninterrupted: dict[str, Run]) -> None:
    arguments: dict[str, Any] = {"dataset": digits(), "settings": TINY["dense-25-15"]} | change
    with pytest.raises(RecipeError, match="choose another folder with --out"):
        train_tutorial("dense-25-15", out=uninterrupted["dense-25-15"].folder, **arguments)


@pytest.mark.parametrize("name", TINY)
def test_stopped_after_any_step_it_ends_the_same(name: str, tmp_path: Path, uninterrupted: dict[str, Run]) -> None:
    total = 25 if name == "dense-512-256-128" else 27
    for stop in sorted({1, 8, 9, 10, 11, 16, 17, 20, total - 1}):  # in epochs, and at and beside their edges

        def progress(done: int, total: int, figures: Any, stop: int = stop) -> None:
            if done == stop:
                raise KilledError

        try:
            train_tutorial(name, data_for(name), out=tmp_path, settings=TINY[name], progress=progress)
        except KilledError:
            continue
    assert_same(train_tutorial(name, data_for(name), out=tmp_path, settings=TINY[name]), uninterrupted[name])


def break_write(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the n-th write of a run's files break off, written but not yet renamed, as a kill would have it."""
    writes = itertools.count(1)

    @contextmanager
    def replaced(path: Path) -> Iterator[Path]:
        temporary = path.with_name(f".{os.getpid()}.{path.name}")
        yield temporary
        if next(writes) == number:
            raise KilledError
        temporary.replace(path)

    monkeypatch.setattr(keras_loop, "replaced", replaced)
    monkeypatch.setattr(sys.modules["zeronine.train.run"], "replaced", replaced)


def test_stopped_at_any_write_it_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: dict[str, Run]
) -> None:
    writes = 1 + 3 * 2 + 5  # config; backup and history thrice; two networks, history, config, predictions
    arguments: dict[str, Any] = {"name": "conv-32-64", "dataset": digits(28), "settings": TINY["conv-32-64"]}
    for number in range(2, writes + 1):
        out = tmp_path / str(number)
        with monkeypatch.context() as patch:
            break_write(number, patch)
            with pytest.raises(KilledError):
                train_tutorial(out=out, **arguments)
        assert_same(train_tutorial(out=out, **arguments), uninterrupted["conv-32-64"])


SCRIPT = """
import contextlib, os, random, signal, sys, time
from pathlib import Path
import test_tutorials as tests
from zeronine.train.keras_loop import train_tutorial, use_engine

use_engine("torch")
import keras, torch
with contextlib.suppress(ImportError):
    import tensorflow  # where it is installed, Keras imports it when it saves; once is enough here
torch.set_num_threads(1)
folder = Path(sys.argv[1])
settings = {"epochs": 12, "filters": (4, 8), "patience": 12, "min_delta": 0.9}

def train(out):
    train_tutorial("conv-32-64", tests.digits(28), out=out, settings=settings)

def child(out):
    pid = os.fork()
    if pid == 0:
        train(out)
        os._exit(0)
    return pid

assert os.waitpid(child(folder / "whole"), 0)[1] == 0
chance, kills = random.Random(), 0
while not (folder / "killed" / "predictions.npz").exists():
    pid = child(folder / "killed")
    time.sleep(chance.random() * 0.3 * (kills + 1))
    os.kill(pid, signal.SIGKILL)
    kills += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
print(kills)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_random_moments_it_ends_the_same(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) >= 2
    assert_same(Run(tmp_path / "killed"), Run(tmp_path / "whole"))


@pytest.mark.parametrize(("layers", "units"), [(1, (25,)), (2, (25, 15)), (4, (25, 15, 15, 15))])
def test_a_number_of_layers_repeats_the_last_width(layers: int, units: tuple[int, ...]) -> None:
    assert override(TUTORIALS["dense-25-15"].settings, {"layers": layers}).units == units


def test_widths_and_their_number_go_together() -> None:
    assert override(TUTORIALS["dense-25-15"].settings, {"units": "40", "layers": "3"}).units == (40, 40, 40)
    for wrong in (0, -1, 10**6):
        with pytest.raises(RecipeError, match="layers"):
            override(TUTORIALS["dense-25-15"].settings, {"layers": wrong})
