"""Training the page's network: it learns, it goes on where it was killed, it is refined, it is exported."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from composing import ends_where_it_would_have_ended, real_picture

from zeronine import Reader
from zeronine.bench.train import Plan
from zeronine.data import Dataset
from zeronine.errors import DataError, ModelError, RecipeError, ZeronineError
from zeronine.files import identity
from zeronine.lattice import Reading
from zeronine.reader import MODELS, SHIPPED_PAGE
from zeronine.train import Run, describe, glyphs, lines, page_export, pages, train
from zeronine.train.composed import Pieces, Task, begun, composer, train_composed, trained, trainings
from zeronine.train.export import export, open_reader
from zeronine.train.lines import LINE
from zeronine.train.pages import PAGE, PageSettings, piece
from zeronine.train.read_onnx import read_onnx
from zeronine.train.real import bent, real_digits, real_pages
from zeronine.train.sheet import Page, Placed
from zeronine.train.space import named

SMALL_ROWS = {"epochs": 1, "rows": 16, "batch_size": 2, "widths": "4,4,4,4,4,8,8", "along": 8, "validation": 300}
SMALL = {"epochs": 2, "pages": 8, "batch_size": 4, "widths": "4,4,8,8", "depth": 1, "validation": 300}


@pytest.fixture(scope="module", autouse=True)
def _few_are_measured() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "MEASURED", 20)
        patch.setattr(lines, "MEASURED", 20)
        yield


@pytest.fixture(scope="module")
def run(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_composed(PAGE, digits, out=tmp_path_factory.mktemp("pages") / "run", given=SMALL).folder


def test_a_training_leaves_a_finished_run(run: Path, digits: Dataset) -> None:
    network = trained(PAGE, train_composed(PAGE, digits, out=run, given=SMALL))  # finished: nothing is trained again
    assert sum(weight.numel() for weight in network.parameters()) < 20_000
    with pytest.raises(ModelError, match="finds digits on pages"):
        open_reader(run)


def test_a_killed_training_ends_where_it_would_have_ended(run: Path, digits: Dataset, tmp_path: Path) -> None:
    ends_where_it_would_have_ended(PAGE, digits, SMALL, run, tmp_path / "run", steps=2)


def test_the_boxes_of_bent_digits_hold_their_ink() -> None:
    grey = np.full((100, 200), 0.95, np.float32)
    grey[20:80, 30:42] = grey[20:80, 120:160] = 0.1  # a one and a block
    page = Page(grey, [Placed(1, (30, 20, 12, 60), 1, True), Placed(0, (120, 20, 40, 60), 1, False)])
    whole = 0
    for seed in range(40):
        after = bent(page, np.random.default_rng(seed), (300, 600))
        for one in after.digits:
            left, _, wide, high = one.box
            around = slice(max(round(left) - 15, 0), round(left + wide) + 15)
            dark = after.grey[:, around] < 0.6 * after.grey.max()
            assert np.ptp(np.flatnonzero(dark.any(axis=0))) + 1 == pytest.approx(wide, abs=2.5)
            assert np.ptp(np.flatnonzero(dark.any(axis=1))) + 1 == pytest.approx(high, abs=2.5)
            whole += one.visible == 1
    assert whole > 70


def test_refining_on_real_pictures(run: Path, digits: Dataset, tmp_path: Path) -> None:
    text = real_picture(tmp_path, digits)
    (page,) = real_pages(tmp_path)
    assert [one.digit for one in page.digits] == [int(sign) for sign in text]
    cut = real_digits([page, replace(page, grey=np.ones_like(page.grey))])  # nothing is written on the second
    assert (cut.images.shape, cut.labels.tolist()) == ((4, 28, 28), [int(sign) for sign in text])
    given = {"start": str(run), "real": str(tmp_path), "epochs": 1, "pages": 4, "batch_size": 4, "validation": 300}
    refined = train_composed(PAGE, digits, out=tmp_path / "refined", given=given)
    assert refined.config["settings"]["widths"] == [4, 4, 8, 8]
    with pytest.raises(RecipeError, match="--set start=FOLDER"):
        train_composed(PAGE, digits, out=tmp_path / "none", given={"real": str(tmp_path), "start": ""})
    with pytest.raises(DataError, match=r"labels\.csv is missing"):
        real_pages(tmp_path / "refined")
    with pytest.raises(DataError, match=r"labels\.csv is missing"):
        train_composed(PAGE, digits, out=tmp_path / "none", given=given | {"real": str(tmp_path / "refined")})
    assert not (tmp_path / "none").exists(), "another run may take its place"


@pytest.mark.parametrize("task", [PAGE, LINE], ids=["page", "line"])
def test_a_training_begins_with_what_the_shipped_networks_answer(task: Task[Any], digits: Dataset) -> None:
    given = replace(task.settings, start=SHIPPED_PAGE, batch_size=2)
    network = begun(task, given, digits.train, seed=0)
    page = np.random.default_rng(0).random((1, 1, 48, 96), np.float32)
    with torch.inference_mode():
        answers = network(torch.from_numpy(page))
    shipped = Reader().networks.find(page) if task is PAGE else Reader().networks.rows(page)
    assert np.abs((answers if task is PAGE else answers.softmax(2)).numpy() - shipped).max() < 1e-4
    norms = [part for part in network.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    assert all(0.05 < float(norm.weight.detach().median()) < 20 for norm in norms)  # trained on as one that was here


def test_refining_begins_with_the_shipped_networks(digits: Dataset, tmp_path: Path) -> None:
    real_picture(tmp_path, digits)
    given = {"real": str(tmp_path), "rows": 16, "batch_size": 2, "epochs": 1, "validation": 300}
    run = train_composed(LINE, digits, out=tmp_path / "refined", given=given)
    *_, before, last = trainings("line", str(run.folder))
    assert last["settings"]["start"] == SHIPPED_PAGE
    checksum = identity(MODELS / SHIPPED_PAGE / "rows.onnx")["sha256"]
    assert last["from"] == [before["out"]] == [f"{SHIPPED_PAGE}-{checksum[:8]}"]
    outs = [one["out"] for one in trainings("line", str(run.folder))]
    assert len(outs) == len(set(outs)) > 5
    assert last["settings"]["widths"] == before["settings"]["widths"]


def test_the_mean_of_several_networks(run: Path, digits: Dataset, tmp_path: Path) -> None:
    other = train_composed(PAGE, digits, out=tmp_path / "other", seed=1, given=SMALL).folder
    given = {"start": f"{run},{other}", "epochs": 0, "pages": 8, "batch_size": 4, "validation": 300}
    mean = train_composed(PAGE, digits, out=tmp_path / "mean", given=given)
    assert mean.config["settings"]["widths"] == [4, 4, 8, 8]
    first, second, both = (trained(PAGE, Run(one)).state_dict() for one in (run, other, mean.folder))
    weight = "answer.weight"
    assert torch.allclose(both[weight], (first[weight] + second[weight]) / 2)
    assert [one["out"] for one in trainings("page", str(mean.folder))] == [str(run), str(other), str(mean.folder)]
    assert len(mean.history) == 1
    with pytest.raises(ModelError, match="different layers"):
        train_composed(PAGE, digits, out=tmp_path / "none", given={"start": f"{run},{SHIPPED_PAGE}", "epochs": 0})
    with pytest.raises(RecipeError, match="1 or more, or 0"):
        train_composed(PAGE, digits, out=tmp_path / "none", given={"epochs": 0})


def test_a_card_names_the_commands_of_all_trainings() -> None:
    def training(out: str, **settings: object) -> dict[str, Any]:
        return {"recipe": "line", "seed": 0, "settings": settings, "out": out}

    before = [training("x/old", start="gone"), training("page_v1", start="x/old"), training("new", start="page_v1")]
    card = {"recipe": "line", "seed": 3, "settings": {"start": "page_v1,new", "epochs": 0}, "before": before}
    assert page_export._command(card, "rows").splitlines() == [
        "    zeronine train line --seed 0 --out runs/line-1",
        "    zeronine train line --seed 0 --set start=runs/line-1 --out runs/line-2",
        "    zeronine train line --seed 0 --set start=runs/line-2 --out runs/line-3",
        "    zeronine train line --seed 0 --set start=runs/line-3 --out runs/line-4",
        "    zeronine train line --seed 3 --set epochs=0 --set start=runs/line-3,runs/line-4 --out rows",
    ]


def test_what_a_training_cannot_begin_with_is_said(run: Path, digits: Dataset, tmp_path: Path) -> None:
    for start, why in (("standard_v1", "no network of page"), ("nowhere", "no such model"), (str(tmp_path), "no card")):
        with pytest.raises(ModelError, match=why):
            train_composed(PAGE, digits, out=tmp_path / "none", given={"start": start})
    with pytest.raises(ModelError, match="is a run of page"):
        train_composed(LINE, digits, out=tmp_path / "none", given={"start": str(run)})
    with pytest.raises(RecipeError, match="leave widths and depth as they are"):
        train_composed(PAGE, digits, out=tmp_path / "none", given={"start": str(run), "widths": "4,4,8,12"})
    assert not (tmp_path / "none").exists()
    with pytest.raises(ModelError, match=r"holds no quarter\.0\.0\.weight"):
        read_onnx(MODELS / SHIPPED_PAGE / "rows.onnx", PAGE.network(PAGE.settings))
    with pytest.raises(ModelError, match="other layers"):
        read_onnx(MODELS / SHIPPED_PAGE / "model.onnx", PAGE.network(PageSettings(widths=(8, 8, 8, 8))))
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match="does not open"):
        read_onnx(tmp_path / "bad.onnx", torch.nn.Sequential())


def test_pieces_are_reproducible_and_of_one_size(digits: Dataset) -> None:
    pieces = Pieces(piece, composer(digits.train), (0, 1), 6)
    for index in range(len(pieces)):
        ink, maps = pieces[index]
        assert (ink.shape, maps.shape) == ((1, 128, 256), (8, 32, 64))
        assert np.array_equal(ink, pieces[index][0])


def test_settings_are_checked() -> None:
    for bad in ({"widths": (1, 2)}, {"pages": 4}, {"learning_rate": 0.0}, {"every": 0}, {"beta2": 1.0}):
        with pytest.raises(RecipeError):
            PageSettings(**bad)  # type: ignore[arg-type]


def test_the_recipe_is_described() -> None:
    recipe = describe("page")
    assert recipe.layers[0][1] == (16, 64, 128)
    assert sum(row[2] for row in recipe.layers) < 1_300_000


@pytest.mark.parametrize("name", ["page", "line"])
def test_what_recipes_for_pages_are_not_for_is_said(name: str) -> None:
    with pytest.raises(RecipeError, match="take a recipe for digits"):
        named(name)
    with pytest.raises(ZeronineError, match="bench read"):
        Plan(recipe=name)


@pytest.mark.parametrize("name", ["page", "line"])
def test_refining_asks_for_no_network(
    name: str, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zeronine.data.load", lambda *_, **__: digits)
    monkeypatch.setattr("zeronine.train.composed.train_composed", lambda *_, given, **__: given)  # begins with its own
    assert train(name, out=tmp_path / "run", settings={"real": "cheques"}) == {"real": "cheques"}


def test_both_networks_make_a_model_folder(
    run: Path, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PAGES", "LINES", "WEIGHED", "EACH"):
        monkeypatch.setattr(page_export, name, 3)
    monkeypatch.setattr(page_export, "LENGTHS", (2,))
    known, others = composer(digits.train), composer(digits.train, glyphs.digits())
    monkeypatch.setattr(page_export, "_splits", lambda run: (known, others, composer(digits.test)))
    rows = train_composed(LINE, digits, out=tmp_path / "line", given=SMALL_ROWS)
    folder = export(run, tmp_path / "mine", rows.folder)
    card = json.loads((folder / "card.json").read_text())
    assert card["rows"]["parity"]["largest_difference"] < 1e-3
    assert card["rows"]["bytes"] == (folder / "rows.onnx").stat().st_size
    assert "zeronine train line" in (folder / "README.md").read_text()
    assert Reader(page=folder).read(np.full((60, 200), 255, np.uint8)) == []
    with pytest.raises(ModelError, match="not of page"):
        export(rows.folder, tmp_path / "other")
    with pytest.raises(ModelError, match="not of line"):
        export(run, tmp_path / "other", run)
    shipped = export(run, tmp_path / "shipped")
    assert (shipped / "rows.onnx").read_bytes() == (MODELS / SHIPPED_PAGE / "rows.onnx").read_bytes()


def test_lines_are_weighed_by_the_one_number_that_they_are_of_or_by_none(mnist: Dataset) -> None:
    networks, pages = Reader().networks, composer(mnist.test)
    page, text = pages.line(np.random.default_rng(1), 4, "easy", touching=False)
    ((some, _, right),) = page_export._cases(page, networks)
    assert some[right].text == text
    ((some, _, right),) = page_export._cases(replace(page, digits=[]), networks)  # what is seen there is no digit then
    assert some[right].text == ""
    two = [replace(one, goes_on=one.goes_on and place != 1) for place, one in enumerate(page.digits)]
    assert page_export._cases(replace(page, digits=two), networks) == []
    faint = [replace(one, visible=0.5) for one in page.digits]
    assert page_export._cases(replace(page, digits=faint), networks) == []


def test_the_shipped_model_finds_most_digits_of_composed_pages(mnist: Dataset) -> None:
    from zeronine.numbers import read_page

    test, networks = composer(mnist.test), Reader().networks
    right = 0
    for number in range(40):
        page, text = test.line(np.random.default_rng([9, number]), 5, "easy", touching=False)
        right += [one.text for one in read_page(page.grey, networks)] == [text]
    assert right >= 34


def test_lines_of_no_number_weigh_only_whether_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)

    def case(right: int) -> page_export.Case:
        chances = random.dirichlet(np.full(11, 0.3), 6).astype(np.float32)
        some = [Reading("", 0.2, ()), Reading("12", 0.5, (0, 1)), Reading("1", 0.2, (0,)), Reading("172", 0.0, ())]
        return some, chances, right

    with_one, with_none = [case(1 + number % 3) for number in range(12)], [case(0) for _ in range(30)]
    monkeypatch.setattr(page_export, "WEIGHED", 1)
    monkeypatch.setattr(page_export, "_both", lambda *_: ("page",))
    weights = []
    for cases in (with_one, with_one + with_none):
        monkeypatch.setattr(page_export, "_cases", lambda *_, cases=cases: cases)
        weights.append(page_export._weights(None, None))
    assert replace(weights[0], number=0.0) == replace(weights[1], number=0.0)
    assert weights[1].number < weights[0].number
