"""Benchmarks of training and reading: turns, ratios, floor, what is left out, table, JSON. Tiny fakes, no network."""

import json
import runpy
import statistics
import subprocess
import sys
import venv
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

from zeronine import data
from zeronine.bench import environment, predict, train
from zeronine.bench.machine import Rate, floor, matrix_rates, operations
from zeronine.bench.rounds import (
    SCRIPTS,
    Contestant,
    Rounds,
    Sample,
    alternately,
    amount,
    chosen,
    printed,
    ratio_text,
    ratios,
    spread_text,
)
from zeronine.cli import app
from zeronine.errors import ModelError, ZeronineError
from zeronine.train import Run
from zeronine.train.loop import digit_bytes
from zeronine.train.recipes import RECIPES

ROOT = Path(__file__).parent.parent
RATES = [Rate("NumPy", "float32", 2, 100.0), Rate("PyTorch", "float32", 2, 80.0), Rate("PyTorch", "bfloat16", 2, 400.0)]


def fake(name: str, code: str, rounds: int = 1, ours: bool = False) -> Contestant:
    """A contestant that runs a line of Python; ``number`` is the round."""
    return Contestant(
        name,
        lambda number: [sys.executable, "-S", "-c", f"import sys; number = {number}; {code}"],
        printed,
        rounds,
        ours,
    )


def test_contestants_run_in_turn() -> None:
    said: list[str] = []
    code = "print('noise'); print('{\"seconds\": %d}' % (number + 1))"
    rounds = alternately([fake("a", code, 2, ours=True), fake("b", code, 2), fake("c", code, 1)], said.append)
    order = [(sample.contestant, sample.round) for sample in rounds.samples]
    assert order == [("a", 0), ("b", 0), ("c", 0), ("a", 1), ("b", 1)]
    assert [sample.figures["seconds"] for sample in rounds.of("b")] == [1, 2]
    assert all(0 < sample.process < 60 for sample in rounds.samples)
    assert said[0] == "round 1 of 2: a"
    assert rounds.left_out == {}


def test_a_peer_that_fails_is_left_out_with_its_reason() -> None:
    well, later = "print('{}')", "number and sys.exit('no memory'); print('{}')"
    rounds = alternately([fake("a", well, 3, ours=True), fake("b", later, 3), fake("c", "print('no JSON')", 3)])
    assert [sample.contestant for sample in rounds.samples] == ["a", "a", "a"]
    assert "no memory" in rounds.left_out["b"]
    assert "printed no figures" in rounds.left_out["c"]


def test_ours_must_not_fail() -> None:
    with pytest.raises(ZeronineError, match=r"a failed \(status 1\): broken"):
        alternately([fake("a", "sys.exit('broken')", ours=True)])
    missing = Contestant("b", lambda _: ["/no/such/program"], printed, 1, ours=True)
    with pytest.raises(ZeronineError, match="cannot be started"):
        alternately([missing])


def test_ratios_are_of_medians_and_of_rounds() -> None:
    ratio = ratios({0: 1.0, 1: 2.0, 2: 9.0}, {0: 4.0, 1: 5.0})
    assert ratio == {"of_medians": 2.0 / 4.5, "per_round": [0.25, 0.4]}
    assert ratio_text(ratio) == "0.44 (0.25 to 0.40)"
    assert ratio_text(ratios({0: 1.0}, {0: 63.0})) == "1/63"
    assert ratio_text(ratios({0: 1234.0}, {0: 2.0})) == "617"


@pytest.mark.parametrize(
    ("value", "text"), [(0.01234, "0.0123"), (1.0, "1.00"), (12.34, "12.3"), (123.4, "123"), (12345.6, "12,346")]
)
def test_amounts(value: float, text: str) -> None:
    assert amount(value) == text


def test_spreads() -> None:
    assert spread_text([2.0]) == "2.00"
    assert spread_text([3.0, 1.0, 2.5]) == "2.50 (1.00 to 3.00)"


