"""The one family of errors that Zeronine raises on purpose. Each message says what to do about it."""


class ZeronineError(Exception):
    """Anything that Zeronine refuses, with the fix in its message."""


class ImageError(ZeronineError):
    """A picture that cannot be read or holds nothing to read.

    Attributes:
        reason: one short phrase for tables and JSON: ``blank``, ``unreadable``, ``too large``.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class DataError(ZeronineError):
    """A data set that is missing, damaged or not in a form that can be learned from."""


class ModelError(ZeronineError):
    """A model that cannot be found, opened or fed with digit images."""


class RecipeError(ZeronineError):
    """A recipe or a setting of one that does not exist or does not fit its data."""


class MissingExtra(ZeronineError):
    """A feature whose libraries are not installed; the message is the command that installs them."""

    def __init__(self, extra: str, missing: str) -> None:
        super().__init__(f"this needs {missing}: run  pip install 'zeronine[{extra}]'  (in a clone: '.[{extra}]')")
        self.extra = extra


class RuleError(ZeronineError):
    """A pattern, lexicon, check digit or form template is damaged or unknown; the message says which."""


class StoreError(ZeronineError):
    """A store of corrections that cannot be opened, read or written, or a correction that does not fit into one."""
