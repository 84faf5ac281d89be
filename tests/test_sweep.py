"""The search over settings: what is searched, by which images, and that processes, kills and budgets do not harm it."""

import csv
import json
import math
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from zeronine import data, report
from zeronine.cli import app
from zeronine.errors import DataError, RecipeError, ZeronineError
from zeronine.train import Run, names, trials
from zeronine.train.loop import train_recipe
from zeronine.train.recipes import RECIPES
from zeronine.train.space import Choice, Range, changes, search_space
from zeronine.train.sweep import Sweep, sweep
from zeronine.train.tutorials import TUTORIALS

TINY: dict[str, Any] = {"data": "optdigits", "settings": {"epochs": 2, "units": "8", "batch_size": 64}}
"""A training of a fifth of a second, on 8×8 pixels."""

NARROW = {"epochs": 2, "widths": "4,4,8", "batch_size": 128}
"""For one of ours: on 28×28 pixels."""


def numbers(found: Sweep) -> list[int]:
    return sorted(trial.number for trial in found.trials)


# ---- what is searched --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in names() if name not in ("page", "line")])
def test_every_recipe_has_something_to_search(name: str) -> None:
    space = search_space(name, None, {})
    assert {"learning_rate", "batch_size", "width"} <= space.keys()
    assert {"epochs", "iterations"} & space.keys()
    usual = (TUTORIALS.get(name) or RECIPES[name]).settings
    assert usual.learning_rate in space["learning_rate"]
    assert usual.batch_size in space["batch_size"]


def test_what_does_nothing_is_not_searched() -> None:
    assert "dropout" not in search_space("dense-512-256-128", None, {})
    assert "dropout" in search_space("dense-512-256-128", None, {"as_published": "false"})
    assert "batch_size" not in search_space("dense-25-15", None, {"batch_size": 64})
    assert not {"layers", "width"} & search_space("dense-25-15", None, {"units": "8"}).keys()


def test_what_is_searched_can_be_said() -> None:
    over = ["learning_rate,dropout=0..0.5", "activation=relu/gelu", "units", "batch_size=32..256"]
    space = search_space("dense-25-15", over, {})
    assert space["dropout"] == Range(0, 0.5)
    assert space["activation"] == Choice(("relu", "gelu"))
    assert space["layers"] == Range(1, 3, whole=True)
    assert space["batch_size"] == Range(32, 256, log=True, whole=True)
    assert list(space) == ["learning_rate", "dropout", "activation", "layers", "width", "batch_size"]


def test_a_recipe_names_what_else_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    class Searched:
        settings = TUTORIALS["conv-32-64"].settings
        search: Mapping[str, str] = {"patience": "2..6", "activation": ""}

    monkeypatch.setitem(TUTORIALS, "conv-32-64", Searched)  # type: ignore[misc]
    space = search_space("conv-32-64", None, {})
    assert space["patience"] == Range(2, 6, whole=True)
    assert "tanh" in space["activation"]


def test_layers_and_width_become_widths() -> None:
    settings = TUTORIALS["conv-32-64"].settings
    values = {"layers": 3, "width": 0.5, "learning_rate": 0.00123456}
    assert changes(values, settings) == {"filters": (16, 32, 32), "learning_rate": 0.001235}
    assert changes({"layers": 1}, settings) == {"filters": (32,)}


