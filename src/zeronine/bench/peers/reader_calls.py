"""Ours: times of a Reader's calls, in a process that imports what its users import."""

import argparse
import json
import platform
import statistics
from collections.abc import Callable
from timeit import repeat

import numpy as np
import onnxruntime

from zeronine.reader import Reader


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--model")
    parser.add_argument("--calls", type=int, default=1000)
    given = parser.parse_args()
    with np.load(given.data) as stored:
        pictures = stored["x_test"]
    reader = Reader(given.model)
    prepared = np.stack([reader.prepare(picture) for picture in pictures])
    one: dict[str, Callable[[], object]] = {
        "Reader.predict": lambda: reader.predict(pictures[0]),
        "Reader.probabilities": lambda: reader.probabilities(prepared[:1]),
    }
    many: dict[str, Callable[[], object]] = {
        "Reader.predict_many": lambda: list(reader.predict_many(pictures)),
        "Reader.probabilities": lambda: reader.probabilities(prepared),
    }
    measures: dict[str, dict[str, float]] = {name: {} for name in (*one, "Reader.predict_many")}
    for name, call in one.items():
        call()
        measures[name]["milliseconds"] = 1000 * statistics.median(repeat(call, repeat=given.calls, number=1))
    for name, every in many.items():
        every()
        seconds = statistics.median(repeat(every, repeat=3, number=1))
        measures[name]["images_per_second"] = len(pictures) / seconds
    versions = {"python": platform.python_version(), "onnxruntime": onnxruntime.__version__}
    print(json.dumps({"measures": measures, "versions": versions}))


if __name__ == "__main__":
    main()
