"""The shipped model: past mistakes stay mended, recorded predictions stay as they were."""

import json
from pathlib import Path

import pytest
import recorded

from zeronine import Reader

MISTAKES = sorted((Path(__file__).parent / "mistakes").glob("*.png"))


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.stem)
def test_past_mistakes_stay_mended(path: Path) -> None:
    answer = path.stem.split("-")[-1]
    prediction = Reader().predict(path)
    assert str(prediction.digit).lower() == answer
    assert prediction.rejected == (answer == "none")


def test_predictions_are_as_recorded() -> None:
    before, now = json.loads(recorded.RECORD.read_text(encoding="utf-8")), recorded.answers()
    assert now.keys() == before.keys()
    for name, said in now.items():
        assert (said["digit"], said["reason"]) == (before[name]["digit"], before[name]["reason"]), name
        assert said["confidence"] == pytest.approx(before[name]["confidence"], abs=0.005), name
