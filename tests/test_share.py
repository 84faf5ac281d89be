"""The page that reads digits as they are drawn, in Chromium: it answers as Reader does."""

import base64
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
import typer
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from screens import stays_sharp
from typer.testing import CliRunner

from zeronine.cli_share import add
from zeronine.errors import ModelError
from zeronine.image import resized
from zeronine.reader import SHIPPED, Reader
from zeronine.share.page import OPERATIONS, build

playwright = pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser that has no internet."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        context = browser.new_context(has_touch=True, viewport={"width": 375, "height": 812})
        context.set_offline(True)
        yield context
        browser.close()


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the shipped model."""
    return build(tmp_path_factory.mktemp("page") / "reader.html", SHIPPED)


@pytest.fixture
def page(chromium: Any, shipped: Path) -> Iterator[Any]:
    """That page, opened; it must neither fail nor ask for anything."""
    opened, asked, failed = chromium.new_page(), [], []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("pageerror", lambda error: failed.append(str(error)))
    opened.on("console", lambda message: failed.append(message.text))
    opened.goto(shipped.as_uri())
    yield opened
    opened.close()
    assert [url for url in asked if not url.startswith("data:")] == [shipped.as_uri()]
    assert not failed


DRAW = """drawings => { const packed = values => btoa(String.fromCharCode(...Uint8ClampedArray.from(values)))
return drawings.map(({ lines, pen, image, side, place, black }) => {
  const ink = black ? "#fff" : "#000", ground = black ? "#000" : "#fff", on = context(picture)
  strokes = lines || []
  const stroke = CanvasRenderingContext2D.prototype.stroke
  CanvasRenderingContext2D.prototype.stroke = function () { this.lineWidth = pen; stroke.call(this) }
  draw(picture, ink, ground)
  CanvasRenderingContext2D.prototype.stroke = stroke
  if (image) {
    const small = Object.assign(document.createElement("canvas"), { width: 8, height: 8 })
    const bytes = context(small).createImageData(8, 8)
    image.forEach((value, i) => bytes.data.set([...Array(3).fill(black ? value : 255 - value), 255], 4 * i))
    context(small).putImageData(bytes, 0, 0)
    on.setTransform(1, 0, 0, 1, 0, 0)
    on.imageSmoothingQuality = "high"
    on.drawImage(small, ...place, side, side)
  }
  const { digit, reason, row, seen } = reading(pixels(picture))
  const bytes = context(picture).getImageData(0, 0, PICTURE, PICTURE).data.filter((_, i) => i % 4 === 0)
  const view = seen && packed(seen.data.map(value => 255 * value))
  return { digit, reason, row: [...row], view, pixels: packed(bytes) }
})}"""
"""Draws with the page's own pen and reads with the page's own reader; gives the pixels as well."""


def drawings(count: int) -> list[dict[str, Any]]:
    """Digits in our own forms, of any size, pen, place and polarity; one in four is one of scikit-learn's, enlarged."""
    from sklearn.datasets import load_digits

    from zeronine.train.forms import FORMS, strokes
    from zeronine.train.synthesis import hand_of_form

    random = np.random.default_rng(9)
    forms = [strokes(form) for written in FORMS.values() for form in written]
    embedded = load_digits().images

    def one(number: int) -> dict[str, Any]:
        black = bool(random.random() < 0.5)
        if number % 4 == 3:
            side = random.uniform(40, 116)
            image = np.rint(embedded[random.integers(len(embedded))].ravel() * 255 / 16)
            return {
                "image": image.tolist(),
                "side": side,
                "place": random.uniform(5, 123 - side, 2).tolist(),
                "black": black,
            }
        room = random.uniform(0.15, 0.95)
        place = random.uniform(0, 1 - room, 2)
        lines = [line * room + place for line in hand_of_form(forms[random.integers(len(forms))], random)]
        return {"lines": [line.tolist() for line in lines], "pen": random.uniform(0.02, 0.14), "black": black}

    return [one(number) for number in range(count)]


def unpacked(text: str, side: int) -> NDArray[np.uint8]:
    """The bytes of a picture."""
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(side, side)


def test_the_page_answers_as_the_reader_does(page: Any) -> None:
    seen = page.evaluate(DRAW, drawings(200))
    pictures = [unpacked(one["pixels"], 128) for one in seen]
    reader = Reader()
    answers, views = zip(*(reader.see(picture) for picture in pictures), strict=True)
    assert [(None if answer.digit is None else str(answer.digit), answer.reason) for answer in answers] == [
        (one["digit"], one["reason"]) for one in seen
    ]
    assert any(answer.rejected for answer in answers)
    same = np.array(
        [
            view is None or np.abs(view * 255.0 - unpacked(one["view"], 28)).max() < 1
            for one, view in zip(seen, views, strict=True)
        ]
    )
    assert sum(same) >= 196  # where the centre of mass lies between two pixels, the last bit decides
    apart = np.abs(np.array([one["row"] for one in seen]) - [answer.probabilities for answer in answers]).max(axis=1)
    assert apart[same].max() < 1e-3
    assert apart.max() < 1e-2  # seen a pixel aside


