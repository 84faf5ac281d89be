"""The service, asked over real connections: every endpoint, every limit, and what it does with bad input."""

import asyncio
import base64
import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

pytest.importorskip("fastapi", reason="needs the extra serve")
httpx = pytest.importorskip("httpx", reason="needs the extra dev")

from zeronine import taught
from zeronine.bench import serve as bench
from zeronine.errors import ServiceError
from zeronine.image import load_pixels
from zeronine.reader import MODELS, SHIPPED, SHIPPED_PAGE, Reader
from zeronine.serve import Limits, Service, Settings, answers, app, reading, server
from zeronine.serve.batches import Batches, Full, Task
from zeronine.serve.buckets import Buckets
from zeronine.serve.models import Models
from zeronine.serve.server import Server, _bound

ROOT = Path(__file__).parent.parent
NINE = (ROOT / "examples/marker-9.png").read_bytes()
PAGE = (ROOT / "docs/read/scores.jpg").read_bytes()
TOKEN = "a-token-that-is-long-enough"


@contextmanager
def serving(settings: Settings) -> Iterator[tuple[Any, Service]]:
    """A service on a free port: a client of it, and itself."""
    service = Service(settings)
    bound = _bound(settings)
    running = Server(service)
    thread = threading.Thread(target=running.run, args=([bound],))
    thread.start()
    address = f"http://127.0.0.1:{bound.getsockname()[1]}"
    try:
        while not (running.started and service.warm):
            time.sleep(0.01)
        with httpx.Client(base_url=address, timeout=20, verify=False) as client:
            yield client, service
    finally:
        running.should_exit = True
        thread.join()
        bound.close()


def told(folder: Path, **more: Any) -> Settings:
    limits = Limits(**more.pop("limits", {}))
    return Settings(port=0, store=str(folder / "store.db"), taught=folder / "taught", limits=limits, **more)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Service]]:
    """A service with few allowances, so that tests reach them, and a client of it."""
    limits = {
        "header_seconds": 0.5,
        "body_seconds": 0.5,
        "body": 200_000,
        "pixels": 4_000_000,
        "images": 4,
        "corrections": 10_000,
        "connections": 40,
    }
    settings = told(tmp_path_factory.mktemp("serve"), limits=limits, proxies=("127.0.0.1",))
    with serving(settings) as both:
        yield both


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def png(array: Any, **options: Any) -> bytes:
    return encoded(Image.fromarray(array), "PNG", **options)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def nine() -> Image.Image:
    return Image.open(io.BytesIO(NINE)).convert("RGB")


def files(*pictures: bytes, name: str = "images") -> list[tuple[str, tuple[str, bytes]]]:
    return [(name, (f"{number}.png", picture)) for number, picture in enumerate(pictures)]


def test_a_raw_picture_is_answered_as_the_reader_answers(usual, reader):
    client, _ = usual
    answer = client.post("/v1/predict", content=NINE)
    assert answer.status_code == 200
    assert answer.json() == {"image": None, **reader.predict(NINE).as_dict(), "model": SHIPPED}
    answers.PredictionAnswer.model_validate(answer.json())


def test_seen_is_what_the_network_sees(usual, reader):
    client, _ = usual
    seen = client.post("/v1/predict?seen=1", content=NINE).json()["seen"]
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(seen))))
    assert np.array_equal(picture, (reader.prepare(NINE) * 255).round().astype(np.uint8))
    blank = client.post("/v1/predict?seen=1", content=png(np.full((50, 50), 255, np.uint8)))
    assert (blank.status_code, blank.json()["reason"], blank.json()["seen"]) == (200, "blank", None)
    assert client.post("/v1/predict?seen=perhaps", content=NINE).status_code == 422


def test_a_form_brings_several_and_one_bad_one_spoils_none(usual):
    client, _ = usual
    answer = client.post("/v1/predict", files=files(NINE, b"no picture", NINE))
    rows = answers.PredictionsAnswer.model_validate(answer.json()).predictions
    assert [(row.image, row.digit, row.reason) for row in rows] == [
        ("0.png", 9, ""),
        ("1.png", None, "unreadable"),
        ("2.png", 9, ""),
    ]


def test_a_page_is_answered_as_the_reader_answers(usual, reader):
    client, _ = usual
    expected = [number.as_dict() for number in reader.read(PAGE)]
    raw = client.post("/v1/read", content=PAGE)
    assert raw.json() == {"image": None, "numbers": expected, "model": SHIPPED_PAGE}
    answers.PageAnswer.model_validate(raw.json())
    form = client.post("/v1/read", files=files(PAGE, name="image"))
    assert form.json()["image"] == "0.png"
    assert client.post("/v1/read", files=files(PAGE, PAGE, name="image")).status_code == 422
    blank = client.post("/v1/read", content=png(np.full((90, 90), 255, np.uint8)))
    assert (blank.status_code, blank.json()["numbers"]) == (200, [])


