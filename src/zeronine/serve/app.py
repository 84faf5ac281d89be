"""The service: what is asked of it, and what it answers. Puts together what its sibling modules know."""

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Path, Query
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from zeronine.errors import ImageError, ModelError, StoreError
from zeronine.reader import Reader
from zeronine.serve import answers
from zeronine.serve.batches import Batches, Full, Task
from zeronine.serve.buckets import Buckets
from zeronine.serve.gate import Gate
from zeronine.serve.intake import Form, Intake
from zeronine.serve.metrics import Metrics
from zeronine.serve.models import Models
from zeronine.serve.pages import page
from zeronine.serve.reading import UnknownKind, kept, read_digits, read_pages, refused
from zeronine.serve.refusals import Refusal, as_json
from zeronine.serve.settings import Settings
from zeronine.store import Correction, Store

log = logging.getLogger("zeronine.serve")

LOOK_SECONDS = 1.0
"""Between looks at which taught model is in use."""

STORE_SECONDS, STORE_THREADS = 5.0, 4
"""For the store while another program holds it, and twice as long behind others; threads that ask it side by side."""

Answer = TypeVar("Answer")

DIGITS, MODEL_NAME = re.compile(r"[0-9]{0,64}"), re.compile(r"[A-Za-z0-9_.+-]{0,100}")

STATUSES = {
    400: "The body is empty, or the form is damaged.",
    401: "The service's token is missing.",
    403: "A page of another website asks.",
    404: "There is no such thing.",
    405: "Not with this method.",
    408: "The body took too long to come.",
    413: "More than a limit allows.",
    415: "What came is no picture of a known kind.",
    421: "The service is not the one that is asked for.",
    422: "The picture is damaged, or a parameter is not what it must be.",
    429: "This client sent too many corrections.",
    503: "Too much waits already, or the service is ending; Retry-After says when to try again.",
    504: "There was no answer in time.",
    507: "No more corrections are kept.",
}
"""What each refusal means."""


