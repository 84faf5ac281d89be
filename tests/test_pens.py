"""Digits as the path of a pen: they are what they say they are, and bars are strokes of their own."""

from pathlib import Path

import numpy as np
import pytest

from zeronine.train import pens


def test_what_is_shipped_is_digits_in_a_box() -> None:
    ways = pens.pens()
    assert len(ways) == 10
    assert sum(map(len, ways)) == 10_648
    points = np.concatenate([stroke for digit in ways for way in digit for stroke in way])
    assert (points.min(), points.max()) == (0, 1)
    assert all(len(stroke) > 1 for digit in ways for way in digit for stroke in way)
    assert "10.24432/C5MG6K" in pens.PLACE.with_name("PENS.md").read_text()


def test_the_way_to_a_bar_is_no_stroke() -> None:
    five = np.array([[30, 5], [20, 30], [40, 45], [80, 60], [60, 95], [5, 90], [20, 10], [100, 0]]) / 100
    body, bar = pens.parted(five, 5)
    assert (len(body), len(bar)) == (6, 2)
    short = five.copy()
    short[6] = [0.1, 0.8]  # of the bar only its end is a point
    body, bar = pens.parted(short, 5)
    assert np.allclose(bar, [[0.3, 0], [1, 0]])
    in_one = five[[7, 0, 1, 2, 3, 4, 5, 5]]
    assert len(pens.parted(in_one, 5)) == 1
    seven = np.array([[0, 0], [50, 5], [90, 10], [60, 60], [50, 100], [10, 60], [50, 55], [90, 50]]) / 100
    stem, bar = pens.parted(seven, 7)
    assert (len(stem), len(bar)) == (5, 3)
    assert len(pens.parted(seven[[0, 1, 2, 3, 4, 4, 4, 4]], 7)) == 1


def test_what_looks_like_another_digit_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zero = "50,100,10,75,5,35,45,0,90,30,90,75,50,100,45,98"
    monkeypatch.setattr(pens, "PLACE", tmp_path / "pens.npz")
    (tmp_path / "a.tra").write_text(f"{zero},0\n{zero},7\n")
    pens.main([tmp_path / "a.tra"])
    with np.load(tmp_path / "pens.npz") as arrays:
        assert arrays["labels"].tolist() == [0]
        assert arrays["paths"][0, 0].tolist() == [50, 0]  # y downwards
