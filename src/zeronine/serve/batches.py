"""A bounded queue whose threads take what waits, all at once. Knows tasks and threads; knows no picture, no HTTP.

Nothing waits for company: a task that comes alone is done alone, at once. While a batch is being done others gather,
and they are the next batch; so batches grow with the load, and only with it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

Work = Callable[[Sequence["Task"]], None]
"""Does tasks: gives each its ``answer``."""

log = logging.getLogger("zeronine.serve")


class Full(Exception):
    """No more fits in the queue."""


class Task:
    """Something to do, and its answer.

    Attributes:
        source: bytes of the picture.
        reader: that reads it.
        seen: whether to show what the network saw.
        answer: what came of it, or the exception.
        future: done when there is an answer; cancelled when nobody waits for it any longer.
    """

    __slots__ = ("answer", "future", "reader", "seen", "source")

    def __init__(self, source: bytes, reader: Any, seen: bool = False) -> None:
        self.source = source
        self.reader = reader
        self.seen = seen
        self.answer: Any = None
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class Batches:
    """The queue and its threads, which belong to the event loop that is running when it is made.

    Args:
        work: does a batch, in a thread.
        room: tasks that may wait.
        most: tasks of one batch.
        threads: that do batches side by side.
        name: of the threads.
    """

    def __init__(self, work: Work, *, room: int, most: int, threads: int, name: str) -> None:
        self._work = work
        self._room = room
        self._most = most
        self._queue: SimpleQueue[Task | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self.count: Callable[[int], None] = lambda size: None
        self._threads = [Thread(target=self._run, name=f"{name}-{number}") for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def waiting(self) -> int:
        """Tasks that wait."""
        return self._queue.qsize()

    def put(self, tasks: Sequence[Task]) -> None:
        """Let tasks wait their turn: all of them or none.

        Raises:
            Full: there is no room for them.
        """
        if self._queue.qsize() + len(tasks) > self._room:
            raise Full
        for task in tasks:
            self._queue.put(task)

    async def close(self) -> None:
        """Do what waits, then end the threads."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _run(self) -> None:
        """One thread: batch after batch until it is told to end."""
        going = True
        while going:
            tasks, going = self._next()
            wanted = [task for task in tasks if not task.future.done()]
            if wanted:
                self.count(len(wanted))
                self._do(wanted)
                self._loop.call_soon_threadsafe(_deliver, wanted)

    def _next(self) -> tuple[list[Task], bool]:
        """What waits, one task at least, and whether to go on."""
        tasks: list[Task] = []
        task = self._queue.get()
        while task is not None:
            tasks.append(task)
            if len(tasks) == self._most:
                return tasks, True
            try:
                task = self._queue.get_nowait()
            except Empty:
                return tasks, True
        return tasks, False

    def _do(self, tasks: Sequence[Task]) -> None:
        """Do a batch; where it fails, each by itself, so that one picture does not fail the others."""
        try:
            self._work(tasks)
        except Exception as error:
            if len(tasks) == 1:
                log.exception("a picture could not be read for a reason that is not the picture")
                tasks[0].answer = error
                return
            for task in tasks:
                self._do([task])


def _deliver(tasks: Sequence[Task]) -> None:
    """In the event loop: wake those who wait."""
    for task in tasks:
        if not task.future.done():
            task.future.set_result(None)