def test_many_at_a_time_get_each_their_own_answer(usual, reader):
    client, service = usual
    pictures = [path.read_bytes() for path in sorted((ROOT / "tests/mistakes").glob("*.png"))] * 4
    expected = [reader.predict(picture).as_dict()["digit"] for picture in pictures]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda picture: client.post("/v1/predict", content=picture).json()["digit"], pictures))
    assert found == expected
    counts = service.metrics.text().decode().splitlines()
    sizes = {line.split()[0]: float(line.split()[1]) for line in counts if line.startswith("zeronine_batch_size")}
    alone, all_of_them = (
        'zeronine_batch_size_bucket{le="1.0",queue="digits"}',
        'zeronine_batch_size_count{queue="digits"}',
    )
    assert sizes[alone] < sizes[all_of_them], "none was read together with another"


def test_a_correction_is_kept_listed_shown_and_undone(usual):
    client, service = usual
    fields = {"truth": "4", "reading": "9", "confidence": "0.7", "model": SHIPPED}
    made = client.post("/v1/corrections", files=files(NINE, name="image"), data=fields)
    assert made.status_code == 201
    answers.CorrectionMade.model_validate(made.json())
    listed = client.get("/v1/corrections?limit=1").json()["corrections"]
    assert listed == [{**made.json(), "confidence": 0.7}]
    path = f"/v1/corrections/{made.json()['id']}"
    shown = client.get(f"{path}/image")
    assert shown.headers["content-type"] == "image/png"
    assert np.array_equal(Image.open(io.BytesIO(shown.content)).convert("RGB"), nine())
    stranger = {"X-Forwarded-For": "192.0.2.7"}
    assert client.get("/v1/corrections", headers=stranger).json() == {"corrections": []}
    assert client.get(f"{path}/image", headers=stranger).status_code == 404
    assert client.delete(path, headers=stranger).status_code == 404
    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 404
    assert service.store.count() == 0


def test_a_corrections_picture_is_made_anew(usual):
    client, service = usual
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    photo = encoded(nine().resize((1600, 800)), "JPEG", exif=exif)
    made = client.post("/v1/corrections", files=files(photo, name="image"), data={"truth": ""}).json()
    picture = service.store.get(made["id"]).picture
    assert b"where I live" in photo
    assert b"where I live" not in picture
    assert Image.open(io.BytesIO(picture)).size == (1280, 640)
    assert client.delete(f"/v1/corrections/{made['id']}").status_code == 204


@pytest.mark.parametrize(
    ("kind", "dtype", "scale"), [("PNG", np.uint16, 150.0), ("TIFF", np.int32, 150.0), ("TIFF", np.float32, 1 / 255)]
)
def test_a_picture_of_fine_steps_is_kept_as_it_was_read(kind, dtype, scale):
    grey = np.asarray(nine().convert("L"))
    fine = encoded(Image.fromarray((grey * scale).astype(dtype)), kind)
    picture = Image.open(io.BytesIO(reading.kept(fine, pixels=10**6, side=1280)))
    assert np.abs(np.asarray(picture) / 255 - load_pixels(fine)).max() <= 0.501 / 255


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/read", "/v1/corrections"])
def test_damaged_pictures_are_refused(usual, path):
    if not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    client, _ = usual
    damaged = encoded(nine(), "AVIF").replace(b"iloc", b"free")  # over which its decoder raises a RuntimeError
    if path == "/v1/corrections":
        answer = client.post(path, files=files(damaged, name="image"), data={"truth": "1"})
    else:
        answer = client.post(path, content=damaged)
    assert (answer.status_code, "damaged" in answer.text) == (422, True)


@pytest.mark.parametrize(
    ("fields", "picture", "status"),
    [
        ({}, NINE, 422),
        ({"truth": "x"}, NINE, 422),
        ({"truth": "٣"}, NINE, 422),
        ({"truth": "1" * 65}, NINE, 422),
        ({"truth": "1", "confidence": "2"}, NINE, 422),
        ({"truth": "1", "confidence": "nan"}, NINE, 422),
        ({"truth": "1", "confidence": "much"}, NINE, 422),
        ({"truth": "1", "model": "../../etc"}, NINE, 422),
        ({"truth": "1", "reading": "\0"}, NINE, 422),
        ({"truth": "1", "other": "x" * 2000}, NINE, 422),
        ({f"field{number}": "1" for number in range(20)}, NINE, 422),
        ({"truth": ["1"] * 17}, NINE, 422),
        ({"truth": "1"}, b"no picture", 415),
        ({"truth": "1"}, NINE[:200], 422),
    ],
)
def test_a_correction_that_is_none_is_refused(usual, fields, picture, status):
    client, service = usual
    answer = client.post("/v1/corrections", files=files(picture, name="image"), data=fields)
    assert (answer.status_code, bool(answer.json()["detail"])) == (status, True)
    assert service.store.count() == 0


def test_other_ways_to_ask_for_corrections_are_refused(usual):
    client, _ = usual
    assert client.post("/v1/corrections", data={"truth": "1"}).status_code == 415
    assert client.post("/v1/corrections", files=[("x", ("x", b"1"))], data={"truth": "1"}).status_code == 422
    assert client.get("/v1/corrections?limit=0").status_code == 422
    assert client.get("/v1/corrections?limit=x").json()["detail"].startswith("limit: ")
    assert client.get("/v1/corrections/..%2f..%2fetc/image").status_code == 404
    assert client.get("/v1/corrections/x/image").status_code == 422
    assert client.put("/v1/corrections").status_code == 405