def test_a_blank_paper_is_refused(page: Any) -> None:
    assert page.evaluate("strokes = []; draw(picture, '#fff', '#000'); reading(pixels(picture)).reason") == "blank"


def images(count: int) -> NDArray[np.float32]:
    """Digits of scikit-learn as large as digit images."""
    from sklearn.datasets import load_digits

    enlarged = np.kron(load_digits().images[:count] / 16, np.ones((3, 3)))
    return np.pad(enlarged, ((0, 0), (2, 2), (2, 2))).astype(np.float32)


def probabilities(opened: Any, shown: NDArray[np.float32]) -> NDArray[np.float64]:
    """What the network in a page says of digit images."""
    script = "rows => rows.map(row => [...probabilities({ width: 28, height: 28, data: Float32Array.from(row) })])"
    return np.array(opened.evaluate(script, shown.reshape(len(shown), -1).tolist()))


def test_the_network_gives_the_same_probabilities(page: Any) -> None:
    shown = images(30)
    np.testing.assert_allclose(probabilities(page, shown), Reader().probabilities(shown), atol=1e-5)


EVERYTHING = """
everything (float[N, 28, 28] images) => (float[N, 10] out) <
  int64[4] last = {-1, 28, 28, 1}, int64[2] flat = {0, -1}, int64[2] places = {2, 3},
  int64[1] first = {0}, int64[1] second = {1}, int64[1] end = {11}, float half = {0.5}
> {
  channels_last = Reshape (images, last)
  image = Transpose <perm = [0, 3, 1, 2]> (channels_last)
  level = Sub (image, half)
  seen = Conv <strides = [2, 1], pads = [1, 0, 2, 1], dilations = [2, 1]> (level, kernels)
  relu = Relu (seen)
  leaky = LeakyRelu <alpha = 0.1> (seen)
  elu = Elu <alpha = 0.7> (seen)
  selu = Selu (seen)
  sigmoid = Sigmoid (seen)
  silu = Mul (seen, sigmoid)
  tanh = Tanh (seen)
  erf = Erf (seen)
  softplus = Softplus (seen)
  above = Greater (seen, half)
  either = Where (above, seen, softplus)
  scaled = Div (seen, scales)
  all = Concat <axis = 1> (relu, leaky, elu, selu, silu, tanh, erf, either, scaled)
  pooled = MaxPool <kernel_shape = [3, 2], strides = [2, 3], pads = [1, 0, 0, 1]> (all)
  most = ReduceMax <keepdims = 0> (pooled, places)
  middle = ReduceMean (pooled, places)
  means = Reshape (middle, flat)
  features = Concat <axis = 1> (most, means)
  one = Gemm <alpha = 0.5, transB = 1> (features, dense, bias)
  other = MatMul (features, matrix)
  total = ReduceLogSumExp <keepdims = 1> (one, second)
  moved = Add (other, total)
  upper = Unsqueeze (one, first)
  lower = Unsqueeze (moved, first)
  both = Concat <axis = 0> (upper, lower)
  mean = ReduceMean <keepdims = 0> (both, first)
  shares = Softmax <axis = 1> (mean)
  logs = Log (shares)
  again = Softmax (logs)
  out = Slice (again, second, end, second)
}"""
"""Every operation, in forms that are easily got wrong."""


def test_every_operation_gives_the_same(chromium: Any, page: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    graph = onnx.parser.parse_graph(EVERYTHING)
    for name, shape in {
        "kernels": (5, 1, 5, 3),
        "scales": (5, 1, 1),
        "dense": (11, 90),
        "matrix": (90, 11),
        "bias": (11,),
    }.items():
        values = random.normal(0, 0.3, shape).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(values, name))
    model = saved(tmp_path / "everything", graph)
    assert set(page.evaluate("Object.keys(operations)")) == {node.op_type for node in graph.node} == OPERATIONS
    opened = chromium.new_page()
    opened.goto(build(tmp_path / "everything.html", model).as_uri())
    shown = images(10)
    np.testing.assert_allclose(probabilities(opened, shown), Reader(model).probabilities(shown), atol=1e-5)
    opened.close()


def saved(folder: Path, graph: Any, card: dict[str, Any] | None = None, opset: int = 18) -> Path:
    """A model folder of a graph."""
    folder.mkdir()
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), folder / "model.onnx")
    (folder / "card.json").write_text(json.dumps(card or {"output": "probabilities"}))
    return folder


