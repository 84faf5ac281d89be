"""Has a sheet read in a thread, the newest only. Knows a Reader; knows nothing of windows."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeronine.errors import ZeronineError
from zeronine.numbers import Number
from zeronine.reader import Prediction, Reader


class Mode(StrEnum):
    """What is looked for on the sheet."""

    digit = "digit"
    number = "number"


@dataclass(frozen=True, eq=False)
class Reading:
    """What was read of one state of the sheet.

    Attributes:
        version: of the sheet.
        mode: what was looked for.
        prediction: of one digit; None where numbers were looked for or the sheet was empty.
        seen: what the network saw of the digit, of its own shape, float32 in 0..1; None where there was nothing.
        numbers: in order; empty where one digit was looked for.
        problem: why it could not be read at all.
        seconds: that reading took.
    """

    version: int
    mode: Mode
    prediction: Prediction | None = None
    seen: NDArray[np.float32] | None = None
    numbers: tuple[Number, ...] = ()
    problem: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Task:
    """A state of the sheet that is to be read.

    Attributes:
        version: of the sheet.
        mode: what to look for.
        pixels: of the sheet; None where it is empty.
    """

    version: int
    mode: Mode
    pixels: NDArray[Any] | None


def read(reader: Reader, task: Task) -> Reading:
    """Read one state of the sheet."""
    start = time.perf_counter()
    if task.pixels is None:
        return Reading(task.version, task.mode)
    try:
        if task.mode is Mode.number:
            numbers = tuple(reader.read(task.pixels))
            return Reading(task.version, task.mode, numbers=numbers, seconds=time.perf_counter() - start)
        prediction, seen = reader.see(task.pixels)
        return Reading(task.version, task.mode, prediction, seen, seconds=time.perf_counter() - start)
    except Exception as error:  # whatever it is: without the thread the window would wait for ever
        problem = str(error) if isinstance(error, ZeronineError) else repr(error)
        return Reading(task.version, task.mode, problem=problem)


class Worker:
    """A thread that reads; of what comes while it reads, only the newest is read next.

    Args:
        reader: that reads.
        ready: called in the thread after each reading.
    """

    def __init__(self, reader: Reader, ready: Callable[[], object]) -> None:
        self._reader, self._ready = reader, ready
        self._change = threading.Condition()
        self._task: Task | None = None
        self._busy = self._closed = False
        self.newest: Reading = Reading(0, Mode.digit)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def submit(self, task: Task) -> None:
        """Have a task read, in place of any that waits."""
        with self._change:
            self._task = task
            self._change.notify_all()

    def settled(self) -> Reading:
        """Wait until nothing is left to be read; the last reading."""
        with self._change:
            self._change.wait_for(lambda: self._task is None and not self._busy)
            return self.newest

    def close(self) -> None:
        """End the thread, after what it reads."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._task is not None or self._closed)
                if self._closed or self._task is None:
                    return
                task, self._task, self._busy = self._task, None, True
            reading = read(self._reader, task)
            with self._change:
                self.newest, self._busy = reading, False
                self._change.notify_all()
            self._ready()