def test_the_models_are_named_and_only_names_are_taken(usual):
    client, _ = usual
    models = client.get("/v1/models").json()["models"]
    assert [(model["name"], model["in_use"]) for model in models] == [(SHIPPED, True)]
    assert models[0]["description"]
    assert client.post(f"/v1/predict?model={SHIPPED}", content=NINE).json()["digit"] == 9
    for name in ("none", "page_v1", "../standard_v1", str(MODELS / SHIPPED), "/etc/passwd", "", "\0"):
        answer = client.post("/v1/predict", params={"model": name}, content=NINE)
        assert (answer.status_code, "standard_v1" in answer.json()["detail"]) == (404, True), name


def test_a_promoted_model_is_used_without_a_restart(tmp_path, monkeypatch):
    monkeypatch.setattr(app, "LOOK_SECONDS", 0.05)
    home = tmp_path / "taught"
    model = copied(home / "mine_1")

    def used() -> str:
        return client.post("/v1/predict", content=NINE).json()["model"]

    with serving(told(tmp_path)) as (client, service):
        assert used() == SHIPPED
        assert client.post("/v1/predict?model=mine_1", content=NINE).json()["model"] == "mine_1"
        taught.promote(model, home)
        eventually(lambda: used() == "mine_1")
        assert {row["name"]: row["in_use"] for row in client.get("/v1/models").json()["models"]} == {
            "mine_1": True,
            SHIPPED: False,
        }
        assert 'zeronine_model{model="mine_1"} 1.0' in client.get("/metrics").text
        taught.back(home)
        eventually(lambda: used() == SHIPPED)
        (home / taught.CURRENT).write_text("damaged")
        time.sleep(0.2)
        assert used() == SHIPPED, "a damaged pointer changes nothing"
        assert client.post("/v1/predict?model=mine_1", content=NINE).status_code == 200
        assert service.models.reader("mine_1") is service.models.reader("mine_1"), "a Reader is made once"


def test_what_fails_for_a_moment_is_looked_at_again(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(app, "LOOK_SECONDS", 0.05)
    home = tmp_path / "taught"
    model = copied(home / "mine_1")
    with serving(told(tmp_path)) as (_, service):
        (home / taught.CURRENT).mkdir()  # which cannot be read, whoever asks
        eventually(lambda: "the model stays" in caplog.text)
        with monkeypatch.context() as broken:
            broken.setattr(service.models, "refresh", lambda: 1 / 0)
            eventually(lambda: "ZeroDivisionError" in caplog.text)
        time.sleep(0.2)
        assert caplog.text.count("the model stays") == 1, "it is said once"
        (home / taught.CURRENT).rmdir()
        taught.promote(model, home)
        eventually(lambda: service.models.in_use.name == "mine_1")
        model.rename(home / "away")
        os.utime(home / taught.CURRENT)
        eventually(lambda: "is gone" in caplog.text)
        (home / "away").rename(model)
        eventually(lambda: not service.models._trouble)


def copied(folder: Path) -> Path:
    """The shipped model in another folder."""
    folder.mkdir(parents=True)
    for name in ("model.onnx", "card.json"):
        (folder / name).write_bytes((MODELS / SHIPPED / name).read_bytes())
    return folder


def eventually(true: Callable[[], bool], seconds: float = 5) -> None:
    ending = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ending, f"not within {seconds} seconds"
        time.sleep(0.02)


@pytest.mark.parametrize("card", [{"measured": None}, {"measured": {"accuracy": "?"}}, {"measured": 5, "exported": 5}])
def test_a_card_like_none_of_ours_is_listed(tmp_path, card):
    model = copied(tmp_path / "odd")
    (model / "card.json").write_text(json.dumps(card | {"recipe": "mine"}))
    listed = {row["name"]: row["description"] for row in Models(folder=tmp_path).listed()}
    assert (listed["odd"], SHIPPED in listed) == ("recipe mine", True)


def test_health_readiness_and_counts(usual):
    client, _ = usual
    for path in ("/", "/docs", "/healthz", "/readyz", "/v1/models"):
        head = client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(client.get(path).content))
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    client.get("/nothing/of/the/kind")
    counts = client.get("/metrics").text
    for expected in (
        'zeronine_requests_total{method="GET",path="/healthz",status="200"}',
        'zeronine_requests_total{method="GET",path="other",status="404"}',
        'zeronine_request_seconds_count{path="/healthz"}',
        'zeronine_waiting{queue="digits"} 0.0',
        'zeronine_waiting{queue="pages"} 0.0',
        f'zeronine_model{{model="{SHIPPED}"}} 1.0',
    ):
        assert expected in counts
    assert "/nothing" not in counts