@pytest.mark.parametrize(
    ("recipe", "arguments", "says"),
    [
        ("nothing", {}, "there is no recipe"),
        ("dense-25-15", {"over": ["width_of_it"]}, "choose from activation, batch_size"),
        ("dense-25-15", {"over": [" "]}, "nothing to search"),
        ("dense-25-15", {"over": ["dropout=0..1.5"]}, "dropout is 1.5"),
        ("dense-25-15", {"over": ["dropout=much"]}, "dropout=LOW..HIGH"),
        ("dense-25-15", {"over": ["epochs=1.5..3"]}, "whole numbers"),
        ("dense-25-15", {"over": ["activation=relu/gelo"]}, "gelo"),
        ("dense-25-15", {"over": ["units=8..16"]}, "layers and width"),
        ("dense-25-15", {"over": ["layers=1..99"]}, "99"),
        ("dense-25-15", {"over": ["epochs"], "settings": {"epochs": 3}}, "both fixed and searched"),
        ("dense-25-15", {"settings": {"epoch": 3}}, "no setting 'epoch'"),
        ("dense-25-15", {"data": "nowhere"}, "nowhere"),
        ("dense-25-15", {"validation": 5000}, "5000 images"),
        ("dense-25-15", {"storage": "oracle of Delphi://x"}, "no address of a database"),
        ("dense-25-15", {"trials": 0}, "1 or more"),
        ("dense-512-256-128", {"over": ["dropout"]}, "as_published"),
        ("conv-32-64", {"validation": 100}, "sets 359 validation images apart itself"),
        ("conv-32-64", {"settings": {"filters": "4,4,4,4"}}, "does not fit"),
        ("standard", {"engine": "jax"}, "leave --engine out"),
        ("standard", {"settings": {"validation": 1437}}, "leave some to train on"),
    ],
)
def test_what_makes_no_sense(tmp_path: Path, recipe: str, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises((RecipeError, DataError, ZeronineError), match=says):
        sweep(recipe, **{"trials": 2, "data": "optdigits", "out": tmp_path / "s", **arguments})
    assert list(tmp_path.iterdir()) == []


# ---- which images ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "arguments", "count"),
    [
        ("dense-25-15", TINY, 239),
        ("dense-25-15", {**TINY, "settings": TINY["settings"] | {"holdout": 0}, "validation": 100}, 100),
        ("dense-512-256-128", {"settings": {"iterations": 20, "report_every": 5, "units": "8"}}, 119),
        ("conv-32-64", {"settings": {"epochs": 1, "filters": "2", "batch_size": 64}}, 359),
        ("sprint", {"settings": NARROW | {"validation": 150}, "digits": True}, 150),
    ],
)
def test_no_trial_sees_test_images_or_learns_from_those_it_is_measured_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str, arguments: dict[str, Any], count: int
) -> None:
    loaded, measured = [], []
    load, train = data.load, trials._train

    def only_training(*names: str, **options: Any) -> data.Dataset:
        assert options["split"] == "train"
        loaded.append(load(*names, **options))
        return loaded[-1]

    def watched(plan: Any, dataset: data.Dataset, settings: Any, out: Path, progress: Any) -> Run:
        run = train(plan, dataset, settings, out, progress)
        learned = run.config["data"]["train"]
        measured.append((run.predictions[1], dataset, learned))
        assert all("val_accuracy" in row for row in run.history)
        return run

    monkeypatch.setattr(trials.datasets, "load", only_training)
    monkeypatch.setattr(trials, "_train", watched)
    options = {"data": "optdigits", "over": ["learning_rate"]} | arguments
    found = sweep(recipe, trials=1, out=tmp_path / "s", **options)
    (labels, dataset, learned), whole = measured[0], loaded[0]
    assert len(whole.test) == 0
    assert found.images == len(dataset.test) == len(labels) == count
    assert learned == 1437 - count
    chosen_by = {image.tobytes() for image in dataset.test.images}
    assert chosen_by <= {image.tobytes() for image in whole.train.images}


def test_images_held_out_for_the_end_are_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[data.Dataset] = []
    train = trials._train
    monkeypatch.setattr(
        trials, "_train", lambda plan, dataset, *rest: (seen.append(dataset), train(plan, dataset, *rest))[1]
    )
    settings = TINY["settings"] | {"holdout": 400}
    found = sweep("dense-25-15", trials=1, out=tmp_path / "s", data="optdigits", over=["dropout"], settings=settings)
    whole = data.load("optdigits", split="train")
    kept = {image.tobytes() for image in whole.holdout(400, seed=0)[1].images}
    used = {image.tobytes() for part in (seen[0].train, seen[0].test) for image in part.images}
    assert not kept & used
    assert found.images == 1037 // 6
    assert "--set holdout=400" in found.command