@pytest.mark.parametrize("order", ["row", "column"])
def test_a_network_of_other_images(chromium: Any, tmp_path: Path, order: str) -> None:
    graph = onnx.parser.parse_graph("g (float[N, 400] images) => (float[N, 10] out) { out = MatMul (images, weights) }")
    weights = np.random.default_rng(0).normal(size=(400, 10)).astype(np.float32)
    graph.initializer.append(numpy_helper.from_array(weights, "weights"))
    model = saved(tmp_path / order, graph, {"input": {"order": order}, "classes": list("abcdefghij")})
    opened = chromium.new_page()
    opened.goto(build(tmp_path / "reader.html", model).as_uri())
    shown = images(10)
    expected = Reader(model).probabilities(np.stack([resized(image, 20) for image in shown]))
    np.testing.assert_allclose(probabilities(opened, shown), expected, atol=1e-5)
    opened.close()


@pytest.mark.parametrize(
    ("shape", "node", "opset", "said"),
    [
        ("N, 400", "Sin (images)", 18, "operation Sin"),
        ("N, 400", "Relu (images)", 13, "opset 13"),
        ("N, 1, 28, 28", "MaxPool <kernel_shape = [3, 3], ceil_mode = 1> (images)", 18, "ceil_mode 1"),
        ("N, 3, 32, 32", "Relu (images)", 18, "whole pictures"),
    ],
)
def test_what_the_page_cannot_do_is_named(tmp_path: Path, shape: str, node: str, opset: int, said: str) -> None:
    graph = onnx.parser.parse_graph(f"g (float[{shape}] images) => (float[{shape}] out) {{ out = {node} }}")
    model = saved(tmp_path / "model", graph, opset=opset)
    with pytest.raises(ModelError, match=said):
        build(tmp_path / "reader.html", model)
    assert not (tmp_path / "reader.html").exists()


def test_a_network_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zeronine.share.page.MOST_BYTES", 1_000_000)
    with pytest.raises(ModelError, match=r"1\.10 MB, more than 1: "):
        build(tmp_path / "reader.html", SHIPPED)


def test_drawing_undoing_and_clearing(page: Any, shipped: Path) -> None:
    assert shipped.stat().st_size < 1_500_000
    box = page.locator("#paper").bounding_box()

    def stroke(*points: tuple[float, float]) -> None:
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=5)
        page.mouse.up()

    def shown(answer: str) -> None:
        playwright.expect(page.locator("#answer")).to_have_text(answer, timeout=20_000)

    stroke((0.25, 0.2), (0.7, 0.2), (0.4, 0.85))
    shown("7")
    playwright.expect(page.locator("#spoken")).to_have_text(re.compile("7, "), timeout=20_000)
    assert page.evaluate(
        "context(element('seen')).getImageData(0, 0, 28, 28).data.some(value => value > 0 && value < 255)"
    )
    assert page.get_by_label("7: ", exact=False).get_attribute("class") == "most"
    stroke((0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9), (0.1, 0.1), (0.9, 0.1), (0.5, 0.9), (0.1, 0.5), (0.9, 0.5))
    shown("?")
    page.get_by_role("button", name="Undo").click()
    shown("7")
    page.get_by_role("button", name="Clear").click()
    shown("")
    assert page.get_by_role("button", name="Undo").is_disabled()
    page.touchscreen.tap(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    assert page.evaluate("strokes.length") == 1
    page.keyboard.press("Control+z")
    assert page.evaluate("strokes.length") == 0


@pytest.mark.parametrize(("key", "left"), [("Backspace", 1), ("Delete", 0)])
def test_a_stroke_ends_where_it_is_taken_back(page: Any, key: str, left: int) -> None:
    page.evaluate("change([[[0.2, 0.2], [0.2, 0.4]]])")
    box = page.locator("#paper").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.keyboard.press(key)
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.8 * box["height"])
    page.mouse.up()
    assert page.evaluate("strokes") == [[[0.2, 0.2], [0.2, 0.4]]][:left]


def test_it_is_sharp_on_another_screen(page: Any) -> None:
    stays_sharp(page, playwright.expect)


def test_a_reading_takes_at_most_50_milliseconds(page: Any) -> None:
    client = page.context.new_cdp_session(page)
    client.send("Performance.enable", {"timeDomain": "threadTicks"})  # not what other programs take
    page.evaluate("strokes = [[[0.25, 0.2], [0.7, 0.2], [0.4, 0.85]]]; for (let i = 0; i < 10; i++) read()")

    def seconds() -> float:
        metrics = client.send("Performance.getMetrics")["metrics"]
        return float(next(entry["value"] for entry in metrics if entry["name"] == "ScriptDuration"))

    before = seconds()
    page.evaluate("new Promise(done => setTimeout(() => { for (let i = 0; i < 10; i++) read(); done() }))")
    assert 0 < (seconds() - before) / 10 < 0.05


def test_the_command(tmp_path: Path) -> None:
    app = typer.Typer()
    add(app)
    result = CliRunner().invoke(app, ["share", "page", "--out", str(tmp_path / "reader.html")])
    assert "1.10 MB" in result.output
    assert (tmp_path / "reader.html").read_text(encoding="utf-8").startswith("<!doctype html>")
