"""The commands that read pages and forms. Parse, call, print; nothing else."""

import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from zeronine.errors import ImageError, RuleError
from zeronine.files import replaced

if TYPE_CHECKING:
    from zeronine.form import Entry
    from zeronine.numbers import Number

OURS = re.compile("image,(number,text,confidence,|(.*,)?confidence,review$)")
"""How the first line of our tables begins, of numbers or of a form's fields: no other file is written over."""

form_app = typer.Typer(help="Templates of forms, for zeronine read --form.", no_args_is_help=True)


def pictures(names: Iterable[str]) -> Iterator[str]:
    """The names, a folder replaced by the pictures in it and below, hidden ones left out.

    Raises:
        ImageError: one of them can be no picture's, or standard input is named twice.
    """
    names = list(names)
    if names.count("-") > 1:
        raise ImageError("unreadable", "- is named twice, and standard input can be read once: leave one out")
    for name in names:
        if not name:
            raise ImageError("unreadable", "one of the names is empty: name a picture, a folder of them, or -")
        if "://" in name:
            raise ImageError("unreadable", f"{name} is an address: download the picture first, and name its file")
        yield from (_inside(Path(name)) if name != "-" and Path(name).is_dir() else []) or [name]


def _inside(folder: Path) -> list[str]:
    """The pictures in a folder and below; tells of the files that are none by their names."""
    from zeronine.pictures import PICTURES, is_clutter

    paths = [path for path in sorted(folder.rglob("*")) if not is_clutter(path.relative_to(folder).parts)]
    files = [(path, path.suffix.lower()) for path in paths if not path.is_dir()]
    shown = [str(path) for path, ending in files if ending in PICTURES]
    others = Counter(ending or "without an ending" for _, ending in files if ending not in PICTURES)
    if others:
        told = ", ".join(f"{count} {ending}" for ending, count in others.most_common())
        typer.echo(f"{folder}: left out {told}: save what is a picture as PNG or JPEG", err=True)
    if not shown:
        typer.echo(f"{folder}: no picture is in it; read are {' '.join(sorted(PICTURES))}", err=True)
    return shown


def read(
    images: Annotated[list[str], typer.Argument(help="Pictures, folders of pictures, or - for standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON per picture.")] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="CSV, on standard output, or in the .csv file named after it.")
    ] = False,
    overlay: Annotated[
        Path | None, typer.Option(help="Folder for the pictures with boxes and readings drawn on them.")
    ] = None,
    pattern: Annotated[
        str | None, typer.Option(help=r"Regular expression over digits that every number matches: '\d{5}'.")
    ] = None,
    lexicon: Annotated[
        Path | None, typer.Option(help="File of the numbers that may stand there, one per line.")
    ] = None,
    check: Annotated[
        str | None, typer.Option(help="Check digit: luhn, ean13, ean8, upc, isbn10, mod11, aba, iban:DE …")
    ] = None,
    form: Annotated[
        Path | None, typer.Option(help="Template: read the fields of scans of that form; see zeronine form.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Model folder for single digits.")] = None,
    page: Annotated[str | None, typer.Option("--page", help="Model folder that finds digits on a page.")] = None,
) -> None:
    """Read every handwritten number on each page. Exit status 1 when something was refused; the rest is still read."""
    if as_json and as_csv:
        raise RuleError("--json and --csv say the same in two ways: leave one of them out")
    names, table = _split(images, as_csv)
    if form is not None and (pattern, lexicon, check) != (None, None, None):
        raise RuleError("--form has the rules of its fields in the template: leave --pattern, --lexicon, --check out")
    if pattern == "":
        raise RuleError(r"--pattern is empty, which no number matches: leave it out, or give one such as '\d{5}'")
    if overlay is not None and overlay.is_dir():
        _refuse_sources(overlay, names)
    from zeronine.reader import Reader

    reader = Reader(model, page=page)
    if overlay is not None:
        overlay.mkdir(parents=True, exist_ok=True)
    if form is not None:
        clean = _read_forms(names, form, reader, as_json, table if as_csv else None, overlay)
    else:
        rule = _rule(pattern, lexicon, check)
        clean = _read_pages(names, reader, rule, as_json, table if as_csv else None, overlay)
    if not clean:
        raise typer.Exit(1)


