"""What a service says no to, and how. Knows statuses and sentences; knows no picture, no model."""

import json
from typing import Any

from starlette.responses import Response


class Refusal(Exception):
    """A request that is refused.

    Args:
        status: of HTTP.
        reason: one short phrase, for counting.
        detail: the sentence for people; it says what to do about it.
        retry: seconds after which to try again, where that helps.
        headers: more of the answer's headers.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        detail: str,
        *,
        retry: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.headers = dict(headers or {})
        if retry is not None:
            self.headers["Retry-After"] = str(retry)

    def response(self) -> Response:
        """The answer that says so."""
        return as_json({"detail": self.detail}, self.status, self.headers)


def as_json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Plain types as an answer."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, status, headers, "application/json")