class Service:
    """The application, ASGI.

    Args:
        settings: what it is told.

    Raises:
        ServiceError: the settings are unsafe.
        ModelError: the model cannot be opened.
        StoreError: the store cannot be opened.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings.checked()
        self.limits = settings.limits
        self.metrics = Metrics()
        self.intake = Intake(self.limits)
        self.buckets = Buckets(self.limits.corrections, self.limits.refill, self.limits.clients)
        self.models = Models(settings.model, settings.taught)
        self.store = Store(settings.store, STORE_SECONDS)
        self._keepers = ThreadPoolExecutor(STORE_THREADS, "store")
        self.warm = False
        self.digits: Batches
        self.pages: Batches
        self.gate = Gate(_api(self), settings, self.metrics)
        self._app: ASGIApp = self.gate
        if settings.cors:
            self._app = CORSMiddleware(
                self.gate, settings.cors, allow_methods=["GET", "POST", "DELETE"], allow_headers=["Authorization"]
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)

    @asynccontextmanager
    async def running(self, _: FastAPI) -> AsyncIterator[None]:
        """The service's threads, from its start to its end."""
        limits, processors = self.limits, os.cpu_count() or 1
        work = partial(read_digits, pixels=limits.pixels)
        self.digits = Batches(work, room=limits.waiting, most=limits.batch, threads=processors, name="digits")
        self.digits.count = self.metrics.watch("digits", self.digits.waiting)
        work = partial(read_pages, pixels=limits.pixels)
        self.pages = Batches(work, room=limits.pages, most=1, threads=1, name="pages")
        self.pages.count = self.metrics.watch("pages", self.pages.waiting)
        self.metrics.in_use(self.models.in_use.name)
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            try:
                with suppress(asyncio.CancelledError):
                    await watching
            finally:
                await self.digits.close()
                await self.pages.close()
                await asyncio.to_thread(self._keepers.shutdown)
                self.store.close()

    async def _watch(self) -> None:
        """Warm what reads pages; then look, again and again, which taught model is in use."""
        with suppress(Exception):  # it is said again when a page is asked for
            await asyncio.to_thread(lambda: self.models.in_use.networks)
        self.warm = True
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if await asyncio.to_thread(self.models.refresh):
                    self.metrics.in_use(self.models.in_use.name)
            except Exception:
                log.exception("the look at which model is in use failed: the next one is in %g s", LOOK_SECONDS)

    async def predict(self, request: Request) -> Response:
        """Read one picture of a digit, or several in a form."""
        reader, seen = await self._asked(request)
        with self.intake.open(request) as incoming:
            if not incoming.is_form:
                task = Task(await incoming.body(), reader, seen)
                await self._done(self.digits, [task], self.limits.digit_seconds)
                return as_json(_one(task))
            files = _pictures(await incoming.form(), "images")
            tasks = [Task(content, reader, seen) for _, content in files]
            await self._done(self.digits, tasks, self.limits.digit_seconds)
        rows = [_row(task) | {"image": name} for (name, _), task in zip(files, tasks, strict=True)]
        return as_json({"predictions": rows})

    async def read(self, request: Request) -> Response:
        """Read every number on a page."""
        reader, _ = await self._asked(request)
        name: str | None = None
        with self.intake.open(request) as incoming:
            if incoming.is_form:
                files = _pictures(await incoming.form(), "image")
                if len(files) > 1:
                    raise Refusal(422, "form", "several pages: send one at a time")
                [(name, source)] = files
            else:
                source = await incoming.body()
            task = Task(source, reader)
            leaving = asyncio.create_task(_left(request, task))
            try:
                await self._done(self.pages, [task], self.limits.page_seconds)
            finally:
                leaving.cancel()
        return as_json({"image": name, "numbers": _one(task), "model": reader.page_name})

    async def correct(self, request: Request) -> Response:
        """Keep a correction."""
        client = _client(request)
        if wait := self.buckets.take(client):
            raise Refusal(429, "corrections", "too many corrections: try again in a moment", retry=int(wait) + 1)
        with self.intake.open(request) as incoming:
            form = await incoming.form()
            [(_, source), *_] = _pictures(form, "image")
            fields = _correction(form)
            try:
                picture = await asyncio.to_thread(kept, source, self.limits.pixels, self.limits.side)
            except ImageError as error:
                raise _refusal(error) from None
        if await self._stored(self.store.count) >= self.limits.stored:
            raise Refusal(507, "stored", "no room for more corrections: teach with them, export and delete them")
        made = await self._stored(partial(self.store.add, picture, client=client, **fields))
        return as_json(_made(made), 201)

    async def corrections(
        self, request: Request, limit: Annotated[int, Query(ge=1, le=200, description="So many at most.")] = 50
    ) -> Response:
        """List corrections, newest first: your own; with a token set, everyone's."""
        whose = None if self.settings.token else _client(request)
        found = await self._stored(partial(self.store.all, limit=limit, newest_first=True, client=whose))
        return as_json({"corrections": [{**_made(one), "confidence": one.confidence} for one in found]})

    async def correction_image(self, request: Request, id: "CorrectionId") -> Response:
        """Show the picture of a correction, a PNG."""
        found = await self._own(request, id)
        return Response(found.picture, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})

    async def withdraw(self, request: Request, id: "CorrectionId") -> Response:
        """Delete a correction: undo it."""
        await self._own(request, id)
        await self._stored(partial(self.store.delete, id))
        return Response(status_code=204)

    async def list_models(self) -> Response:
        """List the models that there are."""
        return as_json({"models": await asyncio.to_thread(self.models.listed)})

    async def health(self) -> Response:
        """Say that the service runs."""
        return as_json({"status": "ok"})

    async def readiness(self) -> Response:
        """Say whether it can read now: its model is warm, and it is not about to end."""
        if self.warm and not self.gate.draining:
            return as_json({"status": "ready"})
        raise Refusal(503, "not ready", "not ready: it is starting or ending, try again in a moment", retry=1)

    async def counts(self) -> Response:
        """Show counts for Prometheus."""
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _asked(self, request: Request) -> tuple[Reader, bool]:
        """The Reader that a request asks for, and whether it wants to see what the network sees."""
        if not request.scope["query_string"]:
            return self.models.in_use, False
        asked = request.query_params
        seen = asked.get("seen", "0")
        if seen not in ("0", "1"):
            raise Refusal(422, "parameter", "seen is 0 or 1")
        name = asked.get("model")
        if name is None:
            return self.models.in_use, seen == "1"
        try:
            reader = self.models.ready(name)
            if reader is None:
                reader = await asyncio.to_thread(self.models.reader, name)
        except ModelError as error:
            raise Refusal(404, "model", str(error)) from None
        return reader, seen == "1"

    async def _done(self, queue: Batches, tasks: Sequence[Task], seconds: float) -> None:
        """Have tasks done.

        Raises:
            Refusal: the queue is full, or they took too long.
        """
        try:
            queue.put(tasks)
        except Full:
            raise Refusal(503, "full", "too much waits to be read: try again in a moment", retry=1) from None
        try:
            async with asyncio.timeout(seconds):
                for task in tasks:
                    await task.future
        except TimeoutError:
            for task in tasks:
                task.future.cancel()
            raise Refusal(504, "slow", f"no answer in {seconds:g} s: send a smaller picture, or try later") from None

    async def _stored(self, ask: Callable[[], Answer]) -> Answer:
        """What the store answers, asked in threads of its own: while it is waited for, nothing else waits.

        Raises:
            StoreError: it does not answer, or not in time.
        """
        try:
            async with asyncio.timeout(2 * STORE_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._keepers, ask)
        except TimeoutError:
            raise StoreError("too much waits for the store: see which other program holds it") from None

    async def _own(self, request: Request, id: str) -> Correction:
        """A correction that this client may see: its own, or any where it has shown a token."""
        found = await self._stored(partial(self.store.get, id))
        if found is None or not (self.settings.token or found.client == _client(request)):
            raise Refusal(404, "correction", "no such correction of yours: GET /v1/corrections lists them")
        return found


