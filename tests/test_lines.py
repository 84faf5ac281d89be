"""Training the network that reads rows: it learns, it goes on where it was killed, it is refined on real pictures."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from composing import ends_where_it_would_have_ended, real_picture

from zeronine.data import Dataset
from zeronine.errors import ModelError, RecipeError
from zeronine.page import ROW
from zeronine.train import composed, describe, lines
from zeronine.train.composed import Pieces, composer, train_composed
from zeronine.train.export import open_reader
from zeronine.train.lines import LINE, LineSettings, batched, row
from zeronine.train.lining import LineReader, greedy, line_loss
from zeronine.train.real import real_pages
from zeronine.train.settings import override

SMALL = {"epochs": 2, "rows": 16, "batch_size": 2, "widths": "4,4,4,4,4,8,8", "along": 8, "validation": 300}


@pytest.fixture(scope="module", autouse=True)
def _few_are_measured() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "MEASURED", 20)
        yield


@pytest.fixture(scope="module")
def run(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_composed(LINE, digits, out=tmp_path_factory.mktemp("lines") / "run", given=SMALL).folder


def test_rows_are_reproducible_and_of_one_height(digits: Dataset) -> None:
    rows = Pieces(row, composer(digits.train), (0, 1), 24)
    texts = []
    for index in range(len(rows)):
        ink, text = rows[index]
        assert (ink.shape[0], ink.dtype) == (ROW, np.float32)
        assert 0 <= ink.min() <= ink.max() <= 1 + 1e-6  # of rounding
        assert np.array_equal(ink, rows[index][0])
        texts.append(text)
    assert max(map(len, texts)) > 3
    batches = batched([rows[index] for index in range(len(rows))], 8)
    assert [len(inks) for inks, _ in batches] == [8, 8, 8]
    assert all(inks.shape[3] % 16 == 0 for inks, _ in batches)
    assert batches[0][0].shape[3] <= batches[-1][0].shape[3]


def test_a_row_is_learned() -> None:
    torch.manual_seed(0)
    network = LineReader((4, 8, 8, 8, 8, 16, 16), 16)
    rows, text = torch.zeros(1, 1, ROW, 64), torch.tensor([3, 1, 1])
    rows[..., 10:14], rows[..., 20:40, 30:34], rows[..., 20:40, 46:50] = 1, 1, 1
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)
    for _ in range(80):
        loss = line_loss(network(rows), [text])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    logits = network(rows)
    assert logits.shape == (1, 16, 11)
    assert greedy(logits[0].detach().numpy()) == "311"


def test_places_learn_from_the_whole_row() -> None:
    torch.manual_seed(0)
    network = LineReader((4, 8, 8, 8, 8, 16, 16), 16).eval()
    plain = torch.rand(1, 1, ROW, 480)
    other = plain.clone()
    other[..., 400:] = 0  # 400 pixels from where it is looked at
    first = slice(0, 10)
    with torch.inference_mode():
        assert torch.equal(network(plain)[:, first], network(other)[:, first])  # as long as it is not trained
        for part in (network.context.far, network.context.whole):  # type: ignore[union-attr]
            torch.nn.init.normal_(part[-1].weight)  # type: ignore[index]
        assert not torch.allclose(network(plain)[:, first], network(other)[:, first])


def test_a_network_without_context_can_get_it() -> None:
    bare = override(LINE.settings, {"widths": (4, 4, 4, 4, 4, 8, 8), "along": 8, "context": False})
    whole, row = replace(bare, context=True), torch.rand(1, 1, ROW, 96)
    network = LINE.network(bare).eval()
    with torch.inference_mode():
        assert torch.equal(composed._grown(LINE, whole, network).eval()(row), network(row))
    for other in (replace(whole, along=9), replace(whole, widths=(4, 4, 4, 4, 4, 8, 9))):
        with pytest.raises(RecipeError, match="leave widths and along and context as they are"):
            composed._grown(LINE, other, network)


def test_a_killed_training_ends_where_it_would_have_ended(run: Path, digits: Dataset, tmp_path: Path) -> None:
    ends_where_it_would_have_ended(LINE, digits, SMALL, run, tmp_path / "run", steps=8)
    with pytest.raises(ModelError, match="zeronine export it"):
        open_reader(run)


def test_refining_on_real_pictures(run: Path, digits: Dataset, tmp_path: Path) -> None:
    text = real_picture(tmp_path, digits)
    rows = Pieces(row, composer(digits.train), (0, 1), 4, real_pages(tmp_path))
    assert "".join(map(str, rows[1][1])) == text
    given = {"start": str(run), "real": str(tmp_path), "epochs": 1, "rows": 16, "batch_size": 2, "validation": 300}
    refined = train_composed(LINE, digits, out=tmp_path / "refined", given=given)
    assert refined.config["settings"]["along"] == 8


def test_settings_are_checked() -> None:
    for bad in ({"widths": (1, 2)}, {"along": 0}, {"rows": 4}, {"averaging": 1.0}, {"real": "somewhere"}):
        with pytest.raises(RecipeError):
            LineSettings(**bad)  # type: ignore[arg-type]


def test_the_recipe_is_described() -> None:
    recipe = describe("line")
    assert recipe.layers[0][1] == (16, 48, 192)
    assert sum(row[2] for row in recipe.layers) < 1_400_000
