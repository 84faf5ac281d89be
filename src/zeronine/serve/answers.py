"""What the service answers, described for its OpenAPI document.

Answers are not made by these, which would cost more than to read a digit; a test holds them against what is answered.
"""

from typing import Annotated, Any

from pydantic import BaseModel, Field

Probability = Annotated[float, Field(ge=0, le=1.000001)]
Box = Annotated[
    list[float], Field(min_length=4, max_length=4, description="x, y, width, height as shares of the page.")
]
Digits = Annotated[str, Field(pattern="^[0-9]*$")]


class Refused(BaseModel):
    """What every refusal says."""

    detail: str = Field(description="A sentence that says what to do about it.")


class PredictionAnswer(BaseModel):
    """One picture of one digit, as ``zeronine predict --json`` prints it."""

    image: str | None = Field(description="Name of the file; null where the picture came without one.")
    digit: int | str | None = Field(description="The answer; null when rejected.")
    confidence: Probability
    rejected: bool
    reason: str = Field(
        description="Why it is rejected: blank, not a digit, unsure, unreadable, too large; else empty."
    )
    probabilities: list[Probability] = Field(description="Of each class.")
    model: str
    seen: str | None = Field(default=None, description="With seen=1: what the network saw, a PNG in base64.")


class PredictionsAnswer(BaseModel):
    """One answer per picture, in their order."""

    predictions: list[PredictionAnswer]


class Alternative(BaseModel):
    """Another reading."""

    text: str
    confidence: Probability


class PlacedDigit(BaseModel):
    """One digit of a number."""

    digit: int
    confidence: Probability
    box: Box


class NumberAnswer(BaseModel):
    """One number of a page."""

    text: str
    confidence: Probability
    box: Box
    angle: float = Field(description="Degrees by which the line is turned.")
    rejected: bool
    reason: str
    alternatives: list[Alternative]
    digits: list[PlacedDigit]


class PageAnswer(BaseModel):
    """A page, as ``zeronine read --json`` prints it."""

    image: str | None
    numbers: list[NumberAnswer]
    model: str


class CorrectionMade(BaseModel):
    """A correction that is kept."""

    id: str = Field(pattern="^[0-9a-f]{32}$")
    truth: Digits
    reading: Digits
    model: str
    created: str = Field(description="ISO 8601, UTC.")


class CorrectionAnswer(CorrectionMade):
    """A correction, without its picture."""

    confidence: Probability


class CorrectionsAnswer(BaseModel):
    """Corrections, newest first."""

    corrections: list[CorrectionAnswer]


class ModelAnswer(BaseModel):
    """One model."""

    name: str
    in_use: bool
    description: str


class ModelsAnswer(BaseModel):
    """All models."""

    models: list[ModelAnswer]


class State(BaseModel):
    """How the service is."""

    status: str


BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}


def picture_body(field: str, several: bool) -> dict[str, Any]:
    """Of a request that brings one picture as it is, or pictures in a form."""
    picture: dict[str, Any] = {"type": "string", "format": "binary"}
    many = {"type": "array", "items": picture, "minItems": 1, "maxItems": 64}
    form = {"type": "object", "required": [field], "properties": {field: many if several else picture}}
    kinds = ("application/octet-stream", "image/png", "image/jpeg", "image/webp")
    return {
        "required": True,
        "description": "The bytes of a picture of any kind that is known; or a form.",
        "content": dict.fromkeys(kinds, BINARY) | {"multipart/form-data": {"schema": form}},
    }


def correction_body() -> dict[str, Any]:
    """Of a request that brings a correction."""
    digits = {"type": "string", "pattern": "^[0-9]{0,64}$"}
    properties = {
        "image": {"type": "string", "format": "binary", "description": "The picture, or the piece of a page."},
        "truth": {**digits, "description": "What it is; empty for no digit."},
        "reading": {**digits, "description": "What was read; empty for nothing."},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "model": {"type": "string", "pattern": "^[A-Za-z0-9_.+-]{0,100}$"},
    }
    schema = {"type": "object", "required": ["image", "truth"], "properties": properties}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


MODEL_PARAMETER: dict[str, Any] = {
    "name": "model",
    "in": "query",
    "description": "Name of a model, see /v1/models; the one in use if not given.",
    "schema": {"type": "string", "minLength": 1},
}
SEEN_PARAMETER: dict[str, Any] = {
    "name": "seen",
    "in": "query",
    "description": "1: show what the network saw of each picture.",
    "schema": {"type": "string", "enum": ["0", "1"]},
}
