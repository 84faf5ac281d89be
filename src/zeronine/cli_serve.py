"""The command that serves. Parse, call, print; nothing else."""

import logging
from pathlib import Path
from typing import Annotated

import typer


def serve(
    host: Annotated[
        str, typer.Option(help="Address to bind; one that other machines reach needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any that is free.")] = 8000,
    store: Annotated[
        str | None, typer.Option(envvar="ZERONINE_STORE", help="Where corrections go: a file, or postgresql://…")
    ] = None,
    token: Annotated[
        str,
        typer.Option(envvar="ZERONINE_TOKEN", help="That requests must bear. On the command line others here see it."),
    ] = "",
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Model folder; the taught one, or the shipped one, if not given."),
    ] = None,
    taught: Annotated[Path | None, typer.Option(help="Folder of the taught models.")] = None,
    cors: Annotated[
        list[str] | None, typer.Option(help="A website whose pages may use it, https://example.org.")
    ] = None,
    allow_host: Annotated[list[str] | None, typer.Option(help="A name by which it may be asked for.")] = None,
    proxy: Annotated[
        list[str] | None, typer.Option(help="Address of a proxy whose word is taken for who a client is.")
    ] = None,
) -> None:
    """Read digits and pages over HTTP, and show the page to draw on. SIGTERM or Ctrl+C ends it."""
    from zeronine.serve import Settings, run

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    run(
        Settings(
            host=host,
            port=port,
            token=token,
            store=store,
            model=model,
            taught=taught,
            cors=tuple(cors or ()),
            allow_hosts=tuple(allow_host or ()),
            proxies=tuple(proxy or ()),
        )
    )


def add(app: typer.Typer) -> None:
    """Put the command into an application."""
    app.command()(serve)


def load(
    seconds: Annotated[float, typer.Option(min=1, help="To run.")] = 60,
    rate: Annotated[float, typer.Option(min=0, help="Requests a second; 0 for as many as go.")] = 0,
    picture: Annotated[str, typer.Option(help="digit: 28×28, as MNIST's; drawing: 280×280.")] = "digit",
    connections: Annotated[int, typer.Option(min=1, help="Kept open.")] = 16,
) -> None:
    """Load a service of its own on loopback: predictions a second, waits, errors, memory over time."""
    from zeronine.bench.serve import measure

    for line in measure(seconds=seconds, rate=rate, picture=picture, connections=connections).lines():
        typer.echo(line)


def add_bench(bench_app: typer.Typer) -> None:
    """Put the command that measures into the application of measurements."""
    bench_app.command("serve")(load)
