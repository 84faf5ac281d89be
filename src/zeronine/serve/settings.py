"""What a service is told when it starts, and what it refuses to be told. Knows no HTTP, no model."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from zeronine.errors import ServiceError

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""Names by which a browser on this machine asks for a service on it."""

LEAST_TOKEN = 16
"""Characters: a shorter token can be guessed."""


@dataclass(frozen=True)
class Limits:
    """How much a service takes on; what is over is refused with a sentence, and none of it is kept.

    Attributes:
        body: bytes of one request.
        held: bytes of all requests that are being received or read.
        pixels: of one picture.
        images: in one request.
        waiting: single digits that wait to be read.
        pages: pages that wait to be read.
        batch: single digits that are read together.
        header_bytes: of one request's headers.
        header_seconds: for a request's headers to come in.
        body_seconds: for a request's body to come in.
        digit_seconds: for an answer to a request for digits.
        page_seconds: for an answer to a request for a page.
        connections: open at a time.
        corrections: that one client may send at once.
        refill: seconds after which a client may send one more.
        clients: of whom it is remembered what they sent.
        stored: corrections that are kept.
        side: pixels of a correction's longer side; a larger picture is shrunk.
    """

    body: int = 16 * 2**20
    held: int = 128 * 2**20
    pixels: int = 20_000_000
    images: int = 64
    waiting: int = 256
    pages: int = 8
    batch: int = 32
    header_bytes: int = 16 * 2**10
    header_seconds: float = 10
    body_seconds: float = 30
    digit_seconds: float = 10
    page_seconds: float = 60
    connections: int = 500
    corrections: int = 30
    refill: float = 2
    clients: int = 10_000
    stored: int = 20_000
    side: int = 1280


@dataclass(frozen=True)
class Settings:
    """What a service is told when it starts.

    Attributes:
        host: address to bind; one that other machines reach needs a token.
        port: likewise; 0 for any that is free.
        token: that requests must bear; empty for none.
        store: where corrections go, see ``store.Store``; None for the usual place.
        model: that reads when a request names none; None for the taught one where there is one, else the shipped one.
        taught: folder of the taught models; None for the usual place.
        cors: origins of other websites whose pages may use the service, ``https://example.org``.
        allow_hosts: names, beside those of loopback, by which the service may be asked for.
        proxies: addresses of proxies whose word is taken for who a client is.
        limits: how much it takes on.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str = ""
    store: str | None = None
    model: str | None = None
    taught: Path | None = None
    cors: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)

    def checked(self) -> "Settings":
        """The same.

        Raises:
            ServiceError: other machines could use the service without a token, or a setting cannot be.
        """
        if not is_loopback(self.host) and not self.token:
            raise ServiceError(
                f"{self.host} is reached from other machines: set a token, --token or ZERONINE_TOKEN, or bind 127.0.0.1"
            )
        if self.token and (len(self.token) < LEAST_TOKEN or not self.token.isascii() or not self.token.isprintable()):
            raise ServiceError(
                f"the token needs {LEAST_TOKEN} printable ASCII characters or more: make one with  "
                "python -c 'import secrets; print(secrets.token_urlsafe())'"
            )
        for origin in self.cors:
            if not origin.startswith(("http://", "https://")) or origin.count("/") != 2:
                raise ServiceError(f"--cors {origin}: name a website as browsers do, https://example.org")
        return self

    @property
    def hosts(self) -> frozenset[str]:
        """Names by which the service may be asked for; empty for any.

        Without a token a foreign website could turn its own name into 127.0.0.1 and use the service from a visitor's
        browser (DNS rebinding); with one it cannot, as it has no token.
        """
        if self.token and not self.allow_hosts:
            return frozenset()
        own = f"[{self.host}]" if ":" in self.host else self.host
        return frozenset(name.lower() for name in (*LOOPBACK, own, *self.allow_hosts))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what is bound there."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
