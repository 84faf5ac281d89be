"""Our training loop: it learns, goes on after a kill as if nothing had been, and runs in several processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zeronine import data
from zeronine.errors import RecipeError
from zeronine.train import Run, augment, describe, glyphs, pens, predicted_split, synthesis, train
from zeronine.train.augment import Augmentation
from zeronine.train.loop import finetune, train_recipe
from zeronine.train.networks import pooled, strided
from zeronine.train.recipes import RECIPES

QUICK = {
    "epochs": 3,
    "widths": "4,8,8,8",
    "pools": "1,2",
    "batch_size": 64,
    "written": 30,
    "crowded": 30,
    "refused": 60,
    "finetuning": 1,
}
PLAIN = QUICK | {"written": 0, "crowded": 0, "refused": 0, "finetuning": 0}


class Killed(Exception):
    pass


def same(first: Run, second: Run) -> bool:
    """Whether two runs ended alike, bit by bit."""
    weights = [torch.load(run.folder / "model.pt", weights_only=True) for run in (first, second)]
    figures = [[{**row, "seconds": 0} for row in run.history] for run in (first, second)]
    return (
        all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
        and np.array_equal(first.predictions[0], second.predictions[0])
        and figures[0] == figures[1]
    )


@pytest.mark.parametrize(("name", "most"), [("sprint", 250_000), ("tiny", 9_000), ("standard", 200_000)])
def test_a_network_is_as_small_as_its_recipe_says(name: str, most: int) -> None:
    rows = describe(name).layers
    assert sum(row[2] for row in rows) <= most


def test_finetuning_goes_half_of_the_way(digits: data.Dataset) -> None:
    torch.manual_seed(0)
    network = pooled((4, 8, 8), (1, 2), 10)
    before = {name: weights.clone() for name, weights in network.state_dict().items()}
    settings = replace(RECIPES["standard"].settings, batch_size=64, finetuning=1, averaging=0.0)
    after = finetune(network, digits.train, settings, seed=3).state_dict()
    assert all(torch.equal(network.state_dict()[name], before[name]) for name in before)
    steps = len(digits.train) // 64
    tracked = after["features.0.1.running_mean"] - before["features.0.1.running_mean"]
    assert tracked.abs().max() > 0
    assert int(after["features.0.1.num_batches_tracked"]) == steps
    moved = (after["answer.weight"] - before["answer.weight"]).abs().max()
    assert 0 < moved <= 0.5 * 1e-3 * steps * 1.1  # AdamW moves a weight by at most its rate, and half is taken back


def test_networks_answer_for_every_class() -> None:
    images = torch.rand(3, 1, 28, 28)
    assert pooled((4, 8, 8), (1, 2), 10)(images).shape == (3, 10)
    assert pooled((4, 8, 8), (1, 2), 10, doubt=True)(images).shape == (3, 11)
    assert strided((4, 8, 16), (), 10)(images).shape == (3, 10)


def test_doubt_takes_its_share_and_leaves_the_classes_as_they_were() -> None:
    network = pooled((4, 8, 8), (1, 2), 10, doubt=True).eval()
    images = torch.rand(3, 1, 28, 28)
    eleven = network(images).softmax(1)
    early, late = network.seen(images)
    assert network.doubt is not None
    assert torch.allclose(eleven[:, 10:], network.doubt(early, late).sigmoid(), atol=1e-6)
    network.doubt = None
    ten = network(images).softmax(1)
    assert torch.allclose(eleven[:, :10] / eleven[:, :10].sum(1, keepdim=True), ten, atol=1e-6)


def test_other_classes_than_digits_are_learned_without_drawn_ones(digits: data.Dataset, tmp_path: Path) -> None:
    names = tuple("abcdefghij")
    letters = data.Dataset("letters", digits.train, digits.test, names)
    run = train_recipe("standard", letters, out=tmp_path / "run", settings=QUICK | {"epochs": 1})
    assert run.config["settings"]["written"] == run.config["settings"]["refused"] == 0


def test_an_ensemble_is_the_mean_of_its_members(digits: data.Dataset, tmp_path: Path) -> None:
    settings = QUICK | {"epochs": 1, "members": 2}
    run = train_recipe("record", digits, out=tmp_path / "run", settings=settings, seed=3)
    members = [Run(tmp_path / "run" / "members" / str(number)) for number in range(2)]
    assert [member.config["seed"] for member in members] == [3, 4]
    assert {member.config["recipe"] for member in members} == {"standard"}
    mean = np.mean([member.predictions[0] for member in members], axis=0)
    assert np.allclose(run.predictions[0], mean, atol=1e-5)
    alone = train_recipe("standard", digits, out=tmp_path / "alone", settings=QUICK | {"epochs": 1}, seed=4)
    assert np.array_equal(alone.predictions[0], members[1].predictions[0])


@pytest.mark.parametrize(
    ("recipe", "settings", "words"),
    [
        ("standard", {"members": 2}, "members is 2"),
        ("record", {"members": 1}, "members is 1"),
        ("tiny", {"refused": 200, "pools": (1,)}, "two pools"),
        ("sprint", {"refused": 200}, "no branch"),
        ("sprint", {"widths": (16,)}, "widths"),
    ],
)
def test_what_no_network_can_be_made_of_is_told_before_training(
    recipe: str, settings: dict[str, Any], words: str, digits: data.Dataset, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=words):
        train_recipe(recipe, digits, out=tmp_path / "run", settings=settings)
    assert not (tmp_path / "run").exists()


def test_another_runs_folder_is_refused_before_an_ensembles_members_are_trained(
    digits: data.Dataset, tmp_path: Path
) -> None:
    train_recipe("tiny", digits, out=tmp_path / "run", settings=QUICK | {"epochs": 1})
    with pytest.raises(RecipeError, match="another run"):
        train_recipe("record", digits, out=tmp_path / "run", settings=QUICK | {"epochs": 1, "members": 2})
    assert not (tmp_path / "run" / "members").exists()


def test_a_kill_between_checkpoint_and_history_loses_no_row(
    digits: data.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Run.write_history

    def killed(run: Run, rows: list[dict[str, float]]) -> None:
        if len(rows) == 2:
            raise KeyboardInterrupt
        write(run, rows)

    settings = QUICK | {"epochs": 2}
    with monkeypatch.context() as patched:
        patched.setattr(Run, "write_history", killed)
        with pytest.raises(KeyboardInterrupt):
            train_recipe("tiny", digits, out=tmp_path / "run", settings=settings)
    assert len(train_recipe("tiny", digits, out=tmp_path / "run", settings=settings).history) == 2


def test_a_network_learns_from_a_teacher(digits: data.Dataset, tmp_path: Path) -> None:
    settings = PLAIN | {"epochs": 6, "widths": "8,16,16,32"}
    teacher = train_recipe("standard", digits, out=tmp_path / "teacher", settings=settings)
    settings |= {"teacher": str(teacher.folder)}
    pupil = train_recipe("standard", digits, out=tmp_path / "pupil", settings=settings, seed=1)
    assert pupil.accuracy > 0.8 * teacher.accuracy > 0.4
    with pytest.raises(RecipeError, match="teacher"):
        train_recipe("standard", digits, out=tmp_path / "lost", settings=QUICK | {"teacher": "nowhere"})


def test_what_is_made_depends_on_its_seed_alone(digits: data.Dataset) -> None:
    pixels = np.rint(digits.train.shaped((28, 28)) * 255).astype(np.uint8)
    for make in (
        lambda seed: synthesis.written(20, seed),
        lambda seed: synthesis.crowded(pixels, digits.train.labels, 20, seed),
        lambda seed: (synthesis.refused(pixels, digits.train.labels, 40, seed), np.zeros(40)),
    ):
        images, labels = make(1)
        assert images.shape == (len(labels), 28, 28)
        assert images.dtype == np.uint8
        assert (images.reshape(len(images), -1).max(axis=1) > 0).all()
        assert np.array_equal(images, make(1)[0])
        assert not np.array_equal(images, make(2)[0])


def test_a_pointed_nib_draws_thick_downwards_and_a_broad_one_across_its_edge() -> None:
    down, across = np.array([[0.5, 0.0], [0.5, 1.0]]), np.array([[0.0, 0.5], [1.0, 0.5]])
    assert synthesis._lightness(down, None) == pytest.approx(0)
    assert synthesis._lightness(down[::-1], None) == synthesis._lightness(across, None) == pytest.approx(1)
    assert synthesis._lightness(across, 0.0) == pytest.approx(1)
    assert synthesis._lightness(across, np.pi / 2) == synthesis._lightness(down, 0.0) == pytest.approx(0)


def test_a_thin_step_leaves_a_thick_one_that_it_crosses_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "NIBS", 1.0)
    down, across = np.array([[0.5, 0.0], [0.5, 1.0]]), np.array([[0.0, 0.5], [1.0, 0.5]])
    for seed in range(20):
        alone, crossed = (synthesis._drawn(lines, np.random.default_rng(seed)) for lines in ([down], [down, across]))
        assert (crossed >= alone).all()


def test_half_of_what_stands_on_a_form_is_aslant(monkeypatch: pytest.MonkeyPatch) -> None:
    digits, labels = synthesis.written(100, 1)

    def slant() -> float:
        made, _ = synthesis.crowded(digits, labels, 60, 2)
        rows, columns = np.mgrid[:28, :28] - 13.5
        return float(-(made * rows * columns).sum() / made.sum())  # of the ink, to the right

    mixed = slant()
    monkeypatch.setattr(synthesis, "SLANTED", 0.0)
    upright = slant()
    monkeypatch.setattr(synthesis, "SLANTED", 1.0)
    assert upright < mixed < slant()


def test_half_of_the_digits_that_are_drawn_are_other_peoples() -> None:
    forms = [synthesis.form_of(7, np.random.default_rng(seed)) for seed in range(200)]
    followed = sum(any(form[0][0] is way[0] for way in pens.pens()[7]) for form in forms)
    assert 70 < followed < 110


def test_it_learns(digits: data.Dataset, tmp_path: Path) -> None:
    settings = PLAIN | {"epochs": 6, "widths": "16,32,32,64"}
    run = train_recipe("standard", digits, out=tmp_path / "run", settings=settings)
    assert run.accuracy > 0.9
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4, 5, 6]
    assert run.history[-1]["loss"] < run.history[0]["loss"]
    assert run.config["predictions_of"] == "test"
    assert run.config["seconds"] > 0
    assert not (run.folder / "checkpoint").exists()


def test_the_same_seed_gives_the_same_run(digits: data.Dataset, tmp_path: Path) -> None:
    runs = [train_recipe("standard", digits, out=tmp_path / str(i), settings=QUICK, seed=5) for i in range(2)]
    assert same(*runs)
    other = train_recipe("standard", digits, out=tmp_path / "other", settings=QUICK, seed=6)
    assert not same(runs[0], other)


@pytest.fixture(scope="module")
def whole(digits: data.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nothing broke off."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    return train_recipe("standard", digits, out=folder, settings=QUICK | {"validation": 100})


@pytest.mark.parametrize("step", [1, 21, 22, 23, 60])
def test_a_run_that_broke_off_ends_as_one_that_did_not(
    digits: data.Dataset, tmp_path: Path, whole: Run, step: int
) -> None:
    def kill(done: int, total: int, figures: object) -> None:
        if done >= step:
            raise Killed

    with pytest.raises(Killed):
        train_recipe("standard", digits, out=tmp_path / "broken", settings=QUICK | {"validation": 100}, progress=kill)
    broken = Run(tmp_path / "broken")
    assert not broken.finished
    train_recipe("standard", digits, out=tmp_path / "broken", settings=QUICK | {"validation": 100})
    assert same(whole, broken)
    assert "val_accuracy" in broken.history[0]


def test_a_killed_process_leaves_a_run_that_can_go_on(digits_file: str, tmp_path: Path) -> None:
    code = (
        "from zeronine.train import train\n"
        f"train('standard', data={digits_file!r}, out={str(tmp_path / 'killed')!r}, settings={QUICK!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 60
    while not (tmp_path / "killed" / "checkpoint" / "state.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed = train("standard", data=digits_file, out=tmp_path / "killed", settings=QUICK)
    whole = train("standard", data=digits_file, out=tmp_path / "whole", settings=QUICK)
    assert same(whole, killed)
    assert [path.name for path in killed.folder.glob(".*")] == []


def test_a_finished_run_is_not_trained_again(digits: data.Dataset, tmp_path: Path) -> None:
    run = train_recipe("standard", digits, out=tmp_path / "run", settings=QUICK)
    before = (run.folder / "model.pt").stat().st_mtime_ns
    train_recipe("standard", digits, out=tmp_path / "run", settings=QUICK)
    assert (run.folder / "model.pt").stat().st_mtime_ns == before


def test_a_training_that_fails_before_it_learns_blocks_no_other(digits: data.Dataset, tmp_path: Path) -> None:
    def fail(done: int, total: int, figures: object) -> None:
        raise Killed

    (tmp_path / "own").mkdir()
    (tmp_path / "own" / ".keep").touch()
    for name in ("run", "own"):
        with pytest.raises(Killed):
            train_recipe("standard", digits, out=tmp_path / name, settings=QUICK, progress=fail)
    with pytest.raises(Killed):
        train_recipe("record", digits, out=tmp_path / "both", settings=QUICK | {"members": 2}, progress=fail)
    assert [path.name for path in tmp_path.rglob("*")] == ["own", ".keep"]


def test_a_seed_that_is_out_of_range_is_refused(digits: data.Dataset, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="seed is 99999999999999999999: it must be 0 to 9223372036854775807"):
        train_recipe("standard", digits, out=tmp_path / "run", settings=QUICK, seed=99999999999999999999)
    assert not (tmp_path / "run").exists()


def test_a_run_leaves_the_files_of_a_process_that_still_runs(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    parent, dead = os.getppid(), gone.pid
    left = [f".{parent}.state.part.pt", f".{parent}-0a1b.best-3.weights.part.h5", f".state.{parent}.0a1b.part.pt"]
    swept = [f".{dead}.state.part.pt", f".{dead}-{parent}f.state.part.pt", f".{os.getpid()}.state.part.pt"]
    for name in (*left, *swept):
        (tmp_path / name).touch()
    Run(tmp_path).begin({})
    assert sorted(path.name for path in tmp_path.glob(".*")) == sorted(left)


def test_another_run_is_not_overwritten(digits: data.Dataset, tmp_path: Path) -> None:
    train_recipe("standard", digits, out=tmp_path / "run", settings=QUICK)
    with pytest.raises(RecipeError, match="seed"):
        train_recipe("standard", digits, out=tmp_path / "run", settings=QUICK, seed=1)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "diary.txt").write_text("mine")
    with pytest.raises(RecipeError, match="holds no run"):
        train_recipe("standard", digits, out=tmp_path / "letters", settings=QUICK)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"epoch": 3}, "epochs"),
        ({"epochs": "many"}, "whole number"),
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 5000}, "batch_size"),
        ({"validation": 2000}, "validation"),
        ({"learning_rate": -1}, "learning_rate"),
        ({"widths": "8,0"}, "widths"),
        ({"widths": "8,8"}, "pools"),
        ({"averaging": 1.5}, "averaging"),
        ({"elastic": -1}, "elastic"),
    ],
)
def test_settings_that_make_no_sense(
    digits: data.Dataset, tmp_path: Path, settings: dict[str, object], says: str
) -> None:
    with pytest.raises(RecipeError, match=says):
        train_recipe("standard", digits, out=tmp_path / "run", settings=settings)
    assert not (tmp_path / "run").exists()


def test_data_without_a_test_part_is_measured_on_what_was_learned(digits: data.Dataset, tmp_path: Path) -> None:
    alone = data.Dataset("optdigits", digits.train, digits.train.take(slice(0)), digits.classes)
    run = train_recipe("standard", alone, out=tmp_path / "run", settings=QUICK | {"epochs": 1})
    assert run.config["predictions_of"] == "train"
    assert len(run.predictions[1]) == len(digits.train)


def test_the_predicted_images_are_found_again(digits: data.Dataset, tmp_path: Path) -> None:
    run = train("standard", data="optdigits", digits=True, out=tmp_path / "run", settings=QUICK | {"epochs": 1})
    assert np.array_equal(predicted_split(run).images, digits.test.images)


def test_two_processes_learn_as_one_network(digits_file: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    settings = [part for name, value in QUICK.items() for part in ("--set", f"{name}={value}")]
    arguments = ["train", "standard", "--data", digits_file, "--out", str(tmp_path / "run"), *settings]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    arguments = [*command, "-m", "zeronine", *arguments]
    told = subprocess.run(arguments, check=True, env=environment, capture_output=True, text=True).stdout
    assert told.count("test accuracy") == 1
    run = Run(tmp_path / "run")
    assert run.config["processes"] == 2
    assert run.accuracy > 0.25
    assert json.loads((run.folder / "config.json").read_text())["seconds"] > 0


def test_augmentation_is_its_generators_alone() -> None:
    bend = Augmentation(rotation=12, scale=0.12, shear=0.2, shift=2.5, elastic=0.6, stroke=0.5)
    images = torch.rand(4, 1, 28, 28)
    first, second = (bend(images, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, bend(images, torch.Generator().manual_seed(4)))
    assert first.min() >= 0
    assert first.max() <= 1


def test_no_augmentation_leaves_images_alone() -> None:
    images = torch.rand(4, 1, 28, 28)
    still = Augmentation(rotation=0, scale=0, shear=0, shift=0, elastic=0, stroke=0)
    assert torch.allclose(still(images, torch.Generator()), images, atol=1e-5)


@pytest.mark.parametrize(("count", "share"), [(128, 0.2), (128, 0.15), (64, 0.4), (8, 0.5)])
def test_every_kind_of_damage_is_done(count: int, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[int, int]] = []

    def kind(number: int, images: torch.Tensor, _: torch.Generator) -> torch.Tensor:
        done.append((number, len(images)))
        return images

    kinds = len(augment.DAMAGES)
    monkeypatch.setattr(augment, "DAMAGES", [partial(kind, number) for number in range(kinds)])
    still = Augmentation(rotation=0, scale=0, shear=0, shift=0, elastic=0, stroke=0, damage=share)
    still(torch.rand(count, 1, 28, 28), torch.Generator())
    assert sum(size for _, size in done) == round(share * count)
    assert len(done) == len({number for number, _ in done}) == min(kinds, round(share * count))
    assert max(size for _, size in done) - min(size for _, size in done) <= 1


def test_no_kind_of_damage_is_rarer_in_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    done: Counter[int] = Counter()

    def kind(number: int, images: torch.Tensor, _: torch.Generator) -> torch.Tensor:
        done[number] += len(images)
        return images

    monkeypatch.setattr(augment, "DAMAGES", [partial(kind, number) for number in range(len(augment.DAMAGES))])
    still = Augmentation(rotation=0, scale=0, shear=0, shift=0, elastic=0, stroke=0, damage=0.12)
    random, images = torch.Generator(), torch.rand(32, 1, 28, 28)
    for _ in range(600):  # four images of each
        still(images, random)
    assert done.total() == 2400
    assert all(150 < done[number] < 250 for number in range(len(augment.DAMAGES)))


def test_a_lone_image_is_lined_white_and_black() -> None:
    grey, random = torch.full((1, 1, 28, 28), 0.5), torch.Generator()
    lines = [augment._lined(grey, random) for _ in range(40)]
    assert any(line.max() > 0.5 for line in lines)
    assert any(line.min() < 0.5 for line in lines)


@pytest.mark.parametrize("damage", dict.fromkeys(augment.DAMAGES))
@pytest.mark.parametrize("count", [1, 2, 3])
def test_damage_leaves_images(damage: Any, count: int) -> None:
    images = torch.rand(count, 1, 28, 28)
    assert damage(images, torch.Generator()).shape == images.shape


def test_two_images_too_are_blurred_in_every_way() -> None:
    point = torch.zeros(2, 1, 28, 28)
    point[:, :, 14, 14] = 1
    random = torch.Generator().manual_seed(0)
    blurred = torch.cat([augment._blurred(point, random) for _ in range(10)]).squeeze(1) > 0
    shapes = {(int(image.any(1).sum()), int(image.any(0).sum())) for image in blurred}
    assert shapes == {(3, 3), (1, 5), (5, 1)}


def test_sprint_reaches_what_it_is_for(mnist: data.Dataset, tmp_path: Path) -> None:
    assert train_recipe("sprint", mnist, out=tmp_path / "run").accuracy >= 0.988  # the mean is above 0.99, sd 0.0005


@pytest.mark.parametrize("batch_size", [1437, 700, 400, 300, 256])
def test_few_steps_are_a_schedule_too(digits: data.Dataset, tmp_path: Path, batch_size: int) -> None:
    settings = {"batch_size": min(batch_size, len(digits.train))}
    assert train_recipe("sprint", digits, out=tmp_path / "run", settings=settings).finished


def test_training_does_not_import_pytorchs_compiler(digits_file: str, tmp_path: Path) -> None:
    code = (
        "import sys; from zeronine.data import load; from zeronine.train.loop import train_recipe\n"
        f"train_recipe('sprint', load({digits_file!r}), out=__import__('pathlib').Path({str(tmp_path / 'run')!r}))\n"
        "print('torch._dynamo' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"  # it takes 1.5 s


def test_glyphs_are_drawn_from_a_folder_of_fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib import get_data_path

    for name, font in (("sans", "DejaVuSans"), ("again", "DejaVuSans"), ("serif", "DejaVuSerif-Italic")):
        shutil.copy(Path(get_data_path()) / "fonts" / "ttf" / f"{font}.ttf", tmp_path / f"{name}.woff2")
        (tmp_path / f"{name}.json").write_text(json.dumps({"name": name, "version": "1", "license": "its own"}))
    monkeypatch.setattr(glyphs, "PLACE", tmp_path / "glyphs.npz")
    glyphs.main(tmp_path)
    drawn, digits = glyphs.glyphs.__wrapped__(), glyphs.digits.__wrapped__()
    assert digits.shape == (2, 10, 32, 32)
    assert drawn.shape == (2, len(glyphs.LETTERS + glyphs.SIGNS), 32, 32)  # one of the two alike is left out
    assert set(np.unique(drawn)) == {0, 255}
    assert drawn.reshape(-1, 32 * 32).any(axis=1).all()
    assert "| again | 1 | its own |" in (tmp_path / "GLYPHS.md").read_text()


def test_the_glyphs_that_are_shipped_are_named() -> None:
    named = [line for line in glyphs.PLACE.with_name("GLYPHS.md").read_text().splitlines() if line.startswith("| ")]
    assert len(glyphs.glyphs()) == len(glyphs.digits()) == len(named) - 1  # less the heading
    assert all(line.endswith(("| OFL-1.1 |", "| Apache-2.0 |", "| MIT |")) for line in named[1:])


def test_figures_whose_rows_are_one_are_drawn_too() -> None:
    class Even(np.random.Generator):
        """Draws the same number again and again, as chance does once in thousands of times."""

        def integers(self, *args: Any, **kwargs: Any) -> Any:
            drawn = super().integers(*args, **kwargs)
            return np.full_like(drawn, 30) if np.ndim(drawn) else drawn

        def random(self, *args: Any, **kwargs: Any) -> Any:
            return np.zeros(args[0]) if args else 0.0

    canvas = np.zeros((synthesis.SIDE, synthesis.SIDE), np.uint8)
    assert synthesis._garment(canvas, Even(np.random.PCG64(0))).shape == canvas.shape
