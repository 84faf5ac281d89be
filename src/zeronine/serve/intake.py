"""What a request brings in, never more than the limits. Knows bodies and forms; opens no picture, writes no file."""

import asyncio
from dataclasses import dataclass, field
from types import TracebackType

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, parse_options_header
from starlette.requests import Request

from zeronine.serve.refusals import Refusal
from zeronine.serve.settings import Limits

MOST_FIELDS, MOST_TEXT = 16, 1024
"""Of a form: fields that are no files, and bytes of each."""

INLINE = 16 * 2**10
"""Bytes: a longer form is taken apart in a thread, as one made to be slow takes a second."""

MEBIBYTE = 2**20


@dataclass
class Form:
    """What came in a form.

    Attributes:
        files: name of the field, name of the file as the client has it, content.
        fields: the others, by name.
    """

    files: list[tuple[str, str, bytes]] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)


class Intake:
    """Receives the bodies of a service's requests.

    Args:
        limits: the service's.

    Attributes:
        held: bytes of the bodies that are being received or read now.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.held = 0

    def open(self, request: Request) -> "Incoming":
        """The body of a request, counted as held until the block ends."""
        return Incoming(self, request)


class Incoming:
    """One request's body; see ``Intake.open``."""

    def __init__(self, intake: Intake, request: Request) -> None:
        self._intake = intake
        self._request = request
        self._held = 0
        self._type = request.headers.get("content-type", "")

    def __enter__(self) -> "Incoming":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._intake.held -= self._held

    @property
    def is_form(self) -> bool:
        """Whether the body is a form; anything else is a picture, whatever its type is said to be."""
        return self._type[:19].lower() == "multipart/form-data"

    async def body(self) -> bytes:
        """The whole body.

        Raises:
            Refusal: it is too large, too slow, empty, or the service holds too much already.
        """
        limits = self._intake.limits
        announced = self._request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > limits.body:
            raise _too_much(limits)
        try:
            async with asyncio.timeout(limits.body_seconds):
                chunks = await self._chunks()
        except TimeoutError:
            raise Refusal(
                408, "slow body", f"the body took over {limits.body_seconds:g} s to come: send it again"
            ) from None
        if not chunks:
            raise Refusal(400, "empty", "the body is empty: send a picture, curl --data-binary @FILE")
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _chunks(self) -> list[bytes]:
        limits = self._intake.limits
        chunks: list[bytes] = []
        while True:
            message = await self._request.receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "gone", "the connection ended before the body did")
            if chunk := message.get("body", b""):
                self._hold(len(chunk), limits)
                chunks.append(chunk)
            if not message.get("more_body", False):
                return chunks

    def _hold(self, count: int, limits: Limits) -> None:
        self._held += count
        self._intake.held += count
        if self._held > limits.body:
            raise _too_much(limits)
        if self._intake.held > limits.held:
            raise Refusal(503, "memory", "too many large pictures are being read: try again in a moment", retry=1)

    async def form(self) -> Form:
        """The whole body as a form.

        Raises:
            Refusal: as for ``body``; or it is no form, a damaged one, or has too many parts.
        """
        if not self.is_form:
            raise Refusal(415, "no form", "send a form, multipart/form-data: curl -F NAME=VALUE")
        body = await self.body()
        if len(body) < INLINE:
            return _form(self._type, body, self._intake.limits)
        return await asyncio.to_thread(_form, self._type, body, self._intake.limits)


def _too_much(limits: Limits) -> Refusal:
    return Refusal(413, "body", f"more than {limits.body / MEBIBYTE:g} MiB: shrink the picture, or send fewer")


def _form(content_type: str, body: bytes, limits: Limits) -> Form:
    """A form taken apart, in memory.

    Raises:
        Refusal: it is damaged, or has too many parts.
    """
    form, fields = Form(), 0  # of which several may have one name

    def on_field(part: Field) -> None:
        nonlocal fields
        fields += 1
        if fields > MOST_FIELDS or len(part.value or b"") > MOST_TEXT:
            raise Refusal(422, "form", f"more than {MOST_FIELDS} fields, or one of more than {MOST_TEXT} bytes")
        form.fields[_text(part.field_name)] = _text(part.value)

    def on_file(part: File) -> None:
        if len(form.files) == limits.images:
            raise Refusal(422, "form", f"more than {limits.images} pictures in one request: send several requests")
        part.file_object.seek(0)
        form.files.append((_text(part.field_name), _text(part.file_name), part.file_object.read()))
        part.close()

    _, options = parse_options_header(content_type)
    try:
        parser = FormParser(
            "multipart/form-data",
            on_field,
            on_file,
            boundary=options.get(b"boundary"),
            config={"MAX_MEMORY_FILE_SIZE": limits.body + 1},
        )
        parser.write(body)
        parser.finalize()
    except (FormParserError, AssertionError, ValueError) as error:
        raise Refusal(400, "form", f"the form is damaged ({error}): let a library or curl -F make it") from None
    return form


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")
