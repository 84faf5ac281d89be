"""Zeronine reads handwritten numbers.

>>> from zeronine import Reader
>>> Reader().predict("seven.png").digit  # doctest: +SKIP
7
>>> [number.text for number in Reader().read("scores.jpg")]  # doctest: +SKIP
['128', '97', '2048']
"""

from typing import TYPE_CHECKING, Any

from zeronine.errors import DataError, ImageError, MissingExtra, ModelError, RecipeError, RuleError, ZeronineError

if TYPE_CHECKING:
    from zeronine.image import digit_image
    from zeronine.numbers import Number
    from zeronine.reader import Prediction, Reader

__all__ = [
    "DataError",
    "ImageError",
    "MissingExtra",
    "ModelError",
    "Number",
    "Prediction",
    "Reader",
    "RecipeError",
    "RuleError",
    "ZeronineError",
    "digit_image",
]


def __getattr__(name: str) -> Any:
    """What needs OpenCV and ONNX Runtime is imported when it is first asked for: ``import zeronine`` is instant."""
    if name in ("Prediction", "Reader"):
        from zeronine import reader

        return getattr(reader, name)
    if name == "Number":
        from zeronine.numbers import Number

        return Number
    if name == "digit_image":
        from zeronine.image import digit_image

        return digit_image
    raise AttributeError(f"module 'zeronine' has no attribute {name!r}")