def test_a_teacher_must_not_know_the_answers(tmp_path: Path) -> None:
    run = Run(tmp_path / "teacher")
    run.begin({"settings": {"validation": 100}})
    trials._unseen_by_teacher(str(run.folder), 100)
    with pytest.raises(RecipeError, match="--set validation=200"):
        trials._unseen_by_teacher(str(run.folder), 200)


# ---- trials ------------------------------------------------------------------------------------------------


def test_a_trial_is_a_training_of_the_recipe(tmp_path: Path) -> None:
    settings = NARROW | {"validation": 200}
    found = sweep("sprint", trials=2, data="optdigits", digits=True, out=tmp_path / "s", seed=3, settings=settings)
    assert found.own == 0
    assert found.trials[0].parameters > 500
    assert "validation" not in found.command
    trial = found.finished[-1]
    whole = data.load("optdigits", digits=True, split="train")
    material = data.Dataset("optdigits", whole.train, whole.holdout(200, seed=0)[1], whole.classes)
    run = train_recipe("sprint", material, out=tmp_path / "run", seed=3, settings=settings | dict(trial.settings))
    assert run.accuracy == trial.accuracy
    assert run.history[-1]["val_accuracy"] == trial.accuracy


def test_it_goes_on_and_counts_all_trials(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    first = sweep("dense-25-15", trials=2, out=tmp_path / "s", **TINY)
    assert numbers(first) == [0, 1]
    assert first.own == 0
    second = sweep(
        "dense-25-15",
        trials=4,
        out=tmp_path / "s",
        **TINY,
        progress=lambda done, total, _: seen.append((done, total)),
    )
    assert seen == [(2, 4), (3, 4), (4, 4)]
    assert numbers(second) == [0, 1, 2, 3]
    assert {trial.number: trial for trial in first.trials}.items() <= {t.number: t for t in second.trials}.items()
    assert sweep("dense-25-15", trials=3, out=tmp_path / "s", **TINY).trials == second.trials
    once = sweep("dense-25-15", trials=4, out=tmp_path / "once", **TINY)
    assert [trial.settings for trial in once.trials] == [trial.settings for trial in second.trials]
    assert [trial.accuracy for trial in once.trials] == [trial.accuracy for trial in second.trials]
    with pytest.raises(RecipeError, match=r"another sweep named s \(seed 0, now 1\)"):
        sweep("dense-25-15", trials=4, out=tmp_path / "s", seed=1, **TINY)
    with pytest.raises(RecipeError, match=r"search of dropout 0\.\.0\.7, now not there"):
        sweep("dense-25-15", trials=4, out=tmp_path / "s", over=["learning_rate"], **TINY)


def test_bad_trials_are_ended_early(tmp_path: Path) -> None:
    settings = {"epochs": 4, "units": "16", "batch_size": 64}
    over = ["learning_rate=1e-6..1e-2"]
    found = sweep("dense-25-15", trials=10, data="optdigits", out=tmp_path / "s", settings=settings, over=over)
    pruned = [trial for trial in found.trials if trial.state == "pruned"]
    assert pruned
    assert all(3 <= trial.tenths < 10 and trial.accuracy < found.finished[0].accuracy for trial in pruned)
    assert max(trial.settings["learning_rate"] for trial in pruned) < found.finished[0].settings["learning_rate"]


def test_epochs_are_compared_at_the_same_tenth_of_the_training(tmp_path: Path) -> None:
    class Told:
        def __init__(self) -> None:
            self.values: dict[int, float] = {}

        def report(self, value: float, step: int) -> None:
            self.values[step] = value

        def should_prune(self) -> bool:
            return False

    trial, run = Told(), Run(tmp_path)
    reports = trials._Reports(trial, run, lambda: False)  # type: ignore[arg-type]
    for epoch in range(3):  # of four, with 5 steps each
        run.write_history([{"epoch": row + 1, "val_accuracy": row / 10} for row in range(epoch + 1)])
        reports(5 * (epoch + 1) + 1, 20, {})
        reports(5 * (epoch + 1) + 2, 20, {})
    assert trial.values == {3: 0.0, 4: 0.0, 5: 0.1, 6: 0.1, 7: 0.1}  # 7.5 tenths are over
    again = Told()  # as after a kill: everything is told at the first step
    trials._Reports(again, run, lambda: False)(16, 20, {})  # type: ignore[arg-type]
    assert again.values == trial.values


def test_what_does_not_fit_is_refused_and_the_search_goes_on(tmp_path: Path) -> None:
    settings = {"epochs": 1, "filters": "2", "batch_size": 64}
    over = ["layers=1/2"]  # a second pool does not fit 8×8 pixels
    found = sweep("conv-32-64", trials=6, data="optdigits", out=tmp_path / "s", settings=settings, over=over)
    refused = [trial for trial in found.trials if trial.state == "refused"]
    assert refused
    assert all("does not fit" in trial.reason and trial.values["layers"] == 2 for trial in refused)
    assert found.finished


def test_when_the_time_is_up_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, began = trials._train, []
    clock, late = time.time, 0

    def slow(plan: Any, dataset: Any, settings: Any, out: Path, progress: Any) -> Run:
        began.append([out, (out / "checkpoint").exists()])

        def wait(done: int, total: int, figures: Any) -> None:
            nonlocal late
            if len(began) == 1 and (out / "checkpoint").exists():
                late = 600  # so that the time is up before the end, and after a whole epoch
            progress(done, total, figures)

        return train(plan, dataset, settings, out, wait)

    monkeypatch.setattr(trials, "_train", slow)
    monkeypatch.setattr(time, "time", lambda: clock() + late)
    settings = TINY["settings"] | {"epochs": 4}
    options: dict[str, Any] = {"data": "optdigits", "settings": settings, "out": tmp_path / "s"}
    found = sweep("dense-25-15", trials=2, minutes=10, **options)
    assert found.unfinished
    assert (tmp_path / "s" / "results.json").exists()
    found = sweep("dense-25-15", trials=2, **options)
    assert found.unfinished == 0
    assert len(found.trials) == 2
    assert began[1] == [began[0][0], True]  # the same folder, from its checkpoint
    assert not (tmp_path / "s" / "trials").exists()


def test_ctrl_c_leaves_a_sweep_that_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(trials, "_train", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            sweep("dense-25-15", trials=1, out=tmp_path / "s", **TINY)
    found = sweep("dense-25-15", trials=1, out=tmp_path / "s", **TINY)
    assert found.own == found.trials[0].number == 1
    assert found.unfinished == 0


# ---- several processes -------------------------------------------------------------------------------------

LONG: dict[str, Any] = {"settings": {"epochs": 12, "widths": "4,4,8", "batch_size": 16}, "over": ["learning_rate"]}
"""A training of about a second, by PyTorch alone: Keras takes longer to be imported."""


@pytest.fixture
def pictures(tmp_path: Path) -> str:
    """A file of 480 digits of 28×28 pixels, for processes that are quick to begin."""
    small = data.load("optdigits", split="train").train
    images = np.kron(small.images[:480], np.ones((3, 3), np.uint8))
    np.savez(tmp_path / "digits.npz", x=np.pad(images, ((0, 0), (2, 2), (2, 2))), y=small.labels[:480])
    return str(tmp_path / "digits.npz")


def started(**options: Any) -> "subprocess.Popen[bytes]":
    """Another process that sweeps."""
    code = f"from zeronine.train.sweep import sweep; sweep('sprint', **{options!r})"
    return subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONWARNINGS": "default"})


def test_processes_share_a_storage_and_a_killed_one_is_made_up_for(tmp_path: Path, pictures: str) -> None:
    options = {**LONG, "data": pictures, "trials": 4, "out": str(tmp_path / "s"), "heartbeat": 1}
    other = started(**options)

    def in_the_middle() -> None:
        """Wait until the other one is at work."""
        deadline = time.monotonic() + 300
        while not list(tmp_path.glob("s/trials/*/history.csv")) and time.monotonic() < deadline:
            time.sleep(0.02)

    def kill(done: int, total: int, figures: Mapping[str, float]) -> None:
        """Kill it there, after a trial of this one."""
        if done and other.poll() is None:
            in_the_middle()
            other.kill()

    in_the_middle()
    found = sweep("sprint", **options, progress=kill)
    assert other.wait(300) != 0
    assert len(found.trials) == 4
    assert found.unfinished == 0
    assert found.own is not None
    assert json.loads((tmp_path / "s" / "results.json").read_text())["unfinished"] == 0
    assert not (tmp_path / "s" / "trials").exists()


def test_jobs_go_on_without_one_that_is_killed(tmp_path: Path, pictures: str) -> None:
    killed: list[int] = []

    def kill(done: int, total: int, figures: Mapping[str, float]) -> None:
        if not killed and list(tmp_path.glob("s/trials/*/history.csv")):
            child = multiprocessing.active_children()[0]
            killed.append(child.pid or 0)
            child.kill()

    found = sweep("sprint", trials=4, jobs=2, out=tmp_path / "s", data=pictures, heartbeat=1, **LONG, progress=kill)
    assert killed
    assert len(found.trials) == 4
    assert found.unfinished == 0
    assert multiprocessing.active_children() == []


def test_what_a_process_refuses_is_said_by_the_first_one() -> None:
    ours, theirs = multiprocessing.Pipe()
    theirs.send("leave validation out")
    with pytest.raises(ZeronineError, match="leave validation out"):
        trials._raise_what_it_says(ours)
    theirs.close()
    trials._raise_what_it_says(ours)  # one that has nothing to say
    ours.close()


# ---- storage -----------------------------------------------------------------------------------------------


def test_a_storage_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "diary.db").write_text("dear diary, " * 100)
    with pytest.raises(ZeronineError, match="not a database"):
        sweep("dense-25-15", trials=1, out=tmp_path / "s", storage=str(tmp_path / "diary.db"), **TINY)
    (tmp_path / "file").write_text("")
    with pytest.raises((ZeronineError, OSError)):
        sweep("dense-25-15", trials=1, out=tmp_path / "s", storage=str(tmp_path / "file" / "x.db"), **TINY)


def test_a_study_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    import optuna

    study = optuna.create_study(storage=f"sqlite:///{tmp_path}/s.db", study_name="s")
    study.add_trial(optuna.create_trial(value=1))
    with pytest.raises(RecipeError, match="another sweep named s"):
        sweep("dense-25-15", trials=1, out=tmp_path / "s", **TINY)
    study._storage.remove_session()


@pytest.mark.skipif(find_spec("psycopg") is not None, reason="psycopg is installed")
def test_postgresql_without_its_driver_names_it(tmp_path: Path) -> None:
    with pytest.raises(ZeronineError, match=r"pip install 'psycopg\[binary\]'"):
        sweep("dense-25-15", trials=1, out=tmp_path / "s", storage="postgresql://me:secret@localhost/x", **TINY)


@pytest.mark.skipif(find_spec("psycopg") is None, reason="psycopg is not installed")
def test_a_server_that_is_not_there_is_one_line_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(ZeronineError, match="does not answer") as refused:
        sweep("dense-25-15", trials=1, out=tmp_path / "s", storage="postgresql://me:secret@localhost:1/x", **TINY)
    assert "secret" not in str(refused.value)


@pytest.mark.skipif("ZERONINE_TEST_POSTGRES" not in os.environ, reason="needs a server: set ZERONINE_TEST_POSTGRES")
def test_processes_share_a_postgresql_server(tmp_path: Path, pictures: str) -> None:
    name = f"s{time.time_ns()}"
    options = {**LONG, "data": pictures, "trials": 8, "heartbeat": 1, "storage": os.environ["ZERONINE_TEST_POSTGRES"]}
    others = [started(**options, out=str(tmp_path / str(number) / name)) for number in range(2)]
    while not list(tmp_path.glob("0/*/trials/*/history.csv")):
        time.sleep(0.02)
    others[0].kill()
    found = sweep("sprint", **options, out=tmp_path / "here" / name)
    assert [other.wait(300) for other in others][1] == 0
    assert len(found.trials) == 8


# ---- what people get ---------------------------------------------------------------------------------------


def test_the_command_prints_a_table_and_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "DOTS", 50)
    folder = tmp_path / "s"
    settings = [part for name, value in TINY["settings"].items() for part in ("--set", f"{name}={value}")]
    given = ["sweep", "dense-25-15", "--data", "optdigits", "--over", "learning_rate=1e-4..1e-2,dropout", *settings]
    result = CliRunner().invoke(app, [*given, "-n", "13", "--out", str(folder)], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.exception
    text = " ".join(result.stdout.split())
    assert "13 trials of dense-25-15" in text
    assert "(recipe)" in text
    assert "best: zeronine train dense-25-15 --data optdigits --set epochs=2 --set units=8" in text
    assert "--set learning_rate=" in text
    assert "what matters: " in text or "too few trials" in text
    assert "Trial" not in result.stderr
    assert sorted(path.name for path in (folder / "plots").iterdir()) == [
        "history.png",
        "importance.png",
        "settings.png",
    ]
    with (folder / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 13
    assert {"number", "state", "accuracy", "seconds", "learning_rate", "dropout"} <= rows[0].keys()
    assert float(rows[0]["accuracy"]) == max(float(row["accuracy"]) for row in rows if row["state"] == "finished")
    again = CliRunner().invoke(app, [*given, "-n", "5", "--out", str(folder)], env={"COLUMNS": "200"})
    assert "13 trials of dense-25-15" in again.stdout
    command = text.partition("best: zeronine ")[2].partition(" all trials")[0].split()
    run = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "run")])
    assert run.exit_code == 0, run.exception