CorrectionId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


def create_app(settings: Settings | None = None) -> Service:
    """The service as an ASGI application, for a server of your own; ``run`` brings one.

    Args:
        settings: what it is told; None for the usual.

    Raises:
        ServiceError: the settings are unsafe.
        ModelError: the model cannot be opened.
        StoreError: the store cannot be opened.
    """
    return Service(settings or Settings())


def _api(service: Service) -> FastAPI:
    """The paths, and what goes wrong on them."""
    api = FastAPI(
        title="Zeronine",
        summary="Reads handwritten digits and numbers.",
        version=_version(),
        docs_url=None,
        redoc_url=None,
        lifespan=service.running,
        swagger_ui_oauth2_redirect_url=None,
    )
    _add_paths(api, service)
    # FastAPI's own route takes 20 µs more of each request than this one, which it describes.
    api.router.routes.insert(0, Route("/v1/predict", service.predict, methods=["POST"]))
    if service.settings.token:
        _describe_token(api)

    @api.exception_handler(Refusal)
    async def refuse(request: Request, refusal: Refusal) -> Response:
        service.metrics.refused(refusal.reason)
        return refusal.response()

    @api.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        said = {404: "no such path: GET /docs lists them", 405: f"not {request.method}: GET /docs says what is"}
        detail = said.get(error.status_code, str(error.detail))
        return as_json({"detail": detail}, error.status_code, dict(error.headers or {}))

    @api.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        service.metrics.refused("parameter")
        faults = (f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors())
        return as_json({"detail": "; ".join(faults)}, 422)

    @api.exception_handler(StoreError)
    async def storeless(request: Request, error: StoreError) -> Response:
        log.error("%s", error)
        return Refusal(503, "store", "the store of corrections does not answer: try later", retry=10).response()

    @api.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return as_json({"detail": "the service failed; its log says why"}, 500)

    return api


