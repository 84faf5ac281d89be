"""The service under load: predictions a second, how long the slowest wait, errors, and memory over time.

Starts ``zeronine serve`` as a process of its own on loopback and asks it for digits over connections that are kept
alive. As fast as it goes: with wrk where it is installed, else with a client in Python, which takes as long for a
request as the service does. At a steady rate: with the client, each request due at its time whether or not the ones
before it are answered, and its wait counted from when it was due.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import cv2
import numpy as np

from zeronine.errors import ServiceError
from zeronine.reader import Reader

SIDES = {"digit": 28, "drawing": 280}
"""Pixels of what is sent: digit images like MNIST's, and drawings as large as the page makes them."""

WARM_SECONDS = 1

COMMAND = (sys.executable, "-m", "zeronine")

WRK = """
local bodies = {}
for number = 0, 9 do
  local file = io.open("%s/" .. number .. ".png", "rb")
  bodies[number] = file:read("*a")
  file:close()
end
local turn = 0
function request()
  turn = (turn + 1) %% 10
  return wrk.format("POST", "/v1/predict", {["Content-Type"] = "image/png"}, bodies[turn])
end
function done(summary, latency)
  local wrong = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write
  print(string.format("zeronine %%d %%d %%d %%f %%f",
    summary.requests, wrong + summary.errors.timeout, summary.duration,
    latency:percentile(50), latency:percentile(99)))
end
"""
"""Asks for the ten digits in turn; prints requests, errors, and microseconds."""