def _split(images: Sequence[str], as_csv: bool) -> tuple[list[str], str]:
    """The pictures, and the CSV file that is named among them; ``-`` for standard output."""
    tables = [name for name in images if as_csv and name.lower().endswith(".csv")]
    if len(tables) > 1:
        raise RuleError(f"--csv writes one file, {len(tables)} are named: {', '.join(tables)}")
    if tables and Path(tables[0]).is_file():
        with Path(tables[0]).open(encoding="utf-8-sig", errors="replace") as file:
            line = file.readline()
        if line and not OURS.match(line.rstrip()):
            raise RuleError(
                f"--csv would write over {tables[0]}, which is no table of ours: leave it out, or name another file"
            )
    names = list(pictures(name for name in images if name not in tables))
    if not names:
        raise RuleError("no picture is named: give one or more, or a folder")
    return names, tables[0] if tables else "-"


def _refuse_sources(overlay: Path, names: Sequence[str]) -> None:
    """Refuse a folder in which a drawn picture could take the place of one that is read."""
    for folder in {Path(name).parent for name in names if name != "-"}:
        if folder.is_dir() and folder.samefile(overlay):
            raise RuleError(
                f"--overlay {overlay} holds pictures that are read, and it could write over them: name another"
            )


def _rule(pattern: str | None, lexicon: Path | None, check: str | None) -> Any:
    from zeronine.rules import rule

    texts = None
    if lexicon is not None:
        try:
            texts = lexicon.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise RuleError(f"the lexicon {lexicon} cannot be read ({error}): a text file, one number a line") from None
    return rule(pattern, texts, check)


def _read_pages(
    names: Sequence[str], reader: Any, rule: Any, as_json: bool, table: str | None, overlay: Path | None
) -> bool:
    """Read pages and print them; whether nothing was refused."""
    clean = True
    columns = ("image", "number", "text", "confidence", "rejected", "reason", "x", "y", "width", "height", "angle")
    with _rows(table, columns) as write:
        for name, source in _sheets(names):
            try:
                numbers: list[Number] = reader.read(_read_or_raise(source), rule)
            except ImageError as error:
                clean = False
                _say(name, str(error), error.reason, as_json, "numbers")
                write([[name, "", "", "", "yes", error.reason, *[""] * 5]])
                continue
            clean &= not any(number.rejected for number in numbers)
            if as_json:
                row = {"image": name, "numbers": [number.as_dict() for number in numbers]}
                typer.echo(json.dumps(row, ensure_ascii=False))
            elif table is not None:
                write(_page_row(name, place, number) for place, number in enumerate(numbers, 1))
            else:
                _print_page(name, numbers)
            if overlay is not None:
                _draw(source, numbers, overlay, name)
    return clean


