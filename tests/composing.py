"""What the tests of both trainings on composed pages do alike."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from zeronine.data import Dataset
from zeronine.train.composed import Task, composer, train_composed, trained


class Stopped(Exception):
    """A training that is killed."""


def ends_where_it_would_have_ended(
    task: Task[Any], digits: Dataset, given: dict[str, object], run: Path, killed: Path, steps: int
) -> None:
    """A training that is killed after so many steps and started again gives the weights of the whole run."""

    def stop(done: int, total: int, figures: object) -> None:
        if done > steps:
            raise Stopped

    with pytest.raises(Stopped):
        train_composed(task, digits, out=killed, given=given, progress=stop)
    assert (killed / "checkpoint").exists()
    again = trained(task, train_composed(task, digits, out=killed, given=given))
    whole = trained(task, train_composed(task, digits, out=run, given=given))
    for mine, theirs in zip(again.parameters(), whole.parameters(), strict=True):
        assert np.array_equal(mine.detach().numpy(), theirs.detach().numpy())


def real_picture(folder: Path, digits: Dataset) -> str:
    """Put one picture of a number with its labels into a folder; gives what it says."""
    page, text = composer(digits.train).line(np.random.default_rng(0), 4, "easy", touching=False)
    cv2.imwrite(str(folder / "a.png"), (page.grey * 255).astype(np.uint8))
    boxes = [[str(one.digit), *map(round, one.box)] for one in page.digits]
    (folder / "labels.csv").write_text(f'file,label,boxes\na.png,{text},"{boxes}"\n'.replace("'", '""'))
    return text
