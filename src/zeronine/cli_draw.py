"""The command that opens the window to draw in. Parse, call, print; nothing else."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from zeronine.errors import ZeronineError

if TYPE_CHECKING:
    from zeronine.reader import Reader


def draw(
    picture: Annotated[str | None, typer.Argument(help="A picture to begin with.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="Model folder, run folder, .onnx, .keras or .h5 file; the one in use if none."
        ),
    ] = None,
    store: Annotated[
        str | None, typer.Option(help="Where corrections are kept: a SQLite file or a postgresql:// address.")
    ] = None,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Draw without a screen, see that it is read, and stop.")
    ] = False,
) -> None:
    """Draw digits and numbers with mouse, pen or finger, and see them read."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    os.environ.setdefault("SDL_WINDOWS_DPI_AWARENESS", "permonitorv2")
    import zeronine.draw  # noqa: F401  first, as it says which extra is missing

    if self_test:
        from zeronine.draw.selftest import self_test as tested

        outcome = tested(_reader(model))
        typer.echo(outcome.line)
        raise typer.Exit(not outcome.passed)
    from zeronine.draw.window import Window

    window = Window(_reader(model), store)
    if picture is not None:
        window.desk.open(picture)
    window.run()


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(draw)


def main(model: str | None = None) -> None:
    """Run the command alone, as the executable does.

    Args:
        model: the one to use; None for the one in use.
    """
    if model is not None and not {"--model", "-m"} & set(sys.argv):
        sys.argv[1:1] = ["--model", model]
    app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    add(app)
    try:
        app()
    except (ZeronineError, OSError) as error:
        typer.echo(f"zeronine: {error}", err=True)
        sys.exit(1)


def _reader(model: str | None) -> "Reader":
    """A Reader of the model named, or of the one in use; the training stack is loaded only for what needs it."""
    from zeronine.reader import Reader, of_training
    from zeronine.taught import current

    if model is not None and of_training(model):
        from zeronine.train.export import open_reader

        return open_reader(model)
    return Reader(current() if model is None else model)
