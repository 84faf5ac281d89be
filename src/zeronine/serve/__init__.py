"""The service: digits, pages and corrections over HTTP. ``create_app`` is the application, ``run`` serves it.

Raises:
    MissingExtra: on import, where the libraries of the extra ``serve`` are not installed.
"""

from zeronine.errors import MissingExtra

try:
    from zeronine.serve.app import Service, create_app
    from zeronine.serve.server import run
    from zeronine.serve.settings import Limits, Settings
except ImportError as error:
    raise MissingExtra("serve", error.name or "FastAPI") from error

__all__ = ["Limits", "Service", "Settings", "create_app", "run"]
