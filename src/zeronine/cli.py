"""The command line: parse, call, print. Nothing else; what it does is in the library, under the same names.

Libraries are imported inside the commands, so that ``zeronine predict`` starts in a fraction of a second.
"""

import json
import math
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from zeronine import cli_draw, cli_serve, cli_share, cli_teach
from zeronine.cli_read import form_app, pictures, read
from zeronine.errors import RecipeError, ZeronineError

if TYPE_CHECKING:
    from rich.table import Table

    from zeronine.bench.accuracy import Accuracy
    from zeronine.bench.rounds import Comparison
    from zeronine.bench.tables import Table as MeasuredTable
    from zeronine.evaluate import Evaluation
    from zeronine.reader import Prediction
    from zeronine.train import Run
    from zeronine.train.sweep import Sweep, Trial

app = typer.Typer(
    help="Reads handwritten numbers, and trains the networks that do.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="The named data sets, and your own.", no_args_is_help=True)
app.add_typer(data_app, name="data")
bench_app = typer.Typer(help="Measure speed and accuracy, ours beside its peers.", no_args_is_help=True)
app.add_typer(bench_app, name="bench")
app.command()(read)
app.add_typer(form_app, name="form")
for part in (cli_draw, cli_serve, cli_teach, cli_share):
    part.add(app)
cli_serve.add_bench(bench_app)


class Engine(StrEnum):
    """What Keras computes with."""

    torch = "torch"
    tensorflow = "tensorflow"
    jax = "jax"


class Order(StrEnum):
    """How a flat row of pixels is laid out."""

    row = "row"
    column = "column"


class Part(StrEnum):
    """A split of a data set."""

    train = "train"
    test = "test"


DataOption = Annotated[str | None, typer.Option("--data", help="A named set, or the path of your own data.")]
TargetOption = Annotated[str | None, typer.Option("--target", help="Column of a CSV file that holds the label.")]
PeersOption = Annotated[str, typer.Option(help="none, all, or names of peers by commas.")]
EnvironmentOption = Annotated[
    Path | None, typer.Option(help="Folder that keeps what the Keras peer needs; removed at the end if not given.")
]
DigitsOption = Annotated[bool, typer.Option("--digits", help="Make a 28×28 digit image of every picture first.")]


def main() -> None:
    """Run the command line; an error of ours is one line on standard error and exit status 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name must not end the run
    warnings.filterwarnings("ignore", "Image size .* could be decompression bomb")  # Pillow's; too large is said by us
    try:
        app()
    except ZeronineError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error))


def _fail(said: str) -> None:
    typer.echo(f"zeronine: {said}", err=True)
    sys.exit(1)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"zeronine {version('zeronine')}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Reads handwritten numbers, and trains the networks that do."""


@app.command()
def predict(
    images: Annotated[list[str], typer.Argument(help="Pictures, folders of pictures, or - for standard input.")],
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Model folder, run folder, .onnx, .keras or .h5 file.")
    ] = None,
    top: Annotated[int, typer.Option("--top", "-k", min=1, help="Show the K likeliest answers.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON per picture.")] = False,
    order: Annotated[Order | None, typer.Option(help="How a flat network's pixels are laid out.")] = None,
    unsure: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Refuse below this confidence; 0 for never. The model's own if none."),
    ] = None,
) -> None:
    """Read the digit in each picture. Exit status 1 when a picture was refused; the others are still read."""
    reader = _reader(model, order, unsure)
    names = list(pictures(images))
    sources = [sys.stdin.buffer.read() if name == "-" else name for name in names]
    predictions: list[Prediction] = []
    with _progress("reading", len(names), show=not as_json and len(names) > 20) as step:
        for number, (name, prediction) in enumerate(zip(names, reader.predict_many(sources), strict=True), 1):
            predictions.append(prediction)
            step(number, {})
            if as_json:
                typer.echo(json.dumps({"image": name, **prediction.as_dict()}, ensure_ascii=False))
    if not as_json:
        _print(_predictions(names, predictions, top))
    if any(prediction.rejected for prediction in predictions):
        raise typer.Exit(1)


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(help="A recipe, to see its layers and its claim.")] = None,
) -> None:
    """List the recipes, or show the layers, parameters, settings and claim of one."""
    from zeronine.train import describe, names

    if name is None:
        table = _table("recipe", "network", "data", "claim")
        for recipe in map(describe, names()):
            table.add_row(recipe.name, recipe.summary, recipe.data, recipe.claim)
        _print(table)
        return
    recipe = describe(name)
    typer.echo(f"{name}: {recipe.summary}")
    table = _table("layer", "output", "parameters")
    for layer, shape, parameters in recipe.layers:
        table.add_row(layer, "×".join(map(str, shape)), f"{parameters:,}" if parameters else "")
    table.add_row("in all", "", f"{sum(row[2] for row in recipe.layers):,}")
    _print(table)
    settings = ", ".join(f"{key} {value}" for key, value in recipe.settings.items())
    for label, text in (
        ("training", recipe.training),
        ("settings", settings),
        ("published", recipe.published),
        ("claim", recipe.claim),
    ):
        if text:
            typer.echo(f"{label}: {text}")


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="Its name; zeronine recipes lists them.")],
    data: DataOption = None,
    target: TargetOption = None,
    digits: DigitsOption = False,
    seed: Annotated[int, typer.Option(min=0, help="Decides weights, order and dropout.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/RECIPE-SEED if not given.")] = None,
    engine: Annotated[Engine, typer.Option(help="What Keras computes with, for the tutorials.")] = Engine.torch,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write event files for TensorBoard too.")] = False,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    iterations: Annotated[int | None, typer.Option(help="Steps, for recipes that count them.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The optimiser's.")] = None,
    dropout: Annotated[float | None, typer.Option(help="Fraction of the last hidden layer, 0 to below 1.")] = None,
    units: Annotated[str | None, typer.Option(help="Widths of the hidden layers, such as 256,128.")] = None,
    layers: Annotated[
        int | None, typer.Option(help="How many layers: the first widths, or the last one again.")
    ] = None,
    activation: Annotated[str | None, typer.Option(help="Between the layers: relu, tanh, gelu, linear …")] = None,
    finetune: Annotated[
        Path | None,
        typer.Option(help="For page and line: refine on real pictures, a folder with labels.csv; see docs/read.md."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any other setting of the recipe, as NAME=VALUE.")
    ] = None,
) -> None:
    """Train a recipe. A training that was killed goes on when the same command is given again."""
    from zeronine.train import train as train_recipe
    from zeronine.train.run import COMPOSED

    if finetune is not None and recipe not in COMPOSED:
        raise RecipeError("--finetune refines the recipes page and line on real pictures: leave it out")
    given = {
        "epochs": epochs,
        "iterations": iterations,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "dropout": dropout,
        "units": units,
        "layers": layers,
        "activation": activation,
        "real": finetune and str(finetune),
    }
    overrides = {key: value for key, value in given.items() if value is not None} | dict(map(_setting, settings or ()))
    with _progress(recipe, None) as step, _going_on():
        run = train_recipe(
            recipe,
            data=data,
            target=target,
            digits=digits,
            seed=seed,
            out=out,
            settings=overrides,
            engine=engine.value,
            tensorboard=tensorboard,
            progress=lambda done, total, figures: step(done, figures, total),
        )
    if os.environ.get("RANK", "0") == "0":  # of the processes that torchrun starts the first one tells and draws
        _show_run(run)


