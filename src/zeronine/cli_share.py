"""The commands that pass a reader on: a page, an executable. Parse, call, print; nothing else."""

from pathlib import Path
from typing import Annotated

import typer

share_app = typer.Typer(help="Pass a reader on: a page for any browser, an executable.", no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(share_app, name="share")


@share_app.command()
def page(
    model: Annotated[str | None, typer.Option("--model", "-m", help="Model folder or .onnx file.")] = None,
    out: Annotated[Path, typer.Option(help="The HTML file.")] = Path("reader.html"),
) -> None:
    """Write one HTML file that reads digits as they are drawn, in any browser, without internet."""
    from zeronine.share.page import build

    build(out, model)
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.2f} MB; open it in a browser, or send it to a phone")