def _sheets(names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Each picture, or the error that is in its place; of a TIFF also the pages after the first, as ``scan.tif#2``."""
    from zeronine.image import pages

    for name in names:
        count = 0
        try:
            for page in pages(sys.stdin.buffer.read() if name == "-" else name):
                count += 1
                yield name if count == 1 else f"{name}#{count}", page
        except ImageError as error:
            yield f"{name}#{count + 1}" if count else name, error


def _read_or_raise(source: Any) -> Any:
    if isinstance(source, ImageError):
        raise source
    return source


def _page_row(name: str, place: int, number: "Number") -> list[Any]:
    sides = [f"{side:.5f}" for side in number.box]
    refused = "yes" if number.rejected else "no"
    return [name, place, number.text, f"{number.confidence:.4f}", refused, number.reason, *sides, f"{number.angle:.1f}"]


def _print_page(name: str, numbers: Sequence["Number"]) -> None:
    """A line per number."""
    if not numbers:
        typer.echo(f"{name}: no number")
    for number in numbers:
        line = f"{name}: {number.text}  {100 * number.confidence:.1f} %"
        if number.rule and number.unruled and number.unruled.text != number.text:
            line += f"  ({number.rule}; without it {number.unruled.text})"
        if number.rejected:
            others = " or ".join(other.text for other in number.alternatives[:2])
            line += f"  {number.reason}" + (f", perhaps {others}" if others else "")
        typer.echo(line)


def _read_forms(
    names: Sequence[str], form: Path, reader: Any, as_json: bool, table: str | None, overlay: Path | None
) -> bool:
    """Read scans of a form and print their fields; whether nothing was refused."""
    from zeronine.form import FormReader, Template, located

    template = Template.load(form)
    fields = [field.name for field in template.fields]
    taken = {"image", "confidence", "review"}.intersection(fields)
    if taken and table is not None:
        raise RuleError(f"{form} has a field named {min(taken)}, as a column of every table is: name it otherwise")
    forms, clean = FormReader(template, reader), True
    with _rows(table, ("image", *fields, "confidence", "review")) as write:
        for name, source in _sheets(names):
            try:
                page = forms.laid(_read_or_raise(source))
            except ImageError as error:
                clean = False
                _say(name, str(error), error.reason, as_json, "fields")
                if table is not None:
                    write([[name, *[""] * len(fields), "", error.reason]])
                continue
            pairs = zip(forms.fields(page), template.fields, strict=True)
            entries = [replace(entry, number=located(entry, field)) for entry, field in pairs]
            clean &= not any(entry.doubtful for entry in entries)
            _print_form(name, entries, as_json, table is not None, write)
            if overlay is not None:
                _draw(page, [entry.number for entry in entries if entry.number], overlay, name)
    return clean


def _print_form(name: str, entries: Sequence["Entry"], as_json: bool, as_table: bool, write: Any) -> None:
    """A scan's fields as JSON, as a row of CSV, or a line each."""
    if as_json:
        found = {entry.field: entry.number.as_dict() if entry.number else None for entry in entries}
        typer.echo(json.dumps({"image": name, "fields": found}, ensure_ascii=False))
    elif as_table:
        texts = [entry.number.text if entry.number else "" for entry in entries]
        least = min((entry.number.confidence for entry in entries if entry.number), default=None)
        review = " ".join(entry.field for entry in entries if entry.doubtful)
        write([[name, *texts, "" if least is None else f"{least:.4f}", review]])
    else:
        for entry in entries:
            said = f"{entry.number.text}  {100 * entry.number.confidence:.1f} %" if entry.number else "empty"
            typer.echo(f"{name}: {entry.field}: {said}" + ("  review" if entry.doubtful else ""))


def _say(name: str, error: str, reason: str, as_json: bool, key: str) -> None:
    """Tell of a picture that cannot be read, and go on."""
    if as_json:
        empty: dict[str, Any] = {"image": name, key: [] if key == "numbers" else {}, "error": error, "reason": reason}
        typer.echo(json.dumps(empty, ensure_ascii=False))
    typer.echo(f"{name}: {error}", err=True)


def _draw(source: Any, numbers: Sequence["Number"], folder: Path, name: str) -> None:
    """Write an overlay; pictures of one name out of two folders do not write over one another."""
    from zeronine.overlay import overlay, save

    stem = "stdin" if name.startswith("-") else Path(name).stem
    path, count = folder / f"{stem}.png", 1
    while path in _DRAWN:
        count += 1
        path = folder / f"{stem}-{count}.png"
    _DRAWN.add(path)
    save(overlay(source, numbers), path)


_DRAWN: set[Path] = set()


@contextmanager
def _rows(table: str | None, columns: Sequence[str]) -> Iterator[Any]:
    """A function that writes rows of CSV; the file has its name only when all is done, so that none is half-written."""
    if table is None:
        yield lambda rows: None
    elif table == "-":
        yield _headed(sys.stdout, columns)
    else:
        with (
            replaced(Path(table)) as temporary,
            temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,  # names of files
        ):
            yield _headed(file, columns)
        typer.echo(f"{table} written", err=True)


def _headed(file: IO[str], columns: Sequence[str]) -> Any:
    """What writes rows of CSV below the names of the columns."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    return writer.writerows


@form_app.command("draw")
def form_draw(
    blank: Annotated[Path, typer.Argument(help="Picture of the blank form.")],
    out: Annotated[Path | None, typer.Option(help="Web page to write; BLANK.html if not given.")] = None,
) -> None:
    """Help to make a template: find the boxes of a blank form, and write a web page to draw and name its fields."""
    from zeronine.form import Template, editor, suggested

    fields = suggested(blank)
    page, template = out or blank.with_suffix(".html"), blank.with_suffix(".json")
    with replaced(page) as temporary:
        temporary.write_text(editor(blank, fields), encoding="utf-8")
    typer.echo(f"{page}: open it in a browser, draw and name the fields, save the template beside {blank.name}")
    if template.exists():
        typer.echo(f"{template} is there already and stays as it is")
    elif fields:
        with replaced(template) as temporary:
            text = json.dumps(Template(blank, tuple(fields)).as_dict(), indent=2)
            temporary.write_text(text + "\n", encoding="utf-8")
        typer.echo(f"{template}: the {len(fields)} empty boxes that were found, as a template to begin with")
