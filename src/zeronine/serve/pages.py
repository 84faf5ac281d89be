"""The two web pages that a service shows. Knows files of this package and browsers' rules; knows no request.

Each page is one file. Its scripts and styles are named in its policy by their hashes: nothing else runs in it, not even
what somebody should manage to write into it.
"""

import base64
import hashlib
import re
from pathlib import Path

from starlette.responses import Response

STATIC = Path(__file__).parent / "static"


def page(name: str) -> Response:
    """A page of this package.

    Args:
        name: of the file, in ``static``.
    """
    html = (STATIC / name).read_bytes()
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hashes(html, b'script')}",
            f"style-src {_hashes(html, b'style')}",
            "img-src 'self' data: blob:",
            "media-src blob:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
    return Response(html, headers=headers, media_type="text/html")


def _hashes(html: bytes, tag: bytes) -> str:
    """The hashes of a page's inline scripts, or styles, as a policy names them."""
    inside = re.findall(rb"<%s[^>]*>(.*?)</%s>" % (tag, tag), html, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(text).digest()).decode() for text in inside)
    return " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
