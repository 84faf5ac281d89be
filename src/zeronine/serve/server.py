"""Serves the application: uvicorn, with what it lacks against clients that mean ill. Knows sockets, not pictures."""

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import uvicorn

from zeronine.errors import ServiceError
from zeronine.serve.app import Service
from zeronine.serve.gate import settled
from zeronine.serve.settings import Limits, Settings

DRAIN_SECONDS = 20.0
"""For what was accepted to be answered when the service is told to end."""

log = logging.getLogger("zeronine.serve")


def run(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl+C; what was accepted by then is still answered.

    Args:
        settings: what the service is told.

    Raises:
        ServiceError: the settings are unsafe, or the address is taken.
        ModelError: the model cannot be opened.
        StoreError: the store cannot be opened.
    """
    import cv2

    service = Service(settings)
    cv2.setNumThreads(1)  # pictures are read side by side: what is split among threads waits for them
    with contextlib.closing(_bound(settings)) as bound:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        log.info("http://%s:%d", host, bound.getsockname()[1])
        Server(service).run([bound])


def _bound(settings: Settings) -> socket.socket:
    """A socket at the address."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host.strip("[]"), settings.port))
    except OSError as error:
        bound.close()
        raise ServiceError(f"{settings.host}:{settings.port} cannot be bound ({error}): take another --port") from error
    return bound


class Server(uvicorn.Server):
    """uvicorn, that answers what was accepted before it ends.

    Args:
        service: the application.
    """

    def __init__(self, service: Service) -> None:
        settings = service.settings
        self._gate = service.gate
        super().__init__(
            uvicorn.Config(
                service,
                http=guarded(settings.limits),
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(settings.proxies),
                forwarded_allow_ips=list(settings.proxies),
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=5,
                h11_max_incomplete_event_size=settings.limits.header_bytes,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse what is new, answer what was accepted, then close the door."""
        self._gate.draining = True
        await settled(self._gate, DRAIN_SECONDS)
        await super().shutdown(sockets)


KEEP_ALIVE_SECONDS = 30
"""That a connection stays open between requests, and while the other side takes nothing of its answers."""

CLOSING_SECONDS = 3.0
"""For the other side to take what was sent when a connection ends."""

LINGER_SECONDS = 1.0
"""That the rest of a body is taken, and thrown away, after its request was refused: where a connection ends while the
other side sends, the other side's system throws the answer away."""

PIECE = 4096
"""Bytes that are taken in together: headers are counted but for the piece that they begin in."""


def guarded(limits: Limits) -> "type[asyncio.Protocol] | str":
    """The protocol of uvicorn, with limits on headers, idle connections and bodies that nobody reads.

    Args:
        limits: the service's.

    Returns:
        The protocol; the name of uvicorn's own where httptools is not installed, which has a limit on headers.
    """
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
    except ImportError:
        return "auto"

    class Guarded(HttpToolsProtocol):
        _limit: asyncio.TimerHandle | None = None  # ends the connection
        _untaken: asyncio.TimerHandle | None = None  # likewise, where the other side takes nothing of its answers
        _answered: RequestResponseCycle | None = None  # the request that is answered now, or was last
        _in_headers = True
        _begun = False  # whether these headers began in the last piece, in which another request may lie before them
        _header_bytes = 0
        _status = 400

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                transport.write(_plain(503, "too many connections: try again in a moment", "retry-after: 1\r\n"))
                self._end()
            else:
                self._end_after(limits.header_seconds)

        def connection_lost(self, exc: Exception | None) -> None:
            self._end_after(None)
            self.resume_writing()
            if self._answered is not None:  # uvicorn tells only the one that came last, and this one would go on
                self._answered.disconnected = True
                self._answered.message_event.set()
            super().connection_lost(exc)

        def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
            self._answered = cycle
            super()._start_asgi_task(cycle, app)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._untaken = self.loop.call_later(KEEP_ALIVE_SECONDS, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._untaken is not None:
                self._untaken.cancel()

        def timeout_keep_alive_handler(self) -> None:
            if not self.transport.is_closing():
                self._end()

        def shutdown(self) -> None:
            super().shutdown()
            self._end_after(CLOSING_SECONDS, self.transport.abort)

        def data_received(self, data: bytes) -> None:
            for start in range(0, len(data), PIECE):
                if not self.transport.is_closing():
                    self._piece_received(data[start : start + PIECE])

        def _piece_received(self, data: bytes) -> None:
            self._begun = False
            super().data_received(data)
            if self._in_headers:
                self._header_bytes += 0 if self._begun else len(data)
                if self._header_bytes > limits.header_bytes and not self.transport.is_closing():
                    self._refuse_headers()
                elif self._limit is None:
                    self._end_after(limits.header_seconds)

        def on_message_begin(self) -> None:
            self._in_headers, self._begun, self._header_bytes = True, True, 0
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._in_headers = False
            self._end_after(None)
            if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > limits.header_bytes:
                self._status = 431
                raise ValueError  # the parser ends, and send_400_response is called
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            super().on_message_complete()
            if self.cycle.response_complete:  # that was the rest of a refused body
                self._end_after(KEEP_ALIVE_SECONDS)

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.transport.is_closing():
                self._end_after(KEEP_ALIVE_SECONDS, self.transport.abort)
            cycle = self.cycle  # of requests that were sent without waiting for answers, the last that has begun
            if cycle.response_complete and cycle.more_body and not self.transport.is_closing():
                self._end_after(LINGER_SECONDS)

        def send_400_response(self, msg: str) -> None:
            said = (
                f"headers of more than {limits.header_bytes} bytes"
                if self._status == 431
                else "this is no HTTP request"
            )
            self.transport.write(_plain(self._status, said))
            self._end()

        def _refuse_headers(self) -> None:
            self._status = 431
            self.send_400_response("")

        def _end_after(self, seconds: float | None, end: Callable[[], None] | None = None) -> None:
            """Close the connection after so long, or end it in another way; None for never."""
            if self._limit is not None:
                self._limit.cancel()
            self._limit = None if seconds is None else self.loop.call_later(seconds, end or self._end)

        def _end(self) -> None:
            """Close the connection, without what the other side has not taken soon."""
            self.transport.close()
            self._end_after(CLOSING_SECONDS, self.transport.abort)

    return Guarded


def _plain(status: int, detail: str, headers: str = "") -> bytes:
    """An answer that no application makes."""
    body = json.dumps({"detail": detail})
    return (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n{headers}"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n{body}"
    ).encode()