def _add_paths(api: FastAPI, service: Service) -> None:
    image = {"content": {"image/png": answers.BINARY}, "description": "The picture."}
    text = {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Counts."}
    one_or_many = answers.PredictionAnswer | answers.PredictionsAnswer
    reading = (400, 408, 413, 415, 422, 503, 504)

    def add(method: str, path: str, endpoint: Any, answer: Any, refusals: Sequence[int] = (), **more: Any) -> None:
        status = more.pop("status_code", 200)
        guarded = (401, 403, 421, 503) if path.startswith("/v1/") else (421,)
        known: dict[int | str, dict[str, Any]] = {
            code: {"model": answers.Refused, "description": STATUSES[code]} for code in (*refusals, *guarded)
        }
        known[status] = answer if isinstance(answer, dict) else {"model": answer}
        more |= {"response_model": None, "response_class": Response, "responses": known, "status_code": status}
        api.add_api_route(path, endpoint, methods=[method], **more)
        if method == "GET":
            api.add_api_route(path, endpoint, methods=["HEAD"], response_model=None, include_in_schema=False)

    asked = [answers.MODEL_PARAMETER, answers.SEEN_PARAMETER]
    body = {"parameters": asked, "requestBody": answers.picture_body("images", several=True)}
    add("POST", "/v1/predict", service.predict, one_or_many, (404, *reading), openapi_extra=body)
    body = {"parameters": asked[:1], "requestBody": answers.picture_body("image", several=False)}
    add("POST", "/v1/read", service.read, answers.PageAnswer, (404, *reading), openapi_extra=body)
    body = {"requestBody": answers.correction_body()}
    add(
        "POST",
        "/v1/corrections",
        service.correct,
        answers.CorrectionMade,
        (400, 408, 413, 415, 422, 429, 507),
        openapi_extra=body,
        status_code=201,
    )
    add("GET", "/v1/corrections", service.corrections, answers.CorrectionsAnswer, (422,))
    add("GET", "/v1/corrections/{id}/image", service.correction_image, image, (404, 422))
    add("DELETE", "/v1/corrections/{id}", service.withdraw, {"description": "Deleted."}, (404, 422), status_code=204)
    add("GET", "/v1/models", service.list_models, answers.ModelsAnswer)
    add("GET", "/healthz", service.health, answers.State)
    add("GET", "/readyz", service.readiness, answers.State, (503,))
    add("GET", "/metrics", service.counts, text, (401,))
    for path, name in (("/", "index.html"), ("/docs", "docs.html")):
        api.add_api_route(path, partial(_show, page(name)), methods=["GET", "HEAD"], include_in_schema=False)


async def _show(response: Response) -> Response:
    return response


def _describe_token(api: FastAPI) -> None:
    """Say in the OpenAPI document that a token is needed."""
    document = api.openapi()
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, methods in document["paths"].items():
        for operation in methods.values() if path.startswith("/v1/") or path == "/metrics" else ():
            operation["security"] = [{"token": []}]


def _version() -> str:
    from importlib.metadata import version

    return version("zeronine")


async def _left(request: Request, task: Task) -> None:
    """Give a task up when its client goes: what has not begun by then is not done."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    if not task.future.done():
        task.future.set_exception(Refusal(400, "gone", "the connection ended before the answer"))


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


def _pictures(form: Form, name: str) -> list[tuple[str, bytes]]:
    """Names and contents of the pictures in one field of a form."""
    found = [(file, content) for field, file, content in form.files if field == name]
    if not found:
        raise Refusal(422, "form", f"no picture in the field {name}: curl -F {name}=@FILE")
    return found


def _correction(form: Form) -> dict[str, Any]:
    """The fields of a correction, seen to be what they must be."""
    fields = form.fields
    if "truth" not in fields:
        raise Refusal(422, "form", "the field truth is missing: digits, or empty for what is no digit")
    texts = {name: fields.get(name, "") for name in ("truth", "reading", "model")}
    for name, pattern in (("truth", DIGITS), ("reading", DIGITS), ("model", MODEL_NAME)):
        if not pattern.fullmatch(texts[name]):
            raise Refusal(422, "form", f"the field {name} does not match {pattern.pattern}")
    try:
        confidence = float(fields.get("confidence") or 0)
    except ValueError:
        confidence = -1.0
    if not 0 <= confidence <= 1:
        raise Refusal(422, "form", "the field confidence is a number, 0 to 1")
    return {**texts, "confidence": confidence}


def _made(correction: Correction) -> dict[str, str]:
    return {
        "id": correction.id,
        "truth": correction.truth,
        "reading": correction.reading,
        "model": correction.model,
        "created": correction.created.isoformat(),
    }


def _one(task: Task) -> Any:
    """The answer of a task that came alone.

    Raises:
        Refusal: the picture cannot be read.
    """
    if isinstance(task.answer, ImageError):
        raise _refusal(task.answer)
    return _given(task)


def _row(task: Task) -> dict[str, Any]:
    """The answer of a task among others: where the picture cannot be read, it is rejected, and says so."""
    if isinstance(task.answer, ImageError):
        return refused(task.reader, task.answer)
    row: dict[str, Any] = _given(task)
    return row


def _given(task: Task) -> Any:
    if isinstance(task.answer, ModelError):
        raise Refusal(422, "model", str(task.answer))
    if isinstance(task.answer, Exception):
        raise task.answer
    return task.answer


def _refusal(error: ImageError) -> Refusal:
    """Of a picture that cannot be read."""
    kind = isinstance(error, UnknownKind)
    status = 413 if error.reason == "too large" else 415 if kind else 422
    return Refusal(status, "unknown kind" if kind else error.reason, str(error))