def test_peers_are_named() -> None:
    assert chosen("all", train.PEERS) == ("one-epoch", "keras")
    assert chosen("none", train.PEERS) == ()
    assert chosen("keras, one-epoch,keras", train.PEERS) == ("keras", "one-epoch")
    with pytest.raises(ZeronineError, match="no 'mxnet'"):
        chosen("mxnet", train.PEERS)


def convnet(widths: tuple[int, ...], pools: tuple[int, ...], batch: int | str) -> onnx.ModelProto:
    """3×3 convolutions with max-pools, global max-pool, dense: as the first ``standard`` was."""
    nodes, weights, name = [], [], "images"
    for number, (before, after) in enumerate(zip((1, *widths), widths, strict=False), 1):
        weights.append(
            helper.make_tensor(f"w{number}", TensorProto.FLOAT, (after, before, 3, 3), [0.0] * after * before * 9)
        )
        nodes.append(helper.make_node("Conv", [name, f"w{number}"], [f"c{number}"], pads=[1] * 4))
        name = f"c{number}"
        if number in pools:
            nodes.append(helper.make_node("MaxPool", [name], [f"p{number}"], kernel_shape=[2, 2], strides=[2, 2]))
            name = f"p{number}"
    weights.append(helper.make_tensor("answer", TensorProto.FLOAT, (10, widths[-1]), [0.0] * 10 * widths[-1]))
    nodes.append(helper.make_node("GlobalMaxPool", [name], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"]))
    nodes.append(helper.make_node("Gemm", ["flat", "answer"], ["logits"], transB=1))
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, (batch, 1, 28, 28))
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, (batch, 10))
    return helper.make_model(helper.make_graph(nodes, "digits", [images], [logits], weights))


def test_operations_of_a_network(tmp_path: Path) -> None:
    # 2 × 9 × (784 × 272 + 196 × 1,536 + 49 × 6,144) of the convolutions, 2 × 640 of the answer
    assert operations(convnet((16, 16, 32, 32, 64, 64), (2, 4), "batch")) == 14_677_760
    onnx.save(convnet((4,), (), 1), tmp_path / "model.onnx")
    assert operations(tmp_path / "model.onnx") == 2 * 784 * 9 * 4 + 2 * 40
    assert 1e6 < operations(predict.Plan().file) < 1e8
    (tmp_path / "broken.onnx").write_bytes(b"none")
    for name in ("none.onnx", "broken.onnx"):
        with pytest.raises(ModelError, match="cannot be counted"):
            operations(tmp_path / name)


def test_operations_of_a_matrix_product() -> None:
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ("batch", 784))
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ("batch", 10))
    weights = helper.make_tensor("weights", TensorProto.FLOAT, (784, 10), [0.0] * 7840)
    node = helper.make_node("MatMul", ["images", "weights"], ["logits"])
    model = helper.make_model(helper.make_graph([node], "flat", [images], [logits], [weights]))
    assert operations(model) == 2 * 7840
    del model.graph.initializer[:]
    with pytest.raises(ModelError, match="sizes of MatMul"):
        operations(model)


def test_the_floor_takes_the_best_median() -> None:
    slow = [Rate("NumPy", "float32", 2, 50.0), Rate("NumPy", "float32", 2, 90.0)]
    bound = floor(9e9, RATES + slow)
    assert bound.rate.gigaflops == statistics.median([100.0, 50.0, 90.0])
    assert bound.seconds == pytest.approx(0.1)
    figures = bound.as_dict(0.25)
    assert figures["ours_over_floor"] == pytest.approx(2.5)
    assert figures["reduced"]["ours_over_floor"] == pytest.approx(0.25 * 400 / 9)
    assert "reduced" not in floor(9e9, RATES[:2]).as_dict(1.0)


def test_rates_are_measured() -> None:
    rates = matrix_rates((64,), 0.001)
    assert [(rate.library, rate.kind) for rate in rates] == [
        ("NumPy", "float32"),
        ("PyTorch", "float32"),
        ("PyTorch", "bfloat16"),
    ]
    assert all(rate.gigaflops > 0.01 and rate.threads >= 1 for rate in rates)


def trained(name: str, number: int, seconds: float, process: float, **figures: Any) -> Sample:
    known = {"seconds": seconds, "epochs": 1, "correct": 9900 + number, "count": 10_000, "versions": {}}
    return Sample(name, number, process, known | figures)


