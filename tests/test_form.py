"""Forms: templates, registration, fields; the web page that helps to draw them."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from zeronine import Reader
from zeronine.errors import ImageError, RuleError
from zeronine.form import Field, FormReader, Template, editor, located, suggested

PAGES = Path(__file__).parent.parent / "docs" / "read"

BOXES = {"meter": (300, 190, 350), "reading": (300, 330, 420), "year": (300, 470, 280)}


@pytest.fixture(scope="module")
def template() -> Template:
    return Template.load(PAGES / "form.json")


@pytest.fixture(scope="module")
def forms(template: Template) -> FormReader:
    return FormReader(template, Reader())


def test_the_boxes_of_a_blank_form_are_found() -> None:
    fields = suggested(PAGES / "form.png")
    assert len(fields) == len(BOXES)
    for field, (left, top, wide) in zip(fields, BOXES.values(), strict=True):
        assert field.box == pytest.approx((left / 900, top / 640, wide / 900, 84 / 640), abs=0.006)


def test_cells_side_by_side_are_one_field_though_they_jitter() -> None:
    for top in range(96, 104):
        blank = Image.new("L", (900, 700), 255)
        for place in range(6):
            left, above = 100 + 30 * place, top + place % 2
            ImageDraw.Draw(blank).rectangle((left, above, left + 30, above + 36), outline=0, width=2)
        (field,) = suggested(np.asarray(blank))
        assert field.box[2] == pytest.approx(180 / 900, abs=0.01)


@pytest.mark.parametrize("box", [(0.9999, 0.2, 0.0001, 0.2), (0.2, 0.9999, 0.2, 0.0001)])
def test_a_field_at_the_very_edge_is_empty(box: tuple[float, float, float, float]) -> None:
    forms = FormReader(Template(PAGES / "form.png", (Field("edge", box),)), Reader())
    assert [entry.number for entry in forms.read(PAGES / "form.png")] == [None]


def test_scans_are_read_field_by_field(forms: FormReader) -> None:
    entries = forms.read(PAGES / "scan-1.jpg")
    wanted = {"meter": "40721", "reading": "008315", "year": "2026"}
    assert {entry.field: entry.number.text if entry.number else "" for entry in entries} == wanted
    assert not any(entry.doubtful for entry in entries)


def test_what_is_read_with_doubt_is_marked(forms: FormReader, crossed_out: Path) -> None:
    entries = {entry.field: entry for entry in forms.read(crossed_out)}
    reading, year = entries["reading"].number, entries["year"].number
    assert reading is not None
    assert year is not None
    assert (year.text, reading.reason) == ("2026", "unsure")
    assert entries["reading"].doubtful


def test_a_scan_may_lie_on_its_side(forms: FormReader) -> None:
    entries = forms.read(Image.open(PAGES / "scan-1.jpg").rotate(90, expand=True))
    assert [entry.number.text for entry in entries if entry.number] == ["40721", "008315", "2026"]


def test_an_empty_form_has_empty_fields(forms: FormReader, template: Template) -> None:
    assert [entry.number for entry in forms.read(template.image)] == [None, None, None]


def test_another_page_is_refused(forms: FormReader) -> None:
    for page in (PAGES / "scores.jpg", np.full((600, 800), 255, np.uint8)):
        with pytest.raises(ImageError, match=r"no scan of form\.png"):
            forms.read(page)


def test_numbers_are_located_on_the_form(forms: FormReader, template: Template) -> None:
    entry, field = forms.read(PAGES / "scan-1.jpg")[2], template.fields[2]
    number = located(entry, field)
    assert number is not None
    left, top, wide, high = field.box
    for x, y, w, h in (number.box, *(digit.box for digit in number.digits)):
        assert left - 1e-6 <= x <= x + w <= left + wide + 1e-6
        assert top - 1e-6 <= y <= y + h <= top + high + 1e-6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no template"),
        ('{"image": "a.png"}', "is no template"),
        ('{"image": "a.png", "fields": []}', "has no fields"),
        ('{"image": "a.png", "fields": [{"name": "a", "box": [0, 0, 2, 1]}]}', "not within 0..1"),
        ("[" * 100_000, "is no template"),
        (
            '{"image": "a.png", "fields": [{"name": "a", "box": [0, 0, 1, 1], "check": "sum"}]}',
            r"form\.json, field a: there is no check digit",
        ),
        (
            '{"image": "a.png", "fields": [{"name": "a", "box": [0, 0, 1, 1], "check": ["luhn"]}]}',
            "check of 'a' is no text",
        ),
        (
            '{"image": "a.png", "fields": [{"name": "a", "box": [0, 0, 1, 1], "pattern": 12}]}',
            "pattern of 'a' is no text",
        ),
        ('{"image": "a.png", "fields": [{"name": "a", "box": [0, 0, 1, 1], "lexicon": "12"}]}', "is no list"),
        ('{"image": "a.png", "fields": [{"name": null, "box": [0, 0, 1, 1]}]}', "name of None is no text"),
        (
            '{"image": "a.png", "fields": [{"name": "a", "box": [0, 0, 1, 1]}, {"name": "a", "box": [0, 0, 1, 1]}]}',
            "two fields with the name a",
        ),
    ],
)
def test_damaged_templates_say_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "form.json").write_text(text)
    with pytest.raises(RuleError, match=message):
        Template.load(tmp_path / "form.json")
    with pytest.raises(RuleError, match="zeronine form draw"):
        Template.load(tmp_path / "none.json")


def test_a_template_comes_back_as_it_was_written(tmp_path: Path) -> None:
    fields = (Field("a", (0.1, 0.2, 0.3, 0.1), r"\d+", ("12", "34"), "luhn"), Field("b", (0.5, 0.5, 0.2, 0.1)))
    written = Template(tmp_path / "blank.png", fields)
    (tmp_path / "form.json").write_text(json.dumps(written.as_dict()))
    assert Template.load(tmp_path / "form.json") == written
    (tmp_path / "form.json").write_text(json.dumps(written.as_dict()), encoding="utf-8-sig")  # as Windows' editors do
    assert Template.load(tmp_path / "form.json") == written


def test_the_editor_holds_the_picture_and_the_fields() -> None:
    page = editor(PAGES / "form.png", [Field("</script>", (0.1, 0.2, 0.3, 0.1))])
    assert "{{" not in page
    assert page.count("</script>") == 1
    assert "data:image/jpeg;base64,/9j/" in page


def test_a_transparent_form_lies_on_white_paper(tmp_path: Path) -> None:
    blank = Image.new("RGBA", (400, 300), (0, 0, 0, 0))
    ImageDraw.Draw(blank).rectangle((50, 50, 200, 100), outline=(0, 0, 0, 255))
    blank.save(tmp_path / "blank.png")
    picture = editor(tmp_path / "blank.png", []).split("data:image/jpeg;base64,")[1].split('"')[0]
    assert np.asarray(Image.open(io.BytesIO(base64.b64decode(picture)))).mean() > 240


def test_a_form_without_printing_cannot_be_laid_on(tmp_path: Path) -> None:
    Image.new("L", (400, 300), 255).save(tmp_path / "white.png")
    with pytest.raises(ImageError, match="nothing printed"):
        FormReader(Template(tmp_path / "white.png", (Field("a", (0, 0, 1, 1)),)), Reader())