def _show_run(run: "Run") -> None:
    """What a training reached, and its plots."""
    from zeronine import report

    part, labels = run.config["predictions_of"], run.predictions[1]
    unit = "digits" if run.composed else "images"
    typer.echo(
        f"{part} accuracy {100 * run.accuracy:.2f} % of {len(labels):,} {unit}, "
        f"{run.config['seconds']:.1f} s of training"
    )
    if part == "train":
        kept_out = "; --set holdout=N keeps some out" if "holdout" in run.config["settings"] else ""
        typer.echo(f"these are the images it learned from: the data have no test part{kept_out}")
    plots = report.draw(run.folder)
    typer.echo(f"run folder {run.folder}, plots {', '.join(path.name for path in plots)} in {plots[0].parent}")


@app.command()
def sweep(
    recipe: Annotated[str, typer.Argument(help="Its name; zeronine recipes lists them.")],
    trials: Annotated[int, typer.Option("--trials", "-n", min=1, help="How many in all, earlier ones included.")] = 20,
    over: Annotated[
        list[str] | None,
        typer.Option(help="What to search: learning_rate,dropout=0..0.5,activation=relu/gelu; see docs/sweep.md."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting that stays as it is given, as NAME=VALUE.")
    ] = None,
    data: DataOption = None,
    target: TargetOption = None,
    digits: DigitsOption = False,
    validation: Annotated[
        int | None, typer.Option(min=1, help="Training images to choose by; a sixth, or what the recipe sets apart.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of every training, and of what is tried.")] = 0,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that work side by side.")] = 1,
    minutes: Annotated[float | None, typer.Option(min=0, help="After so many, stop; the same command goes on.")] = None,
    storage: Annotated[
        str | None,
        typer.Option(envvar="ZERONINE_STORAGE", help="SQLite file, or address such as postgresql://me@host/name."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The sweep's folder; runs/sweep-RECIPE if not given.")] = None,
    engine: Annotated[Engine, typer.Option(help="What Keras computes with, for the tutorials.")] = Engine.torch,
) -> None:
    """Search for better settings of a recipe; the same command goes on, and several may work at once."""
    from zeronine import report
    from zeronine.train.sweep import sweep as search

    with _progress(f"sweep {recipe}", None) as step, _going_on():
        found = search(
            recipe,
            trials=trials,
            over=over,
            settings=dict(map(_setting, settings or ())),
            data=data,
            target=target,
            digits=digits,
            validation=validation,
            seed=seed,
            out=out,
            storage=storage,
            jobs=jobs,
            minutes=minutes,
            engine=engine.value,
            progress=lambda done, total, figures: step(done, figures, total),
        )
    _print_sweep(found)
    plots = report.draw_sweep(found.folder)
    named = f", plots {', '.join(path.name for path in plots)} in {plots[0].parent}" if plots else ""
    typer.echo(f"all trials {found.folder / 'results.csv'}{named}, storage {found.storage}")


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="Run folder, model folder, .onnx, .keras or .h5 file.")],
    data: Annotated[
        str | None, typer.Option("--data", help="A named set or a path; the run's own set, or mnist, if not given.")
    ] = None,
    target: TargetOption = None,
    digits: DigitsOption = False,
    split: Annotated[Part, typer.Option(help="Which part of the data.")] = Part.test,
    order: Annotated[Order | None, typer.Option(help="How a flat network's pixels are laid out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure a model: accuracy with a 95 % interval, precision and recall of each class, log loss."""
    from zeronine.train.export import evaluate_model

    result, name, part = evaluate_model(
        model, data, split=split.value, target=target, digits=digits, order=order.value if order else None
    )
    if as_json:
        typer.echo(json.dumps({"model": model, "data": name, "split": part, **result.as_dict()}))
        return
    typer.echo(f"{model} on {name}, {part}")
    _print(_evaluation(result))
    low, high = result.interval
    typer.echo(
        f"accuracy {100 * result.accuracy:.2f} % ({result.correct:,} of {result.count:,}), "
        f"95 % interval {100 * low:.2f} to {100 * high:.2f} %, log loss {result.log_loss:.4f}"
    )


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    out: Annotated[Path, typer.Option(help="Model folder to make.")],
    rows: Annotated[
        Path | None,
        typer.Option(help="Of a run of page: the run of line that reads its rows; the shipped model's for none."),
    ] = None,
) -> None:
    """Make a model folder of a run: model.onnx, card.json, README.md; refuses where its answers differ."""
    from zeronine.train.export import export as export_run

    folder = export_run(run, out, rows)
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    parity = card["parity"]
    if card.get("kind") == "page":
        typer.echo(
            f"{folder}: {card['model']['bytes']:,} bytes; maps within {parity['largest_difference']:.1e} of the "
            f"trained network's; measured in {folder / 'README.md'}"
        )
        return
    typer.echo(
        f"{folder}: {card['model']['bytes']:,} bytes; {parity['same_answers']:,} of {parity['images']:,} answers "
        f"as the trained network's, probabilities within {parity['largest_difference']:.1e}"
    )


@app.command("report")
def draw_report(run: Annotated[Path, typer.Argument(help="Run folder.")]) -> None:
    """Draw a run's learning curves, confusion matrix, worst errors and a sample of predictions."""
    from zeronine import report

    for path in report.draw(run):
        typer.echo(str(path))


@data_app.command("list")
def data_list() -> None:
    """List the named sets: what they are, their sizes, and whether their files are here."""
    from zeronine.data import SETS, at_hand

    table = _table("set", "images", "shape", "about", "here")
    for name, named in SETS.items():
        table.add_row(
            name,
            f"{named.train:,} + {named.test:,}",
            "×".join(map(str, named.shape)),
            f"{named.description}. Terms: {named.terms}",
            "yes" if at_hand(name) else "no",
        )
    _print(table)


@data_app.command("show")
def data_show(
    name: Annotated[str, typer.Argument(help="A named set, or the path of your own data.")],
    out: Annotated[Path | None, typer.Option(help="The PNG; NAME.png if not given.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many pictures.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Decides which ones.")] = 0,
    split: Annotated[Part | None, typer.Option(help="Only this part; the other one need not be here.")] = None,
    target: TargetOption = None,
    digits: DigitsOption = False,
) -> None:
    """Draw a labelled contact sheet to a PNG."""
    from zeronine.data import contact_sheet, load

    dataset = load(name, target=target, digits=digits, split=split.value if split else None)
    typer.echo(
        f"{name}: {len(dataset.train):,} training, {len(dataset.test):,} test images, {len(dataset.classes)} classes"
    )
    typer.echo(str(contact_sheet(dataset, out or Path(f"{Path(name).stem}.png"), count=count, seed=seed)))


@data_app.command("fetch")
def data_fetch(name: Annotated[str, typer.Argument(help="A named set.")]) -> None:
    """Download a named set, checked, resumed where it broke off; or say where its files are."""
    from zeronine.data import fetch

    with _progress(name, None) as step:
        paths = fetch(name, progress=lambda file, done, total: step(done, {}, total))
    for path in paths:
        typer.echo(str(path))
    if not paths:
        typer.echo(f"{name}: nothing to fetch, it comes with scikit-learn")


@bench_app.command("train")
def bench_train(
    recipe: Annotated[str, typer.Argument(help="Ours; zeronine recipes lists them.")] = "sprint",
    data: Annotated[str, typer.Option("--data", help="A named set, or the path of your own data.")] = "mnist",
    rounds: Annotated[int, typer.Option(min=1, help="How often all are trained, in turn.")] = 3,
    keras_rounds: Annotated[int, typer.Option(min=1, help="How often the Keras peer is, which takes minutes.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the first round; each further round takes the next.")] = 0,
    peers: PeersOption = "all",
    keras_engine: Annotated[
        Engine, typer.Option(help="What the Keras peer computes with; torch needs no environment.")
    ] = Engine.tensorflow,
    environment: EnvironmentOption = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="A setting of the recipe, as NAME=VALUE.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Only the line of JSON.")] = False,
) -> None:
    """Train a recipe and its peers in turn: seconds, accuracy, ratios, and the floor. Peers: one-epoch, keras."""
    from zeronine.bench import train as training
    from zeronine.bench.rounds import chosen

    plan = training.Plan(
        recipe=recipe,
        data=data,
        rounds=rounds,
        keras_rounds=keras_rounds,
        seed=seed,
        peers=chosen(peers, training.PEERS),
        keras_engine=keras_engine.value,
        environment=environment,
        settings=tuple(settings or ()),
    )
    _print_comparison(training.bench_train(plan, _say), as_json)


