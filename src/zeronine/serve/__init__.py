"""The service: digits, pages and corrections over HTTP. ``create_app`` is the application, ``run`` serves it.

Raises:
    MissingExtra: on import, where FastAPI or uvicorn is not installed.
"""

import importlib.util

from zeronine.errors import MissingExtra

for _module, _library in (
    ("fastapi", "FastAPI"),
    ("uvicorn", "uvicorn"),
    ("python_multipart", "python-multipart"),
    ("prometheus_client", "prometheus-client"),
    ("sqlalchemy", "SQLAlchemy"),
):
    if importlib.util.find_spec(_module) is None:
        raise MissingExtra("serve", _library)

from zeronine.serve.app import create_app
from zeronine.serve.server import run
from zeronine.serve.settings import Limits, Settings

__all__ = ["Limits", "Settings", "create_app", "run"]
