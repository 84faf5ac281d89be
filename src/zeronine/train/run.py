"""A run folder: one training of one recipe with one seed. Knows its files; knows nothing of what is trained.

``config.json``, ``history.csv``, ``predictions.npz`` and the network; a run is finished when it has predictions.
Every file is written to a temporary name and renamed, so that a kill leaves the old one or the new one.
"""

import csv
import json
import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeronine.data import Dataset
from zeronine.errors import RecipeError
from zeronine.files import replaced

Progress = Callable[[int, int, Mapping[str, float]], None]
"""Called with steps done, steps in all, and the running figures."""

SAME_RUN = ("recipe", "kind", "engine", "seed", "settings", "data", "classes")
"""What must agree for a folder to be gone on with."""

LARGEST_SEED = 2**63 - 1
"""PyTorch takes twice as much; the members of an ensemble count on from the seed."""

COMPOSED = ("page", "line")
"""Names of the recipes whose networks learn from composed pages, and kinds of their runs."""


@dataclass(frozen=True)
class Run:
    """A training of one recipe with one seed, on disk.

    Attributes:
        folder: where its files lie.
    """

    folder: Path

    @property
    def config(self) -> dict[str, Any]:
        """What was trained on what, with which settings and versions.

        Raises:
            RecipeError: the folder holds no run.
        """
        try:
            config: dict[str, Any] = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise RecipeError(f"{self.folder} holds no run: a run folder has a config.json") from None
        except ValueError as error:
            raise RecipeError(f"{self.folder / 'config.json'} is not JSON ({error}): train again") from None
        return config

    @property
    def history(self) -> list[dict[str, float]]:
        """One row per epoch (or per 100 iterations): the figures of ``history.csv``."""
        path = self.folder / "history.csv"
        if not path.exists():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]

    @property
    def finished(self) -> bool:
        """Whether training went to its end."""
        return (self.folder / "predictions.npz").exists()

    @property
    def composed(self) -> bool:
        """Whether its network learned from composed pages: its predictions are of digits on them, not of images."""
        return self.config.get("kind") in COMPOSED

    @property
    def predictions(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Probabilities (N, classes) and labels (N,) of the test images, in the data set's order."""
        if not self.finished:
            raise RecipeError(f"{self.folder} is not finished: train it again with the same settings to go on")
        with np.load(self.folder / "predictions.npz", allow_pickle=False) as file:
            return file["probabilities"], file["labels"]

    @property
    def accuracy(self) -> float:
        """Fraction, 0..1, of test images that the finished network gets right."""
        probabilities, labels = self.predictions
        return int((probabilities.argmax(1) == labels).sum()) / len(labels)

    def begin(self, config: Mapping[str, Any]) -> None:
        """Write the config, or check that the one already there is the same run.

        Raises:
            RecipeError: the folder holds another run, or other files; or the seed is out of its range.
        """
        if not 0 <= config.get("seed", 0) <= LARGEST_SEED:
            raise RecipeError(f"seed is {config['seed']}: it must be 0 to {LARGEST_SEED}")
        if not (self.folder / "config.json").exists():
            if self.folder.is_dir() and any(not path.name.startswith(".") for path in self.folder.iterdir()):
                raise RecipeError(f"{self.folder} is not empty and holds no run: choose another folder with --out")
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise RecipeError(f"{self.folder} cannot be made ({error.strerror}): choose another --out") from error
            self._sweep()
            self.write_config(config)
            return
        self._sweep()
        present, wanted = self.config, json.loads(json.dumps(config))
        for key in SAME_RUN:
            if present.get(key) != wanted.get(key):
                raise RecipeError(
                    f"{self.folder} holds another run ({_difference(key, present.get(key), wanted.get(key))}): "
                    "choose another folder with --out, or remove that one"
                )

    @contextmanager
    def learning(self) -> Iterator[None]:
        """What follows ``begin``: if it fails before anything was learned, the folder is free for another run again."""
        try:
            yield
        except BaseException:
            if [path.name for path in self.folder.rglob("[!.]*") if path.is_file()] == ["config.json"]:
                (self.folder / "config.json").unlink(missing_ok=True)
                for name in ("checkpoint", "members", ""):
                    with suppress(OSError):  # it is not there, or holds hidden files
                        (self.folder / name).rmdir()
            raise

    def _sweep(self) -> None:
        """Remove the half-written files that a kill left behind; those of a process that still runs are its own."""
        for path in self.folder.rglob(".*.part*"):
            number = re.search(r"\.(\d+)(?!\w)", path.name)
            if not number or not _runs(int(number[1])):
                with suppress(OSError):  # on Windows a file that is open stays
                    path.unlink()

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write ``config.json``."""
        with replaced(self.folder / "config.json") as path:
            path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    def write_history(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Write ``history.csv``; a column for every figure that any row has."""
        columns = list(dict.fromkeys(name for row in rows for name in row))
        with replaced(self.folder / "history.csv") as path, path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)

    def finish(self, probabilities: NDArray[np.float32], labels: NDArray[np.int64], seconds: float) -> None:
        """Write the training time, then the predictions: the last file of a run."""
        self.write_config(self.config | {"seconds": round(seconds, 3)})
        with replaced(self.folder / "predictions.npz") as path, path.open("wb") as file:
            np.savez_compressed(file, probabilities=probabilities.astype(np.float32), labels=labels)


def _runs(process: int) -> bool:
    """Whether another process of that number runs; on Windows, where the signal would be Ctrl+C, none is asked."""
    if process == os.getpid() or os.name == "nt":
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is somebody else's
        pass
    return True


def _difference(name: str, present: Any, wanted: Any) -> str:
    """What differs, down to the setting: ``epochs 2, now 3``."""
    if isinstance(present, dict) and isinstance(wanted, dict):
        keys = [key for key in {**present, **wanted} if present.get(key) != wanted.get(key)]
        return "; ".join(_difference(f"{name}.{key}", present.get(key), wanted.get(key)) for key in keys)
    return f"{name} {present}, now {wanted}"


def describe(dataset: Dataset, target: str | None, digits: bool, counts: Mapping[str, int]) -> dict[str, Any]:
    """The ``data`` entry of a config."""
    return {"name": dataset.name, "target": target, "digits": digits, "sha256": dataset.sha256, **counts}


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python, Zeronine, NumPy and the named packages."""
    found = {"python": platform.python_version()}
    for package in ("zeronine", "numpy", *packages):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def hardware() -> dict[str, Any]:
    """Processor and cores of this machine."""
    return {"processor": _processor(), "cores": os.cpu_count()}


def _processor() -> str:
    """Its name; Linux tells it in a file, where ``platform`` does not look."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
