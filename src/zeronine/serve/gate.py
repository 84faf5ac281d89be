"""What every request passes before anything else looks at it: who asks, for whom, from where. Pure ASGI.

Knows headers. Knows no picture, no model; reads no body.
"""

import asyncio
import hmac
import time
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zeronine.serve.metrics import Metrics
from zeronine.serve.refusals import Refusal
from zeronine.serve.settings import Settings

SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""

OPEN = ("/", "/docs", "/openapi.json", "/healthz", "/readyz")
"""Paths that need no token: they tell nothing that is not in the package."""

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
"""On every answer."""

CLOSED = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
"""On every answer that has no policy of its own: nothing in it is ever run, should a browser show it."""


class Gate:
    """The application behind it, for those who may ask.

    Args:
        app: the application.
        settings: the service's.
        metrics: where requests are counted.

    Attributes:
        draining: set when the service is about to end: new work is refused.
        busy: requests that are being answered; of one whose answer goes out the client alone says how long it takes.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._hosts = settings.hosts
        self._origins = frozenset(settings.cors)
        self._token = f"bearer {settings.token}".encode() if settings.token else b""
        self._metrics = metrics
        self.draining = False
        self.busy = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, busy = time.perf_counter(), 500, True

        async def answer(message: Message) -> None:
            nonlocal status, busy
            if message["type"] == "http.response.start":
                self.busy -= busy
                status, busy = message["status"], False
                _protect(message)
                if self.draining:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        self.busy += 1
        try:
            try:
                self._check(scope)
            except Refusal as refusal:
                self._metrics.refused(refusal.reason)
                await refusal.response()(scope, receive, answer)
            else:
                await self._app(scope, receive, answer)
        finally:
            self.busy -= busy
            route = scope.get("route")
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.answered(method, getattr(route, "path", "other"), status, time.perf_counter() - started)

    def _check(self, scope: Scope) -> None:
        """See that the request may be answered.

        Raises:
            Refusal: it may not.
        """
        headers = _named(scope["headers"])
        self._check_host(headers)
        path = scope["path"]
        if path.startswith("/v1/"):
            if self.draining:
                raise Refusal(503, "ending", "the service is about to end: try again in a moment", retry=1)
            if scope["method"] not in SAFE:
                self._check_origin(headers)
        if self._token and path not in OPEN and scope["method"] != "OPTIONS":
            self._check_token(headers.get(b"authorization", b""))

    def _check_host(self, headers: dict[bytes, bytes]) -> None:
        host = _name(headers.get(b"host", b"").decode("latin-1"))
        if self._hosts and host not in self._hosts:
            raise Refusal(421, "host", f"this service is not called {host!r}: start it with --allow-host NAME")

    def _check_origin(self, headers: dict[bytes, bytes]) -> None:
        """A browser says which website's page makes it ask; other programs say nothing, and may."""
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin in self._origins:
            return
        site = headers.get(b"sec-fetch-site")
        if site is not None:  # no page can lie about it, and no proxy changes it as it may the host
            foreign = site not in (b"none", b"same-origin")
        else:
            foreign = origin != "" and origin.partition("://")[2] != headers.get(b"host", b"").decode("latin-1")
        if foreign:
            raise Refusal(403, "origin", "a page of another website asks: start the service with --cors ORIGIN")

    def _check_token(self, given: bytes) -> None:
        scheme, _, token = given.partition(b" ")
        if not hmac.compare_digest(scheme.lower() + b" " + token.strip(), self._token):
            raise Refusal(
                401,
                "token",
                "this needs the service's token: Authorization: Bearer TOKEN",
                headers={"WWW-Authenticate": "Bearer"},
            )


METHODS = (*SAFE, "POST", "PUT", "PATCH", "DELETE")
WANTED = frozenset((b"host", b"origin", b"sec-fetch-site", b"authorization"))


def _named(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Those headers that are looked at here."""
    return {name: value for name, value in headers if name in WANTED}


def _name(host: str) -> str:
    """A host without its port, in small letters; [::1] keeps its brackets."""
    if host.startswith("["):
        return host[: host.find("]") + 1].lower()
    return host.partition(":")[0].lower()


def _protect(message: Message) -> None:
    headers = message["headers"] = list(message.get("headers", ()))
    headers.extend(HEADERS)
    if not any(name == CLOSED[0] for name, _ in headers):
        headers.append(CLOSED)


async def settled(gate: Gate, seconds: float) -> None:
    """Wait until nothing is being answered, so long at most."""
    ending = time.monotonic() + seconds
    while gate.busy and time.monotonic() < ending:
        await asyncio.sleep(0.05)