def test_every_answer_is_guarded_and_every_refusal_is_a_sentence(usual):
    client, _ = usual
    for method, path in (
        ("GET", "/"),
        ("GET", "/v1/models"),
        ("GET", "/nowhere"),
        ("PUT", "/"),
        ("POST", "/v1/predict"),
    ):
        answer = client.request(method, path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers
        if answer.status_code >= 400:
            assert " " in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_the_pages_need_nothing_from_elsewhere(usual, path):
    client, _ = usual
    answer = client.get(path)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert ("<script" in answer.text) == ("'sha256-" in policy.partition("script-src ")[2].partition(";")[0])
    assert not any(part in answer.text for part in ('src="http', 'href="http', "@import", ' style="', ' onclick="'))


def test_a_token_opens_all_but_the_page(tmp_path):
    settings = told(tmp_path, token=TOKEN)
    with serving(settings) as (client, service):
        for path in ("/", "/docs", "/openapi.json", "/healthz", "/readyz"):
            assert client.get(path).status_code == 200
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Authorization": "Bearer é"}):
            for path in ("/v1/models", "/metrics", "/v1/corrections", "/v1/nowhere"):
                answer = client.get(path, headers={name: value.encode() for name, value in given.items()})
                assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        client.headers["Authorization"] = f"bearer {TOKEN}"
        assert client.get("/metrics").status_code == 200
        service.store.add(png(np.zeros((9, 9), np.uint8)), truth="1", client="192.0.2.7")
        assert len(client.get("/v1/corrections").json()["corrections"]) == 1, "with the token all are seen"
        assert client.get("/v1/models", headers={"Host": "any.example"}).status_code == 200
        document = client.get("/openapi.json").json()
        assert document["paths"]["/v1/predict"]["post"]["security"] == [{"token": []}]
        assert "security" not in document["paths"]["/healthz"]["get"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(host="0.0.0.0"), "token"),
        (Settings(host="::"), "token"),
        (Settings(host="192.0.2.1"), "token"),
        (Settings(host="example.org"), "token"),
        (Settings(token="short"), "16"),
        (Settings(token="a" * 20 + "é"), "ASCII"),
        (Settings(cors=("*",)), "https://example.org"),
        (Settings(cors=("https://example.org/",)), "https://example.org"),
    ],
)
def test_what_would_be_unsafe_is_not_started(settings, said):
    with pytest.raises(ServiceError, match=said):
        Service(settings)


def test_what_is_safe_is_started():
    for settings in (
        Settings(),
        Settings(host="::1"),
        Settings(host="localhost"),
        Settings(host="0.0.0.0", token=TOKEN),
    ):
        assert settings.checked() is settings
    assert "[::1]" in Settings(host="::1").hosts


def test_an_address_that_is_taken_is_told_of(usual):
    client, _ = usual
    with pytest.raises(ServiceError, match="--port"):
        _bound(Settings(port=client.base_url.port))


def test_only_its_own_names_are_answered(usual, tmp_path):
    client, _ = usual
    for host in ("localhost", "127.0.0.1:99", "[::1]:8000", "LOCALHOST"):
        assert client.get("/healthz", headers={"Host": host}).status_code == 200
    for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[", "localhost@evil.example"):
        assert client.get("/healthz", headers={"Host": host}).status_code == 421
    with serving(told(tmp_path, allow_hosts=("digits.example",))) as (client, _):
        assert client.get("/", headers={"Host": "digits.example"}).status_code == 200
        assert client.get("/", headers={"Host": "evil.example"}).status_code == 421


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "OWN"}, 201),
        ({"Sec-Fetch-Site": "none"}, 201),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
    ],
)
def test_another_websites_form_writes_nothing(usual, headers, status):
    client, service = usual
    sent = {name: str(client.base_url).rstrip("/") if value == "OWN" else value for name, value in headers.items()}
    answer = client.post("/v1/corrections", files=files(NINE, name="image"), data={"truth": "1"}, headers=sent)
    assert answer.status_code == status
    if status == 201:
        client.delete(f"/v1/corrections/{answer.json()['id']}")
    assert service.store.count() == 0


