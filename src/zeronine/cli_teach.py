"""The commands about corrections and teaching. Parse, call, print; nothing else."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from zeronine.store import Store

corrections_app = typer.Typer(help="What was read wrongly and corrected.", no_args_is_help=True)

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar="ZERONINE_STORE",
        help="SQLite file, or address such as postgresql://me@host/name; a file in your data folder if not given.",
    ),
]


def add(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(teach)
    app.add_typer(corrections_app, name="corrections")


def teach(
    store: StoreOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the taught models; one in your data folder if not given.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="What a copy is taught of: the shipped one if none.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is replayed, and its order.")] = 0,
    back: Annotated[
        bool, typer.Option("--back", help="Teach nothing: use the model before the present one again.")
    ] = False,
) -> None:
    """Teach a copy of the model from the corrections. Exit status 1 where it is no better and stays unused."""
    if back:
        from zeronine import taught

        typer.echo(f"in use: {taught.back(out) or 'the shipped model'}")
        return
    from zeronine.reader import SHIPPED
    from zeronine.train.teach import teach as learn

    opened = _opened(store)
    outcome = learn(opened, out=out, model=model or SHIPPED, seed=seed)
    opened.close()
    left_out = f", {outcome.left_out} left out" if outcome.left_out else ""
    typer.echo(f"corrections: {outcome.learned} learned from{left_out}, {outcome.seconds:.0f} s")
    typer.echo(f"held-out corrections: {outcome.held_out}")
    typer.echo(f"MNIST, held out: {outcome.validation}")
    typer.echo(f"MNIST, held out, a refused one counted as wrong: {outcome.answered}")
    if outcome.why_not:
        typer.echo(f"not promoted: {outcome.why_not}")
        raise typer.Exit(1)
    typer.echo(f"in use: {outcome.folder}")


@corrections_app.command("list")
def list_corrections(
    store: StoreOption = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="So many at most.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON per correction.")] = False,
) -> None:
    """List the corrections, newest first."""
    import json

    opened = _opened(store)
    for one in opened.all(limit=limit, newest_first=True):
        if as_json:
            row = {name: getattr(one, name) for name in ("id", "reading", "truth", "model", "confidence", "client")}
            typer.echo(json.dumps(row | {"created": one.created.isoformat()}))
        else:
            change = f"{one.reading or '–'} is {one.truth or 'no digit'}"
            typer.echo(f"{one.id}  {one.created:%Y-%m-%d %H:%M}  {change}  {one.model}  {one.client}".rstrip())
    opened.close()


@corrections_app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where to; it must be empty or not there yet.")],
    store: StoreOption = None,
) -> None:
    """Write all corrections as pictures and a table; FOLDER/digits is data for  zeronine train --digits."""
    opened = _opened(store)
    typer.echo(f"{opened.export(folder)} corrections in {folder}")
    opened.close()


@corrections_app.command()
def delete(
    ids: Annotated[list[str], typer.Argument(help="As zeronine corrections list shows them.")],
    store: StoreOption = None,
) -> None:
    """Delete corrections. Exit status 1 where one is not there; the others are still deleted."""
    opened = _opened(store)
    missing = [id for id in ids if not opened.delete(id)]
    opened.close()
    for id in missing:
        typer.echo(f"{id} is not there", err=True)
    if missing:
        raise typer.Exit(1)


def _opened(store: str | None) -> "Store":
    """The store; one that is named, and not there, is a mistake: it would be made anew, and be empty."""
    from zeronine.errors import StoreError
    from zeronine.store import Store

    if store is not None and "://" not in store and not Path(store).expanduser().exists():
        raise StoreError(f"there is no store {store}: see how it is called; the first correction makes one")
    return Store(store)
