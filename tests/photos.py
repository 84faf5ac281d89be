"""Measures a model on real drawings and photos: python tests/photos.py FOLDER [MODEL]

FOLDER holds the pictures and ``labels.csv`` with the columns file, kind, label, capture; the rows of kind ``digit`` are
read, a refused picture counts as wrong. These pictures are for measuring: no network has been trained on them.
"""

import csv
import sys
from collections import Counter
from pathlib import Path

from zeronine import Reader
from zeronine.reader import Prediction

Row = dict[str, str]


def read(folder: Path, model: str | None = None) -> list[tuple[Row, Prediction]]:
    """The rows of kind ``digit`` with what the model says of them."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "digit"]
    return list(zip(rows, Reader(model).predict_many(folder / row["file"] for row in rows), strict=True))


def right(row: Row, prediction: Prediction) -> bool:
    return str(prediction.digit) == row["label"]


def main() -> None:
    answers = read(Path(sys.argv[1]), *sys.argv[2:3])
    for row, prediction in answers:
        if not right(row, prediction):
            said = prediction.reason if prediction.rejected else f"{prediction.digit} ({prediction.confidence:.2f})"
            print(f"{row['file']}  {row['label']} read as {said}")
    for captures in [{capture} for capture in sorted({row["capture"] for row, _ in answers})] + [None]:
        chosen = [right(row, said) for row, said in answers if captures is None or row["capture"] in captures]
        count = Counter(chosen)[True]
        name = "all" if captures is None else "".join(captures)
        print(f"{name:<16} {count:>5} of {len(chosen):>5}  {100 * count / len(chosen):6.2f} %")


if __name__ == "__main__":
    main()
