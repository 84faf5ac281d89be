"""The tutorials on PyTorch, TensorFlow and JAX: the same weights and batches must give the same losses.

Run as ``python tests/engines.py``; needs the three engines and no download. Each engine has its own process, since
Keras chooses one per process. Then every engine stops a training half way, and must end it as if it had not.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from zeronine.data import Dataset, Split
from zeronine.train.keras_loop import ENGINES, train_tutorial
from zeronine.train.run import Run
from zeronine.train.tutorials import TUTORIALS, Tutorial

TOLERANCE = 1e-3
"""Greatest difference of a step's loss. Losses start at about 2.3; engines sum in different orders, and Adam's first
steps are as large for gradients near zero, where the order decides the sign, as for any other."""

CASES: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "dense-25-15": ("dense-25-15", {"epochs": 1}),
    "dense-128-256-512": ("dense-128-256-512", {"epochs": 1}),
    "dense-512-256-128": ("dense-512-256-128", {"iterations": 40, "report_every": 40}),
    "dense-512-256-128, as meant": (
        "dense-512-256-128",
        {"iterations": 40, "report_every": 40, "as_published": False, "dropout": 0},
    ),
    "conv-32-64": ("conv-32-64", {"epochs": 1, "dropout": 0}),
}
"""Title -> recipe and settings: some 40 steps of each. No dropout, as every engine draws its own."""

RESUMED: Mapping[str, object] = {"epochs": 2, "filters": (4, 8), "dropout": 0.5}
"""Settings of the convolutional network that is stopped half way."""


def digits(size: int) -> Dataset:
    """Scikit-learn's 1,797 real digits, 8×8, made 28×28 for convolutions by repeating pixels."""
    images, labels = load_digits(return_X_y=True)
    pixels = (images.reshape(-1, 8, 8) / 16).astype(np.float32)
    if size == 28:
        pixels = np.pad(pixels.repeat(3, 1).repeat(3, 2), ((0, 0), (2, 2), (2, 2)))
    everything = Split(pixels, labels.astype(np.int64))
    train, test = everything.take(slice(1500)), everything.take(slice(1500, None))
    return Dataset("digits", train, test, tuple("0123456789"))


def beginning_at(weights: Path, tutorial: Tutorial) -> Tutorial:
    """The tutorial with its network's first weights from a file, which the first engine writes."""

    def network(*arguments: Any) -> Any:
        model = tutorial.network(*arguments)
        if weights.exists():
            model.load_weights(weights)
        else:
            model.save_weights(weights)
        return model

    return replace(tutorial, network=network)


def losses(engine: str, title: str, folder: Path) -> list[float]:
    """The loss of every step, out of what Keras reports: the mean over the images of the epoch so far."""
    means: list[float] = []

    def progress(done: int, total: int, figures: Mapping[str, float]) -> None:
        means.append(figures["loss"])

    name, settings = CASES[title]
    tutorial = TUTORIALS[name]
    TUTORIALS[name] = beginning_at(folder / f"{title}.weights.h5", tutorial)
    dataset = digits(28 if name == "conv-32-64" else 8)
    train_tutorial(name, dataset, out=folder / engine / title, settings=settings, engine=engine, progress=progress)
    TUTORIALS[name] = tutorial
    sums = np.array(means) * np.arange(1, len(means) + 1)
    return [float(loss) for loss in np.diff(sums, prepend=0)[:-1]]  # the last batch may be smaller


def resumes_exactly(engine: str, folder: Path) -> bool:
    """Whether a training with dropout that is stopped in its second epoch ends as one that is not."""

    def stop(done: int, total: int, figures: Mapping[str, float]) -> None:
        if done > 0.7 * total:
            raise InterruptedError

    def train(name: str, progress: Any = None) -> Run:
        out = folder / engine / name
        return train_tutorial("conv-32-64", digits(28), out=out, settings=RESUMED, engine=engine, progress=progress)

    try:
        train("stopped", stop)
    except InterruptedError:
        return np.array_equal(train("stopped").predictions[0], train("whole").predictions[0])
    raise AssertionError("the training was not stopped")


def work(engine: str, folder: Path) -> None:
    """What one engine's process does: write its losses and whether it resumes exactly."""
    found = {title: losses(engine, title, folder) for title in CASES}
    report = {"losses": found, "resumes": resumes_exactly(engine, folder)}
    (folder / f"{engine}.json").write_text(json.dumps(report), encoding="utf-8")


def main() -> int:
    """Run the three engines one after the other, print their table; the exit status."""
    passed = failed = 0

    def count(fine: bool) -> str:
        nonlocal passed, failed
        passed, failed = passed + fine, failed + (not fine)
        return "ok" if fine else "FAILED"

    with TemporaryDirectory() as name:
        folder = Path(name)
        reports = {}
        for engine in ENGINES:
            status = subprocess.run([sys.executable, __file__, engine, name], check=False).returncode
            if status:
                print(f"{engine}: exit status {status}  {count(False)}")
            else:
                reports[engine] = json.loads((folder / f"{engine}.json").read_text(encoding="utf-8"))
    first, *others = reports
    print(f"{'recipe':28} {'engine':11} steps  first loss  last loss  greatest difference from {first}")
    for title in CASES:
        expected = np.array(reports[first]["losses"][title])
        for engine in reports:
            found = np.array(reports[engine]["losses"][title])
            gap = float(np.abs(found - expected).max())
            verdict = count(gap <= TOLERANCE) if engine in others else ""
            print(f"{title:28} {engine:11} {len(found):5}  {found[0]:10.6f} {found[-1]:10.6f}  {gap:.1e}  {verdict}")
    for engine, report in reports.items():
        print(f"{'stopped and gone on with':28} {engine:11} ends the same  {count(report['resumes'])}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) == 3:
        work(sys.argv[1], Path(sys.argv[2]))
    else:
        sys.exit(main())