def test_a_sweep_without_a_finished_trial_says_so(tmp_path: Path) -> None:
    given = ["sweep", "dense-25-15", "--data", "optdigits", "-n", "3", "--minutes", "0", "--out", str(tmp_path / "s")]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.exception
    assert "3 trials are left: the same command goes on" in result.stdout
    assert not (tmp_path / "s" / "plots").exists()


def test_the_pictures_need_a_sweep(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no results of a sweep"):
        report.draw_sweep(tmp_path)


def test_importances_and_errors_of_perfect_and_equal_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "DOTS", 50)
    trial = {"state": "finished", "accuracy": 1.0, "values": {"dropout": 0.5, "activation": "relu"}}
    content = {
        "recipe": "dense-25-15",
        "images": 100,
        "trials": [trial | {"number": number} for number in range(2)],
        "own": 0,
        "space": {
            "dropout": {"low": 0, "high": 0.7, "log": False, "whole": False},
            "activation": {"examples": ["relu", "gelu"]},
        },
        "importances": {},
        "no_importances": "all trials are equally accurate: no setting matters",
    }
    (tmp_path / "results.json").write_text(json.dumps(content))
    assert [path.name for path in report.draw_sweep(tmp_path)] == ["history.png", "settings.png", "importance.png"]


def test_how_sure_an_accuracy_is() -> None:
    def found(accuracy: float) -> Sweep:
        trial = trials_of(accuracy)
        return Sweep(Path(), "x", "", 400, (trial,), None, {}, {}, "", "", 0)

    assert found(0.9).standard_error == pytest.approx(0.015)
    assert found(1.0).standard_error > 0


def trials_of(accuracy: float) -> Any:
    from zeronine.train.sweep import Trial

    return Trial(0, "finished", accuracy, math.nan, 1.0, 1, 10, {}, {}, "")


def test_numbers_are_drawn_by_the_trial_not_by_the_process() -> None:
    import optuna

    from zeronine.train.study import _Sampler

    drawn = []
    for _ in range(2):
        study = optuna.create_study(sampler=_Sampler(5))
        drawn.append([study.ask({"x": optuna.distributions.FloatDistribution(0, 1)}).params["x"] for _ in range(3)])
    assert drawn[0] == drawn[1]
    assert len(np.unique(drawn[0])) == 3