def training_rounds(**left_out: str) -> Rounds:
    samples = [trained("sprint", number, 2.0 + number, 4.0) for number in range(3)]
    samples += [Sample(train.RATES, 0, 1.0, {"rates": [asdict(rate) for rate in RATES]})]
    samples += [trained("one-epoch", number, 6.0, 8.0) for number in range(3) if "one-epoch" not in left_out]
    samples += [trained("keras", 0, 180.0, 200.0, epochs=7, passed=True)] if "keras" not in left_out else []
    return Rounds(tuple(samples), {name.replace("_", "-"): why for name, why in left_out.items()})


@pytest.mark.parametrize(
    ("settings", "images"),
    [
        ({"batch_size": 10, "iterations": 20}, 200),
        ({"batch_size": 128, "epochs": 3}, 1800),
        ({"batch_size": 8, "epochs": 4, "written": 100, "crowded": 50, "settling": 1, "finetuning": 2}, 4050),
    ],
)
def test_the_images_that_a_training_takes(
    settings: dict[str, int], images: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_exported(*_: Path) -> Path:
        raise ZeronineError("of no account here")

    monkeypatch.setattr("zeronine.train.export.export", not_exported)
    Run(tmp_path).write_config({"data": {"train": 600}, "settings": settings})
    assert train._work(Run(tmp_path), tmp_path)["images"] == images


WORK = {"operations_per_image": 2_000_000, "images": 60_000}


def test_training_is_compared() -> None:
    result = train.comparison(train.Plan(), training_rounds(), WORK, {"hardware": {}})
    assert [row[0] for row in result.rows] == ["sprint", "one-epoch", "keras"]
    assert result.rows[0][1:5] == ("99.01 ± 0.01, n 3", "1", "3.00 (2.00 to 4.00)", "")
    assert result.rows[1][4:] == ("0.50 (0.33 to 0.67)", "8.00 (8.00 to 8.00)", "0.50 (0.50 to 0.50)")
    assert result.rows[2][1:5] == ("99.00", "7", "180", "1/60")
    assert all(len(row) == len(result.columns) for row in result.rows)
    figures = json.loads(json.dumps(result.figures, allow_nan=False))
    assert figures["ratios"]["keras"]["training"] == {"of_medians": 3 / 180, "per_round": [2 / 180]}
    assert figures["results"]["sprint"]["accuracy"]["correct"] == [9900, 9901, 9902]
    assert figures["floor"]["seconds"] == pytest.approx(3 * 2e6 * 60_000 / 100e9)
    assert figures["floor"]["ours_over_floor"] == pytest.approx(3.0 / 3.6)
    assert "3 × 2.00 million operations × 60,000 images at 100 GFLOP/s" in result.notes[0]
    assert "bfloat16" in result.notes[1]
    assert figures["command"].startswith(
        "zeronine bench train sprint --data mnist --rounds 3 --keras-rounds 1 --seed 0"
    )


def test_training_without_a_peer_and_without_a_floor() -> None:
    rounds = training_rounds(keras="no network")
    result = train.comparison(train.Plan(), rounds, {"operations_per_image": 0, "images": 0}, {})
    assert result.rows[-1][:2] == ("keras", "left out")
    assert result.notes[:2] == ("keras is left out: no network", "the floor was not measured")
    assert result.figures["left_out"] == {"keras": "no network"}
    late = Rounds((*training_rounds().samples[:-1], trained("keras", 0, 9.0, 9.0, passed=False)), {})
    assert "did not pass 99 %" in train.comparison(train.Plan(), late, WORK, {}).notes[0]


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"keras_rounds": 0}, {"keras_engine": "jax"}])
def test_plans_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ZeronineError, match=r"--rounds|runs on"):
        train.Plan(**wrong)
    with pytest.raises(ZeronineError, match="--rounds"):
        predict.Plan(rounds=0)


def reading(name: str, number: int, measures: dict[str, dict[str, float]]) -> Sample:
    return Sample(name, number, 9.0, {"measures": measures, "versions": {}})