@bench_app.command("predict")
def bench_predict(
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Ours: a shipped model, a model folder or .onnx file.")
    ] = None,
    data: Annotated[str, typer.Option("--data", help="A named set, or the path of your own data.")] = "mnist",
    rounds: Annotated[int, typer.Option(min=1, help="How often all read, in turn.")] = 5,
    peers: PeersOption = "all",
    environment: EnvironmentOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Only the line of JSON.")] = False,
) -> None:
    """Read with a model and its peers in turn: one image, many, a whole process, the floor. Peers: torch, keras."""
    from zeronine.bench import predict as reading
    from zeronine.bench.rounds import chosen

    plan = reading.Plan(
        model=model, data=data, rounds=rounds, peers=chosen(peers, reading.PEERS), environment=environment
    )
    _print_comparison(reading.bench_predict(plan, _say), as_json)


@bench_app.command("accuracy")
def bench_accuracy(
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Model folder, run folder, .onnx, .keras or .h5 file.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Tables, sets, scenes or corruptions, such as usps,photos,fog.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many pictures of each set.")] = None,
    wrong: Annotated[Path | None, typer.Option(help="Folder for a list and sheets of what is read wrongly.")] = None,
    curve: Annotated[Path | None, typer.Option(help="PNG: errors where only the surest are answered.")] = None,
    out: Annotated[Path | None, typer.Option(help="File for the JSON object.")] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Write the figures into the model's card and README.")
    ] = False,
    order: Annotated[Order | None, typer.Option(help="How a flat network's pixels are laid out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure a model on everyone's handwriting: accuracy, scenes, corruptions, calibration, refusal."""
    from zeronine.bench import accuracy, sheets
    from zeronine.bench.tables import tables

    folder = accuracy.recordable(model, only, limit) if record else None
    reader = _reader(model, order)
    names = [name.strip() for name in only.split(",") if name.strip()] if only else []
    with _progress(f"measuring {reader.name}", None, show=not as_json) as step:
        figures = accuracy.measure(reader, only=names, limit=limit, progress=lambda done, total: step(done, {}, total))
    text = json.dumps(figures.as_dict(), indent=2, ensure_ascii=False)
    made = tables(figures)
    typer.echo(text) if as_json else _print_accuracy(figures, made)
    written = [accuracy.write(text, out)] if out else []
    written += accuracy.record(figures, folder, made) if folder else []
    written += sheets.draw_wrong(reader, figures.readings, wrong) if wrong else []
    written += [sheets.draw_coverage(figures.readings, curve)] if curve else []
    for path in written:
        typer.echo(str(path), err=as_json)


@bench_app.command("teach")
def bench_teach(
    sources: Annotated[
        str | None, typer.Option(help="By commas: dida, semeion, writers, and other sets; those three if not given.")
    ] = None,
    counts: Annotated[str, typer.Option(help="Corrections, by commas.")] = "10,20,50",
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Only the line of JSON.")] = False,
) -> None:
    """What teaching brings: errors in a style before and after so many corrections, and what the gate says."""
    from zeronine.bench import teach as teaching

    chosen = tuple(sources.split(",")) if sources else teaching.SOURCES
    try:
        plan = teaching.Plan(sources=chosen, counts=tuple(map(int, counts.split(","))), seeds=seeds)
    except ValueError:
        raise ZeronineError(f"--counts {counts}: whole numbers by commas, 10,20,50") from None
    _print_comparison(teaching.bench_teach(plan, _say), as_json)


@bench_app.command("read")
def bench_read(
    sets: Annotated[
        str | None,
        typer.Option(help="all, or some: cheques,cheques-half,photos,signs,easy,medium,hard,easy-touching …"),
    ] = None,
    peers: PeersOption = "all",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many pictures of each set.")] = None,
    page: Annotated[str | None, typer.Option("--page", help="Ours: model folder that finds digits.")] = None,
    curve: Annotated[Path | None, typer.Option(help="PNG: errors where only the surest are answered.")] = None,
    environment: EnvironmentOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Only the line of JSON.")] = False,
) -> None:
    """Read real and composed numbers: exact, character errors, false ones, time. Peers: tesseract, rapidocr."""
    from dataclasses import replace

    from zeronine.bench import read as reading
    from zeronine.bench.rounds import chosen

    plan = reading.Plan(
        sets=chosen(sets, tuple(reading.SETS)) if sets else reading.USUAL,
        peers=chosen(peers, reading.PEERS),
        limit=limit,
        environment=environment,
        page=page,
    )
    table, ours = reading.bench_read(plan, _say)
    _print_comparison(replace(table, figures={**table.figures, "sure": reading.as_figures(ours)}), as_json)
    if curve is not None:
        typer.echo(str(reading.draw_coverage(ours, curve)), err=True)


def _reader(model: str | None, order: Order | None, unsure: float | None = None) -> Any:
    """A Reader; the training stack is loaded only for what ONNX Runtime cannot open."""
    from zeronine.reader import Reader, of_training

    kept: Literal["row", "column"] | None = None if order is None else ("row" if order is Order.row else "column")
    if model is not None and of_training(model):
        from zeronine.train.export import open_reader

        return open_reader(model, order=kept, unsure=unsure)
    return Reader(model, order=kept, unsure=unsure)


@contextmanager
def _going_on() -> Iterator[None]:
    """Say on Ctrl-C that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on from the last whole epoch", err=True)
        raise typer.Exit(130) from None


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ZeronineError(f"--set {text}: write it as NAME=VALUE")
    return name.strip(), value.strip()


MOST_ROWS = 10
"""Of a sweep's table; all are in its ``results.csv``."""


def _print_sweep(found: "Sweep") -> None:
    """The best trials, what matters, and how to train with the best settings."""
    finished = found.finished
    ended = [f"{len(finished)} finished"]
    ended += [
        f"{count} {state}"
        for state in ("pruned", "refused")
        if (count := sum(trial.state == state for trial in found.trials))
    ]
    typer.echo(f"{len(found.trials)} trials of {found.recipe}: {', '.join(ended)}")
    for trial in found.trials:
        if trial.state == "refused":
            typer.echo(f"refused, such as trial {trial.number}: {trial.reason}")
            break
    if finished:
        _print(_trials(finished[:MOST_ROWS], found.own))
        typer.echo(
            f"accuracy on {found.images:,} images kept out of the training images; "
            f"differences below {100 * found.standard_error:.2f} points (one standard error) say little"
        )
        shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in found.importances.items())
        typer.echo(f"what matters: {shares}" if shares else found.no_importances)
        typer.echo(f"best: {found.command}")
    if found.unfinished:
        typer.echo(f"{found.unfinished} trials are left: the same command goes on")


def _trials(trials: Sequence["Trial"], own: int | None) -> "Table":
    """A row per trial, best first, with the settings that were searched."""
    names = list(trials[0].settings)
    table = _table("rank", "trial", "accuracy", "log loss", "seconds", "parameters", *names)
    for rank, trial in enumerate(trials, 1):
        number = f"{trial.number} (recipe)" if trial.number == own else str(trial.number)
        figures = f"{100 * trial.accuracy:.2f} %", f"{trial.log_loss:.4f}", f"{trial.seconds:.1f}"
        values = [trial.settings[name] for name in names]
        rows = [",".join(map(str, value)) if isinstance(value, list) else str(value) for value in values]
        table.add_row(str(rank), number, *figures, f"{trial.parameters:,}", *rows)
    for column in table.columns:
        column.justify = "right"
    return table


def _predictions(names: Iterable[str], predictions: list["Prediction"], top: int) -> "Table":
    """A row per picture; columns for what is next likely and for refusals only where there is something in them."""
    from rich.markup import escape

    refused = any(prediction.rejected for prediction in predictions)
    table = _table("image", "digit", "confidence", *(["next"] if top > 1 else []), *(["refused"] if refused else []))
    for name, prediction in zip(names, predictions, strict=True):
        others = ", ".join(f"{label} {_percent(chance, 1)}" for label, chance in prediction.top(top)[1:])
        answer = ["–", "", ""]
        if not prediction.rejected:
            answer = [escape(str(prediction.digit)), _percent(prediction.confidence, 1), escape(others)]
        reason = f"{prediction.reason}: {prediction.detail}" if prediction.rejected else ""
        table.add_row(escape(name), *answer[: 3 if top > 1 else 2], *([escape(reason)] if refused else []))
    return table


def _percent(share: float, places: int) -> str:
    """A share, 0..1, in percent; a dash where it is of nothing."""
    return "–" if math.isnan(share) else f"{100 * share:.{places}f} %"


def _evaluation(result: "Evaluation") -> "Table":
    """Precision and recall of each class."""
    from rich.markup import escape

    table = _table("class", "images", "precision", "recall")
    for row in zip(result.classes, result.support, result.precision, result.recall, strict=True):
        name, support, precision, recall = row
        table.add_row(escape(name), f"{support:,}", _percent(precision, 2), _percent(recall, 2))
    return table


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _print_comparison(comparison: "Comparison", as_json: bool) -> None:
    """A table and its notes, then one line of JSON."""
    if not as_json:
        table = _table(*comparison.columns)
        for column in table.columns[1:]:
            column.justify = "right"
        for row in comparison.rows:
            table.add_row(*row)
        _print(table)
        for note in comparison.notes:
            typer.echo(note)
    typer.echo(json.dumps(comparison.figures, ensure_ascii=False))


def _print_accuracy(figures: "Accuracy", tables: Mapping[str, "MeasuredTable"]) -> None:
    """The tables, each with its notes, then what was left out."""
    typer.echo(figures.model + (f", at most {figures.limit:,} pictures of each set" if figures.limit else ""))
    for made in tables.values():
        table = _table()
        table.title, table.title_justify = made.title, "left"
        for number, column in enumerate(made.columns):
            table.add_column(column, justify="left" if number < made.words else "right", overflow="fold")
        for row in made.rows:
            table.add_row(*row)
        _print(table)
        for note in made.notes:
            typer.echo(note)
        typer.echo("")
    for name, why in figures.left_out.items():
        typer.echo(f"left out: {name}: {why}")


def _table(*columns: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        right = column in ("confidence", "images", "parameters", "precision", "recall")
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    return table


def _print(table: "Table") -> None:
    from rich.console import Console

    console = Console()
    Console(width=None if console.is_terminal else max(console.width, 160)).print(table)


@contextmanager
def _progress(label: str, total: int | None, show: bool = True) -> Iterator[Any]:
    """A bar on standard error; gives a function of steps done, running figures, and steps in all."""
    if not show:
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    bar = Progress(*columns, TextColumn("{task.fields[figures]}"), console=Console(stderr=True))
    task = bar.add_task(label, total=total, figures="")

    def step(done: int, figures: Any, in_all: int | None = total) -> None:
        bar.start()  # only now, so that an error before the first step stands alone
        text = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
        bar.update(task, completed=done, total=in_all, figures=text)

    try:
        yield step
    finally:
        if bar.live.is_started:
            bar.stop()