@dataclass(frozen=True)
class Load:
    """What one run measured.

    Attributes:
        client: ``wrk`` or ``python``.
        seconds: it ran.
        rate: that was asked for, in requests a second; 0 for as many as go.
        answers: requests that were answered with a prediction.
        errors: all others.
        median: milliseconds.
        slowest: milliseconds, the 99th percentile.
        memory: MiB that the service held, each few seconds.
        processor: seconds that the service computed.
    """

    client: str
    seconds: float
    rate: float
    answers: int
    errors: int
    median: float
    slowest: float
    memory: tuple[float, ...]
    processor: float

    @property
    def speed(self) -> float:
        """Predictions a second."""
        return self.answers / self.seconds

    def lines(self) -> list[str]:
        """The same for people."""
        asked = f"{self.rate:.0f}/s asked for" if self.rate else "as fast as it goes"
        each = 1e6 * self.processor / max(self.answers, 1)
        held = [self.memory[place * (len(self.memory) - 1) // 10] for place in range(11)]
        return [
            f"{asked}, client {self.client}, {self.seconds:.0f} s: {self.speed:,.0f} predictions/s",
            f"errors: {self.errors}; waits: p50 {self.median:.1f} ms, p99 {self.slowest:.1f} ms",
            f"the service computed {each:.0f} µs for each",
            f"its memory, MiB: {' '.join(f'{one:.0f}' for one in held)}",
        ]


def measure(
    *,
    seconds: float = 60,
    rate: float = 0,
    picture: str = "digit",
    connections: int = 16,
) -> Load:
    """Load a service that is started for it.

    Args:
        seconds: to run, after a second to warm up.
        rate: requests a second; 0 for as many as go.
        picture: what is sent, see ``SIDES``.
        connections: kept open.

    Raises:
        ServiceError: there is no such picture, or the service does not start.
    """
    if picture not in SIDES:
        raise ServiceError(f"no such picture: {picture}. There are {', '.join(SIDES)}")
    pictures = drawn(SIDES[picture])
    with started() as (port, process):
        use_wrk = not rate and shutil.which("wrk") is not None
        run = _with_wrk if use_wrk else _with_python
        run(port, pictures, connections, rate, WARM_SECONDS)
        before, memory = processor_seconds(process), _Memory(process, seconds)
        answers, errors, took, median, slowest = run(port, pictures, connections, rate, seconds)
        used = processor_seconds(process) - before
        return Load("wrk" if use_wrk else "python", took, rate, answers, errors, median, slowest, memory.end(), used)


def drawn(side: int) -> list[bytes]:
    """The ten digits as PNG files of so many pixels: white on black, 28 as a digit image, 280 as drawn."""
    found = []
    for digit in range(10):
        canvas = np.zeros((280, 280), np.uint8)
        cv2.putText(canvas, str(digit), (60, 220), cv2.FONT_HERSHEY_SIMPLEX, 7, 255, 20, cv2.LINE_AA)
        image = (
            (Reader().prepare(canvas) * 255).round().astype(np.uint8)
            if side == 28
            else cv2.resize(canvas, (side, side))
        )
        found.append(cv2.imencode(".png", image)[1].tobytes())
    return found


@contextmanager
def started() -> Iterator[tuple[int, int]]:
    """A service on a free port of loopback, with an empty store: its port and its process."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = [*COMMAND, "serve", "--port", "0", "--store", f"{folder}/store.db"]
        with log.open("wb") as file:
            process = subprocess.Popen([*command, "--taught", folder], stdout=file, stderr=file)
        try:
            yield _port(log, process), process.pid
        finally:
            process.terminate()
            process.wait(30)


def _port(log: Path, process: "subprocess.Popen[bytes]") -> int:
    """Of a service that was started, when it can read."""
    for _ in range(300):
        for line in log.read_text(errors="replace").splitlines():
            if "http://" in line:
                port = int(line.rpartition(":")[2].strip("/ "))
                return _ready(port)
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise ServiceError(f"the service did not start: {log.read_text(errors='replace')[-500:]}")


def _ready(port: int) -> int:
    for _ in range(100):
        try:
            with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
                return port
        except OSError:
            time.sleep(0.1)
    raise ServiceError("the service did not become ready in ten seconds")


Result = tuple[int, int, float, float, float]


def _with_wrk(port: int, pictures: Sequence[bytes], connections: int, rate: float, seconds: float) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        for number, picture in enumerate(pictures):
            (Path(folder) / f"{number}.png").write_bytes(picture)
        script = Path(folder) / "digits.lua"
        script.write_text(WRK % folder)
        address = f"http://127.0.0.1:{port}"
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds:.0f}s",
            "--timeout",
            "10s",
            "-s",
            str(script),
            address,
        ]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    line = next(line for line in said.splitlines() if line.startswith("zeronine"))
    requests, errors, duration, median, slowest = (float(value) for value in line.split()[1:])
    return int(requests - errors), int(errors), duration / 1e6, median / 1000, slowest / 1000


def _with_python(port: int, pictures: Sequence[bytes], connections: int, rate: float, seconds: float) -> Result:
    return asyncio.run(_Client(port, pictures, connections, rate, seconds).run())


class _Client:
    """Asks over so many connections at a time, and keeps the waits."""

    def __init__(self, port: int, pictures: Sequence[bytes], connections: int, rate: float, seconds: float) -> None:
        head = "POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\nContent-Length: "
        self._requests = [f"{head}{len(picture)}\r\n\r\n".encode() + picture for picture in pictures]
        self._port = port
        self._connections = connections
        self._rate = rate
        self._seconds = seconds
        self._waits: list[float] = []
        self._statuses: Counter[bytes] = Counter()
        self._sent = 0

    async def run(self) -> Result:
        self._start = time.perf_counter()
        await asyncio.gather(*(self._asking() for _ in range(self._connections)))
        took = time.perf_counter() - self._start
        right = self._statuses.pop(b"200", 0)
        median, slowest = (1000 * float(np.quantile(self._waits, share)) for share in (0.5, 0.99))
        return right, sum(self._statuses.values()), took, median, slowest

    async def _asking(self) -> None:
        """One connection: request after request, each when it is due."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while (due := self._due()) < self._start + self._seconds:
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            writer.write(self._requests[self._sent % len(self._requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.index(b"content-length: ") + 16
            await reader.readexactly(int(head[length : head.index(b"\r", length)]))
            self._statuses[head[9:12]] += 1
            self._waits.append(time.perf_counter() - due)
        writer.close()

    def _due(self) -> float:
        """When the next request is to be sent: at its place in the rate, or now."""
        self._sent += 1
        return self._start + self._sent / self._rate if self._rate else time.perf_counter()


class _Memory:
    """Looks at a process's memory while something else goes on."""

    def __init__(self, process: int, seconds: float) -> None:
        from threading import Event, Thread

        self._process = process
        self._every = max(seconds / 100, 0.5)
        self._seen: list[float] = []
        self._ended = Event()
        self._thread = Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(self._every):
            self._seen.append(resident(self._process))

    def end(self) -> tuple[float, ...]:
        self._ended.set()
        self._thread.join()
        return tuple(self._seen)


def resident(process: int) -> float:
    """MiB that a process holds; Linux."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def processor_seconds(process: int) -> float:
    """Seconds that a process has computed; Linux."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