def test_other_websites_may_use_it_where_they_are_named(tmp_path):
    friend = {"Origin": "https://friend.example"}
    with serving(told(tmp_path, cors=("https://friend.example",))) as (client, _):
        asked = {**friend, "Access-Control-Request-Method": "POST"}
        allowed = client.options("/v1/predict", headers=asked)
        assert allowed.headers["access-control-allow-origin"] == "https://friend.example"
        answer = client.post("/v1/predict", content=NINE, headers={**friend, "Sec-Fetch-Site": "cross-site"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "https://friend.example")
        other = client.post("/v1/predict", content=NINE, headers={"Origin": "https://evil.example"})
        assert (other.status_code, other.headers.get("access-control-allow-origin")) == (403, None)


def bad_inputs() -> dict[str, tuple[bytes, int]]:
    """Pictures that are none, or are odd: what is sent, and the status it gets."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    frames = [Image.fromarray(np.roll(noise, shift, 0)) for shift in range(5)]
    cmyk = encoded(nine().convert("CMYK"), "JPEG")
    deep = png(np.asarray(nine().convert("L")).astype(np.uint16) * 257)
    return {
        "0 bytes": (b"", 400),
        "1 byte": (b"\x89", 415),
        "text": (b"seven", 415),
        "HTML": (b"<html><script>alert(1)</script></html>", 415),
        "JSON": (b'{"image": "seven.png"}', 415),
        "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 415),
        "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) run\n", 415),
        "ZIP": (b"PK\x03\x04" + bytes(100), 415),
        "random bytes": (np.random.default_rng(1).bytes(5000), 415),
        "PNG, signature only": (NINE[:8], 415),
        "PNG, truncated": (NINE[: len(NINE) // 2], 422),
        "PNG, a byte changed": (NINE[:1000] + bytes([NINE[1000] ^ 255]) + NINE[1001:], 422),
        "PNG bomb, 1.6 gigapixels": (bomb(40_000, 40_000), 413),
        "PNG bomb, 100 megapixels": (bomb(10_000, 10_000), 413),
        "PNG, 4.2 megapixels where 4 are taken": (bomb(2_100, 2_000), 413),
        "PNG, 0 × 0": (sized(NINE, 0, 0), 415),
        "PNG, 2^31 - 1 wide": (sized(NINE, 2**31 - 1, 1), 413),
        "PNG, text that unpacks to 20 MB": (zipped_text(), 422),
        "JPEG, 2,000 scans": (scans(2000), 422),
        "JPEG, truncated": (encoded(nine(), "JPEG")[:600], 422),
        "JPEG, CMYK": (cmyk, 200),
        "PNG, 16 bits": (deep, 200),
        "PNG, 1 bit": (encoded(nine().convert("1"), "PNG"), 200),
        "PNG, palette with transparency": (encoded(nine().convert("P"), "PNG", transparency=0), 200),
        "PNG, 1 × 1": (png(np.zeros((1, 1), np.uint8)), 200),
        "PNG, 1 × 4000": (png(np.zeros((4000, 1), np.uint8)), 200),
        "PNG, blank": (png(np.full((300, 300), 255, np.uint8)), 200),
        "PNG, noise": (png(noise), 200),
        "GIF": (encoded(nine(), "GIF"), 200),
        "GIF, animated": (encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), 200),
        "PNG, animated": (encoded(frames[0], "PNG", save_all=True, append_images=frames[1:]), 200),
        "WebP": (encoded(nine(), "WEBP"), 200),
        "BMP": (encoded(nine().resize((100, 100)), "BMP"), 200),
        "TIFF": (encoded(nine().resize((100, 100)), "TIFF"), 200),
        "PNG with HTML behind it": (NINE + b"<script>alert(1)</script>", 200),
    }


def chunk(kind: bytes, content: bytes) -> bytes:
    import zlib

    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def sized(picture: bytes, width: int, height: int) -> bytes:
    """A PNG whose header says another size."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + picture[24:29]
    return picture[:8] + chunk(b"IHDR", header) + picture[33:]


def bomb(width: int, height: int) -> bytes:
    """A black PNG; of the tall ones, only the beginning, which is all that may be looked at."""
    import zlib

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\0\0\0\0"
    squeeze = zlib.compressobj(9)
    rows = b"".join(squeeze.compress(bytes(width + 1)) for _ in range(min(height, 500))) + squeeze.flush()
    return NINE[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def zipped_text() -> bytes:
    import zlib

    squeeze = zlib.compressobj(9)
    text = b"".join(squeeze.compress(bytes(2**20)) for _ in range(20)) + squeeze.flush()
    return NINE[:33] + chunk(b"zTXt", b"Comment\0\0" + text) + NINE[33:]


def scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    picture = encoded(nine(), "JPEG", progressive=True)
    last = picture.rindex(b"\xff\xda")
    return picture[:last] + picture[last:-2] * count + picture[-2:]


BAD = bad_inputs()


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_its_status(usual, name):
    client, _ = usual
    content, status = BAD[name]
    content = content[:199_000]
    answer = client.post("/v1/predict", content=content)
    assert answer.status_code == status, answer.text
    if status == 200:
        answers.PredictionAnswer.model_validate(answer.json())
    else:
        assert " " in answer.json()["detail"]
    page = client.post("/v1/read", content=content)
    assert page.status_code == status, page.text


def test_the_type_is_told_by_the_content(usual):
    client, _ = usual
    for said in ("text/html", "application/x-www-form-urlencoded", "image/gif", "nonsense", ""):
        assert client.post("/v1/predict", content=NINE, headers={"Content-Type": said}).json()["digit"] == 9


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("multipart/form-data", b"--x\r\n\r\n--x--"),
        ("multipart/form-data; boundary=x", b"no form"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nno name\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"a: b\r\n" * 10_000),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"a" * 100_000),
        ("multipart/form-data; boundary=" + "x" * 300, b"--x\r\n\r\n"),
        ("multipart/form-data; boundary=\xe9", b"--\xe9\r\n\r\n"),
        ("multipart/form-data; boundary=x", b"\r\n-" * 60_000),
    ],
)
def test_a_damaged_form_is_refused(usual, content_type, content):
    client, _ = usual
    answer = client.post("/v1/predict", content=content, headers={"Content-Type": content_type.encode("latin-1")})
    assert answer.status_code in (400, 422), answer.text
    assert " " in answer.json()["detail"]


def test_a_form_of_too_many_pictures_is_refused(usual):
    client, _ = usual
    assert client.post("/v1/predict", files=files(*[NINE] * 5)).status_code == 422
    assert client.post("/v1/predict", files=files(NINE, name="other")).status_code == 422


def talk(client: Any, *parts: bytes, pause: float = 0.0, wait: float = 5) -> bytes:
    """Send bytes as they are; all that comes back until the other side ends."""
    with socket.create_connection(("127.0.0.1", client.base_url.port), wait) as connection:
        for part in parts:
            try:
                connection.sendall(part)
            except OSError:
                break
            time.sleep(pause)
        heard = b""
        try:
            while more := connection.recv(65536):
                heard += more
        except OSError:
            pass
        return heard


HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n"


def test_a_body_that_is_too_large_is_refused_however_it_comes(usual):
    client, service = usual
    assert client.post("/v1/predict", content=bytes(200_001)).status_code == 413
    assert client.post("/v1/predict", content=(bytes(1000) for _ in range(300))).status_code == 413, "in chunks"
    assert talk(client, HEAD + b"Content-Length: 99999999999999999999\r\n\r\n").startswith(b"HTTP/1.1 4")
    assert talk(client, HEAD + b"Content-Length: 200001\r\n\r\n").startswith(b"HTTP/1.1 413")
    assert talk(client, HEAD + b"Content-Length: -1\r\n\r\n").startswith(b"HTTP/1.1 400")
    both = HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert talk(client, both).startswith(b"HTTP/1.1 400")
    assert service.intake.held == 0


def test_a_length_that_lies_is_found_out(usual):
    client, _ = usual
    longer = HEAD + b"Content-Length: %d\r\n\r\n" % (len(NINE) + 10) + NINE
    assert talk(client, longer).startswith(b"HTTP/1.1 408"), "it waits for the rest, half a second"
    shorter = HEAD + b"Content-Length: 100\r\n\r\n" + NINE
    assert talk(client, shorter).startswith(b"HTTP/1.1 4")


def test_slow_senders_are_not_waited_for(usual):
    client, service = usual
    started = time.monotonic()
    assert talk(client) == b"", "who says nothing is not answered"
    assert talk(client, *[b"G", b"E", b"T", b" ", b"/"], pause=0.2) == b""
    drips = (HEAD + b"Content-Length: 1000\r\n\r\n", *[b"x"] * 8)
    assert talk(client, *drips, pause=0.15).startswith(b"HTTP/1.1 408")
    assert time.monotonic() - started < 10
    eventually(lambda: service.intake.held == 0)


def test_a_body_that_comes_after_another_answer_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "LINGER_SECONDS", 0.1)
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(NINE) + NINE
    with serving(told(tmp_path)) as (client, _):
        heard = talk(client, request + request[:-100], request[-100:], pause=0.5, wait=1)
    assert heard.count(b'"digit":9') == 2