def reading_rounds() -> Rounds:
    ours = {
        "Reader.predict": {"milliseconds": 0.2},
        "Reader.probabilities": {"milliseconds": 0.1, "images_per_second": 20_000.0},
        "Reader.predict_many": {"images_per_second": 15_000.0},
    }
    keras = {"model.predict": {"milliseconds": 40.0, "images_per_second": 5_000.0}}
    samples = []
    for number in range(2):
        samples += [reading(predict.OURS, number, ours), Sample("zeronine start", number, 0.4 + 0.2 * number, {})]
        samples += [reading("keras", number, keras), Sample("keras start", number, 5.0, {})]
    return Rounds(
        (*samples, Sample(predict.RATES, 0, 1.0, {"rates": [asdict(rate) for rate in RATES]})), {"torch": "no"}
    )


def test_reading_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    result = predict.comparison(predict.Plan(), reading_rounds(), 10_000_000, {})
    assert all(len(row) == len(result.columns) for row in result.rows)
    assert [row[0] for row in result.rows] == [
        "zeronine: Reader.predict",
        "zeronine: Reader.probabilities",
        "zeronine: Reader.predict_many",
        "keras: model.predict",
        "torch",
    ]
    assert result.rows[3][2] == "1/200 (1/200 to 1/200)"
    assert result.rows[3][4] == "4.00 (4.00 to 4.00)"
    assert result.rows[3][6] == "0.10 (1/12 to 0.12)"
    figures = json.loads(json.dumps(result.figures, allow_nan=False))
    assert figures["floor"]["one"]["ours_over_floor"] == pytest.approx(0.2e-3 * 100e9 / 1e7)
    assert figures["floor"]["many"]["ours_over_floor"] == pytest.approx(100e9 / 1e7 / 20_000)
    assert figures["results"]["zeronine"]["process"]["median"] == pytest.approx(0.5)
    assert result.notes[0] == "torch is left out: no"
    assert result.notes[1].startswith("OMP_NUM_THREADS")
    assert "10.0 million operations an image" in result.notes[2]


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Environments that were made: empty but for an interpreter; nothing is installed into them."""
    folders: list[Path] = []

    def create(folder: Path, **_: Any) -> None:
        folders.append(folder)
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").symlink_to(sys.executable)
        (folder / "pyvenv.cfg").write_text("")

    monkeypatch.setattr(venv, "create", create)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)
    return folders


def test_the_environment_is_removed(created: list[Path]) -> None:
    with environment.peers_environment(None) as python:
        assert python.exists()
        assert python.parent.parent == created[0]
    assert not created[0].exists()


def test_the_environment_is_kept_where_asked(created: list[Path], tmp_path: Path) -> None:
    for _ in range(2):
        with environment.peers_environment(tmp_path / "kept") as python:
            assert python.exists()
    assert created == [tmp_path / "kept"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine")
    with pytest.raises(ZeronineError, match="choose another folder"), environment.peers_environment(tmp_path / "other"):
        pass
    assert (tmp_path / "other" / "letter.txt").exists()


def test_what_cannot_be_installed_is_one_error(created: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any, **__: Any) -> None:
        raise subprocess.CalledProcessError(1, "pip", stderr="WARNING: retrying\nERROR: No space left on device\n")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ZeronineError, match=r"No space left on device.*--peers none"):
        environment.peers_environment(None).__enter__()
    assert not created[0].exists()


def test_pins_are_the_tested_versions() -> None:
    tested = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [pin for pin in environment.PINS if pin not in tested] == []


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours and the peers replaced by lines of Python, and an environment that cannot be made."""
    trains = 'print(\'{"seconds": 2.0, "epochs": 1, "correct": 99, "count": 100}\')'
    calls = 'print(\'{"measures": {"Reader.predict": {"milliseconds": 1}, "Reader.probabilities": '
    calls += '{"images_per_second": 9}}, "versions": {}}\')'
    rates = fake(train.RATES, f"print('{json.dumps({'rates': [asdict(rate) for rate in RATES]})}')")
    reader = [fake(predict.OURS, calls, ours=True), fake("zeronine start", "print('{}')", ours=True), rates]

    def no_network(*_: Any) -> NoReturn:
        raise ZeronineError("the peers cannot be installed")

    monkeypatch.setattr(train, "_ours", lambda *_: [fake("sprint", trains, ours=True), rates])
    monkeypatch.setattr(train, "_peer", lambda name, *_: fake(name, trains))
    monkeypatch.setattr(train, "_work", lambda *_: WORK)
    monkeypatch.setattr(predict, "_ours", lambda *_: reader)
    monkeypatch.setattr(predict, "_torch", lambda *_: fake("torch", "sys.exit('no such network')"))
    for module in (train, predict):
        monkeypatch.setattr(module, "peers_environment", no_network)


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize("command", ["train", "predict"])
def test_the_commands_print_a_table_and_one_line_of_json(command: str) -> None:
    result = CliRunner().invoke(app, ["bench", command, "--data", "optdigits", "--rounds", "1"], catch_exceptions=False)
    *table, line = result.stdout.splitlines()
    figures = json.loads(line)
    assert figures["benchmark"] == command
    assert "the peers cannot be installed" in figures["left_out"]["keras"]
    assert any("left out" in row and row.split()[0] == "keras" for row in table)
    assert "round 1 of" in result.stderr
    assert figures["hardware"]["usable_cores"] >= 1
    alone = CliRunner().invoke(
        app, ["bench", command, "--data", "optdigits", "--rounds", "1", "--json"], catch_exceptions=False
    )
    assert json.loads(alone.stdout)["results"].keys() == figures["results"].keys()


