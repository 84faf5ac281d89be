"""The commands that pass a model on: as a page, as an executable. Parse, call, print; nothing else."""

from pathlib import Path
from typing import Annotated

import typer

share_app = typer.Typer(help="Pass a model on to people who have no Python.", no_args_is_help=True)

ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="Name of a shipped model, model folder, or for a page an .onnx file.")
]


def add(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(share_app, name="share")


@share_app.command()
def page(
    model: ModelOption = "standard_v1",
    out: Annotated[Path, typer.Option(help="The HTML file.")] = Path("reader.html"),
) -> None:
    """Write one HTML file that reads digits as they are drawn: in any browser, without internet."""
    from zeronine.share.page import build

    build(out, model)
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.2f} MB; open it in a browser, or send it to a phone")


@share_app.command()
def app(
    model: ModelOption = "standard_v1",
    out: Annotated[Path, typer.Option(help="Folder for the executable.")] = Path("dist"),
) -> None:
    """Make the drawing window an executable for the system that this runs on. Needs the extra app."""
    from zeronine.share.app import build

    typer.echo(build(out, model))