def test_headers_without_end_are_refused(usual):
    client, _ = usual
    assert talk(client, HEAD + b"X: " + b"x" * 20_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 431")
    assert talk(client, HEAD, *[b"X-%d: y\r\n" % number * 100 for number in range(100)]).startswith(b"HTTP/1.1 431")
    assert talk(client, b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.1 431")
    assert talk(client, b"\x16\x03\x01 no HTTP at all\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert talk(client, b"GET \xff HTTP/1.1\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_headers_of_many_requests_are_not_added_up(usual):
    client, _ = usual
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    heard = talk(client, one * 500 + one[:10], one[10:], pause=0.2, wait=1)
    assert (heard.count(b"HTTP/1.1 200"), heard.count(b"HTTP/1.1 431")) == (501, 0)
    assert talk(client, one * 500 + HEAD + b"X: " + b"x" * 21_000).count(b"HTTP/1.1 431") == 1


def test_too_many_connections_are_refused(usual):
    client, _ = usual
    held = [socket.create_connection(("127.0.0.1", client.base_url.port)) for _ in range(45)]
    try:
        eventually(lambda: talk(client).startswith(b"HTTP/1.1 503"))
    finally:
        for connection in held:
            connection.close()
    eventually(lambda: client.get("/healthz").status_code == 200)


def unread(client: Any) -> socket.socket:
    """A connection on which much is asked for and nothing read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", client.base_url.port))
    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 120)
    return connection


def test_who_does_not_read_the_answers_holds_no_connection(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "KEEP_ALIVE_SECONDS", 1)
    with serving(told(tmp_path, limits={"connections": 3})) as (client, _):
        held = [unread(client) for _ in range(3)]
        eventually(lambda: talk(client).startswith(b"HTTP/1.1 503"))
        eventually(lambda: client.get("/healthz").status_code == 200)
        for connection in held:
            connection.close()


def test_who_does_not_read_the_answers_does_not_hold_up_the_end(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(server, "CLOSING_SECONDS", 0.5)
    with serving(told(tmp_path)) as (client, _):
        held = unread(client)
        time.sleep(0.5)
        started = time.monotonic()
    assert time.monotonic() - started < 4, "it was 25 s"
    assert "Exception" not in caplog.text
    held.close()


def slowly(seconds: float) -> Callable[..., None]:
    def work(tasks: Any, pixels: int) -> None:
        time.sleep(seconds)
        reading.read_digits(tasks, pixels)

    return work


def test_a_full_queue_refuses_and_says_when_to_try_again(tmp_path, monkeypatch):
    monkeypatch.setattr(app, "read_digits", slowly(0.5))
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    settings = told(tmp_path, limits={"waiting": 2, "batch": 1})
    with serving(settings) as (client, service), ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: client.post("/v1/predict", content=NINE), range(8)))
        statuses = sorted(answer.status_code for answer in found)
        assert set(statuses) == {200, 503}
        assert 2 <= statuses.count(200) <= 4
        refused = next(answer for answer in found if answer.status_code == 503)
        assert refused.headers["retry-after"] == "1"
        assert 'zeronine_refused_total{reason="full"}' in service.metrics.text().decode()
        assert client.post("/v1/predict", content=NINE).status_code == 200, "it goes on"
        many = client.post("/v1/predict", files=files(NINE, NINE, NINE))
        assert many.status_code == 503, "a form is taken whole or not at all"


def test_pages_have_a_queue_of_their_own(tmp_path, monkeypatch):
    def work(tasks: Any, pixels: int) -> None:
        time.sleep(0.4)
        tasks[0].answer = []

    monkeypatch.setattr(app, "read_pages", work)
    with serving(told(tmp_path, limits={"pages": 1})) as (client, _), ThreadPoolExecutor(6) as pool:
        pages = pool.map(lambda _: client.post("/v1/read", content=PAGE).status_code, range(6))
        assert client.post("/v1/predict", content=NINE).status_code == 200
        assert set(pages) == {200, 503}


def test_a_page_whose_client_has_gone_is_not_read(tmp_path, monkeypatch):
    begun = []

    def work(tasks: Any, pixels: int) -> None:
        begun.append(tasks[0].source)
        time.sleep(0.5)
        tasks[0].answer = []

    monkeypatch.setattr(app, "read_pages", work)
    with serving(told(tmp_path)) as (client, service):
        for name in (b"1", b"2", b"3"):
            with socket.create_connection(("127.0.0.1", client.base_url.port)) as connection:
                connection.sendall(HEAD.replace(b"predict", b"read") + b"Content-Length: 1\r\n\r\n" + name)
                eventually(lambda: begun)
                time.sleep(0.05)
        assert client.post("/v1/read", content=b"4").status_code == 200
        assert begun == [b"1", b"4"]
        assert service.intake.held == 0


def test_an_answer_that_takes_too_long_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(app, "read_digits", slowly(0.6))
    with serving(told(tmp_path, limits={"digit_seconds": 0.1})) as (client, _):
        answer = client.post("/v1/predict", content=NINE)
        assert (answer.status_code, "0.1 s" in answer.json()["detail"]) == (504, True)


def test_no_more_is_held_than_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(app, "read_digits", slowly(0.5))
    with serving(told(tmp_path, limits={"held": 10_000})) as (client, service), ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: client.post("/v1/predict", content=NINE).status_code, range(6)))
        assert set(found) == {200, 503}
        assert service.intake.held == 0


def test_one_client_may_not_send_corrections_without_end(tmp_path):
    settings = told(tmp_path, limits={"corrections": 3, "refill": 100, "stored": 4}, proxies=("127.0.0.1",))
    with serving(settings) as (client, _):

        def send(whom: str) -> Any:
            headers = {"X-Forwarded-For": whom}
            sent = files(NINE, name="image")
            return client.post("/v1/corrections", files=sent, data={"truth": "1"}, headers=headers)

        assert [send("192.0.2.1").status_code for _ in range(4)] == [201, 201, 201, 429]
        assert 90 <= int(send("192.0.2.1").headers["retry-after"]) <= 101
        assert [send("192.0.2.2").status_code for _ in range(2)] == [201, 507], "the store is full"


def test_a_bucket_fills_again_and_remembers_only_so_many(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    buckets = Buckets(2, 10, 3)
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 10]
    now[0] = 10
    assert [buckets.take("a"), buckets.take("a")] == [0, 10]
    assert [buckets.take(f"2001:db8::{number}") for number in range(3)] == [0, 0, 10], "one network is one client"
    for number in range(100):
        buckets.take(f"192.0.2.{number}")
    assert len(buckets._left) == 3


def test_a_bug_on_one_picture_fails_that_one_alone(usual, monkeypatch, caplog):
    def work(
        tasks: Any,
    ) -> None:
        for task in tasks:
            if task.source == b"bad":
                raise RuntimeError("a bug")
            task.answer = task.source

    async def run() -> list[Any]:
        batches = Batches(work, room=10, most=10, threads=1, name="test")
        tasks = [Task(source, None) for source in (b"1", b"bad", b"2")]
        batches.put(tasks)
        with pytest.raises(Full):
            batches.put([Task(b"", None)] * 11)
        for task in tasks:
            await task.future
        await batches.close()
        return [task.answer for task in tasks]

    first, bad, last = asyncio.run(run())
    assert (first, type(bad), last) == (b"1", RuntimeError, b"2")
    assert "a bug" in caplog.text


def test_a_failing_store_is_a_503_without_its_address(tmp_path, monkeypatch):
    from zeronine.errors import StoreError

    def fail(*_: Any, **__: Any) -> None:
        raise StoreError("the store /secret/place does not answer")

    with serving(told(tmp_path)) as (client, service):
        monkeypatch.setattr(service.store, "all", fail)
        answer = client.get("/v1/corrections")
        assert (answer.status_code, "secret" in answer.text) == (503, False)


def test_while_the_store_is_held_only_corrections_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(app, "STORE_SECONDS", 1.5)
    settings = told(tmp_path, limits={"corrections": 100})
    with serving(settings) as (client, _), closing(sqlite3.connect(tmp_path / "store.db")) as other:

        def correct(_: int) -> int:
            answer = client.post("/v1/corrections", files=files(NINE, name="image"), data={"truth": "1"})
            return int(answer.status_code)

        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(40) as pool:
            sent = [pool.submit(correct, number) for number in range(40)]
            time.sleep(0.5)
            assert client.get("/v1/models").status_code == 200
            assert not any(answer.done() for answer in sent)
            assert {answer.result() for answer in sent} == {503}
        other.rollback()
        assert correct(0) == 201


def test_a_failure_of_ours_is_a_500_that_tells_nothing(tmp_path, monkeypatch, caplog):
    def fail(tasks: Any, pixels: int) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(app, "read_digits", fail)
    with serving(told(tmp_path)) as (client, _):
        answer = client.post("/v1/predict", content=NINE)
        assert (answer.status_code, "secret" in answer.text) == (500, False)
    assert "secret" in caplog.text


def test_the_api_keeps_to_its_own_description(usual):
    """What schemathesis makes up from the OpenAPI document, right and wrong, never gets an answer that it lacks."""
    schemathesis = pytest.importorskip("schemathesis", reason="needs the extra dev")
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis.errors import Unsatisfiable
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    client, _ = usual
    schema = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")
    calm = settings(
        max_examples=FUZZED,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    asked = set()

    def fuzz(operation: Any, mode: Any) -> None:
        @calm
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            asked.add(f"{case.method} {case.path} {mode.value}")
            # bytes that are made up are no picture, which the document has no words for
            case.call_and_validate(excluded_checks=[positive_data_acceptance], timeout=20)

        with suppress(Unsatisfiable):  # nothing can be wrong where nothing is sent
            ask()

    for operation in schema.get_all_operations():
        for mode in schemathesis.GenerationMode:
            fuzz(operation.ok(), mode)
    assert {"POST /v1/predict positive", "POST /v1/corrections negative"} <= asked


FUZZED = int(os.environ.get("ZERONINE_FUZZED", "3"))
"""Requests that are made up for each operation, right ones and wrong ones; 100 take minutes."""


SLOW = """
import sys, time
from zeronine.serve import Settings, app, reading, run
def work(tasks, pixels):
    time.sleep(2)
    reading.read_digits(tasks, pixels)
app.read_digits = work
run(Settings(port=int(sys.argv[1]), store=sys.argv[2]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_what_was_accepted_is_answered_before_the_end(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(port), str(tmp_path / "store.db")])
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(NINE) + NINE
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", verify=False) as client:
            eventually(lambda: is_up(client), 30)
            waiting = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(4)]
            for connection in waiting:
                connection.sendall(request)
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            eventually(lambda: client.get("/readyz").status_code == 503)
            late = client.post("/v1/predict", content=NINE)
            assert (late.status_code, late.headers["retry-after"]) == (503, "1")
            assert client.get("/healthz").status_code == 200
            for connection in waiting:
                with connection, connection.makefile("rb") as answer:  # the body may come after the headers
                    assert b'"digit":9' in answer.read()
        assert process.wait(10) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()


def is_up(client: Any) -> bool:
    try:
        return bool(client.get("/readyz").status_code == 200)
    except httpx.TransportError:
        return False


def test_the_image_of_the_service_is_sound():
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is not installed")
    found = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
    said = (ROOT / "Dockerfile").read_text()
    assert "USER 10001" in said
    assert "HEALTHCHECK" in said


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from Linux's /proc")
def test_the_load_is_measured(usual, monkeypatch, tmp_path):
    script = tmp_path / "command.py"
    script.write_text(COMMAND)
    monkeypatch.setattr(bench, "COMMAND", (sys.executable, str(script)))
    load = bench.measure(seconds=1, connections=2)
    assert load.errors == 0
    assert load.answers > 5
    assert 0 < load.median <= load.slowest
    assert len(load.lines()) == 4
    client, _ = usual
    answers, errors, seconds, _, _ = bench._with_python(client.base_url.port, bench.drawn(280), 2, 20, 1)
    assert (errors, 10 <= answers <= 21, seconds >= 0.9) == (0, True, True)


COMMAND = """
import typer
from zeronine import cli_serve
app = typer.Typer()
app.callback()(lambda: None)
cli_serve.add(app)
app()
"""


def test_what_the_load_sends_are_digits(reader):
    for side in bench.SIDES.values():
        assert [prediction.digit for prediction in reader.predict_many(bench.drawn(side))] == list(range(10))


def test_the_command_refuses_what_is_unsafe(tmp_path):
    import typer
    from typer.testing import CliRunner

    from zeronine import cli_serve

    cli = typer.Typer()
    cli_serve.add(cli)
    result = CliRunner().invoke(cli, ["--host", "0.0.0.0", "--store", str(tmp_path / "store.db")])
    assert isinstance(result.exception, ServiceError)
    assert "ZERONINE_TOKEN" in str(result.exception)


def test_a_texture_keeps_nobody_busy_for_long(reader):
    noise = np.random.default_rng(0).integers(0, 255, (1000, 1000), np.uint8)
    static = np.kron(np.random.default_rng(0).integers(0, 2, (300, 300), np.uint8) * 255, np.ones((4, 4), np.uint8))
    started = time.process_time()
    reader.predict(noise)
    reader.read(static)
    assert time.process_time() - started < 30, "seconds of the processor; it was minutes"