def script(name: str, *arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """What a script of a peer prints, run in this process."""
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.fixture
def stored(tmp_path: Path) -> str:
    """A file of images as the scripts get it."""
    digits = data.load("optdigits")
    parts = {"train": digits.train.take(slice(300)), "test": digits.test.take(slice(100))}
    images = {f"x_{part}": digit_bytes(split) for part, split in parts.items()}
    np.savez(tmp_path / "data.npz", **images, **{f"y_{part}": split.labels for part, split in parts.items()})
    return str(tmp_path / "data.npz")


def test_the_one_epoch_peer(stored: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = script("one_epoch", "--data", stored, monkeypatch=monkeypatch, capsys=capsys)
    assert found["count"] == 100
    assert 0 <= found["correct"] <= 100
    assert 0 < found["seconds"] < 60


def test_the_keras_peer(
    stored: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    run = partial(script, "keras_convnet", monkeypatch=monkeypatch, capsys=capsys)
    found = run("train", "--engine", "torch", "--data", stored, "--until", "0.01", "--epochs", "3")
    assert (found["epochs"], found["passed"], found["count"]) == (1, True, 100)
    assert found["correct"] == found["correct_by_epoch"][-1]
    assert 0 < found["evaluations"] < 60
    found = run("train", "--engine", "torch", "--data", stored, "--until", "1.0", "--epochs", "2")
    assert (found["epochs"], found["passed"]) == (2, False)
    model = str(tmp_path / "convnet.keras")
    found = run("calls", "--engine", "torch", "--data", stored, "--model", model, "--calls", "2")
    assert found["measures"].keys() == {"model.predict", "model(x)"}
    assert Path(model).exists()


def test_ours_and_the_same_network_in_pytorch(
    stored: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = partial(script, monkeypatch=monkeypatch, capsys=capsys)
    found = run("reader_calls", "--data", stored, "--calls", "3")
    assert {name: set(figures) for name, figures in found["measures"].items()} == {
        "Reader.predict": {"milliseconds"},
        "Reader.probabilities": {"milliseconds", "images_per_second"},
        "Reader.predict_many": {"images_per_second"},
    }
    settings = asdict(RECIPES["standard"].settings)
    card = {"recipe": "standard", "settings": settings, "classes": list("0123456789")}
    (tmp_path / "card.json").write_text(json.dumps(card))
    found = run("torch_calls", "--data", stored, "--calls", "3", "--card", str(tmp_path / "card.json"))
    assert found["measures"]["network(x)"]["images_per_second"] > 0
