"""Networks out of and into files: a run or a Keras file as a Reader, a run as a model folder.

Knows how PyTorch and Keras networks become ``model.onnx``, and proves each time that users get what was trained:
parity is measured with the Reader itself, on every test image. Writes the card, and the README from the card.
"""

import json
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from zeronine import data as datasets
from zeronine.errors import DataError, ModelError, RecipeError
from zeronine.evaluate import Evaluation, evaluate
from zeronine.files import identity
from zeronine.formats import DIGITS
from zeronine.reader import KERAS_FILES, Reader
from zeronine.train import describe, predicted_split
from zeronine.train.keras_loop import use_engine
from zeronine.train.loop import trained
from zeronine.train.run import Run
from zeronine.train.write_onnx import write_onnx

PARITY = 1e-4
"""Largest difference of a probability between the trained network and the exported one. Measured: below 1e-6."""


class Answering(torch.nn.Module):
    """A network with what stands around it: images (N, H, W[, 3]) in 0..1 -> probabilities (N, classes).

    Args:
        network: gives logits or probabilities.
        shape: of one input of the network, without the batch.
        logits: whether softmax is still to come.
        classes: how many of the outputs are classes; one more stands for "none of them" and is left out.
    """

    def __init__(self, network: torch.nn.Module, shape: tuple[int, ...], logits: bool, classes: int) -> None:
        super().__init__()
        self.network, self.shape, self.logits, self.classes = network, shape, logits, classes

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Probabilities (N, classes)."""
        outputs: torch.Tensor = self.network(images.reshape(-1, *self.shape))
        return outputs.softmax(1)[:, : self.classes] if self.logits else outputs


class TorchNetwork:
    """A PyTorch network as a Reader takes it.

    Args:
        module: images (N, *shape) -> outputs (N, classes).
        shape: of one image.
    """

    def __init__(self, module: torch.nn.Module, shape: tuple[int, ...]) -> None:
        self.module, self.shape = module.eval(), shape

    def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs (N, classes) of inputs (N, *shape)."""
        with torch.inference_mode():
            outputs: NDArray[np.float32] = self.module(torch.from_numpy(inputs)).numpy()
        return outputs


def open_reader(
    path: str | Path, *, order: Literal["row", "column"] | None = None, unsure: float | None = None
) -> Reader:
    """A Reader for whatever holds a network.

    Args:
        path: a run folder, a model folder, the name of a shipped model, a ``.keras``, ``.h5`` or ``.onnx`` file.
        order: how a network that takes a flat row of pixels was trained, where it is not row by row.
        unsure: see ``Reader``.

    Raises:
        ModelError: nothing there that holds a network which takes grey or colour images.
    """
    place = Path(path)
    if place.suffix in KERAS_FILES:
        module, shape = _keras_module(place)
        return Reader(TorchNetwork(module, shape), order=order, unsure=unsure)
    if (place / "config.json").exists():
        run = Run(place)
        if not run.finished:
            raise ModelError(f"{place} is not finished: train it again with the same settings to go on")
        if run.composed:
            raise ModelError(f"{place} finds digits on pages: zeronine export it, then  zeronine read --page FOLDER")
        network = TorchNetwork(_module(run), tuple(run.config["input_shape"]))
        return Reader(network, order=order, card=_form(run.config), unsure=unsure)
    return Reader(path, order=order, unsure=unsure)


def export(run_folder: str | Path, out: str | Path, rows: str | Path | None = None) -> Path:
    """Make a model folder of a finished run.

    Args:
        run_folder: of the run; its data set must be at hand, for the proof of parity.
        out: the model folder; must not exist yet.
        rows: of a run of ``page``, the run of ``line`` whose network reads the rows beside it; that of the shipped
            model where it is None.

    Returns:
        The model folder: ``model.onnx`` (normalisation and softmax inside), ``card.json``, ``README.md``.

    Raises:
        ModelError: the folder exists, or the exported network does not answer as the trained one did.
        RecipeError: the run is not there or not finished.
        DataError: its data set is not at hand, or has changed.
    """
    run, folder = Run(Path(run_folder)), Path(out)
    if run.composed:
        from zeronine.train.page_export import export_pages

        return export_pages(run, folder, Run(Path(rows)) if rows is not None else None)
    if rows is not None:
        raise ModelError(f"{run.folder} reads no pages: leave --rows out")
    if folder.exists():
        raise ModelError(f"{folder} exists: choose another folder with --out, or remove it")
    shape = tuple(run.config["input_shape"])
    images = predicted_split(run).shaped(shape)
    write_model(folder, _module(run), _card(run, folder.name), images, run.predictions[0])
    return folder


def write_model(
    folder: Path,
    module: torch.nn.Module,
    card: dict[str, Any],
    images: NDArray[np.float32],
    trained: NDArray[np.float32],
) -> None:
    """Write a model folder, whole or not at all, when the Reader has proved that it answers as the network does.

    Args:
        folder: must not exist yet.
        module: images (N, H, W[, 3]) in 0..1 -> probabilities (N, classes).
        card: what is known of the model; ``model`` and ``parity`` are added to it.
        images: what the proof is made with.
        trained: the network's own probabilities (N, classes) of them.

    Raises:
        ModelError: the exported network does not answer as the trained one did.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        shapes = {0: torch.export.Dim("batch", min=1)}
        example = torch.zeros(2, *card["input"]["shape"])
        write_onnx(module, example, unfinished / "model.onnx", shapes, ("images", "probabilities"))
        card["model"] = identity(unfinished / "model.onnx")
        (unfinished / "card.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        card["parity"] = _parity(trained, Reader(unfinished), images)
        (unfinished / "card.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        (unfinished / "README.md").write_text(readme(card), encoding="utf-8")
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def evaluate_model(
    model: str | Path,
    data: str | None = None,
    *,
    split: Literal["train", "test"] = "test",
    target: str | None = None,
    digits: bool = False,
    order: Literal["row", "column"] | None = None,
) -> tuple[Evaluation, str, str]:
    """Measure a model on a data set.

    Args:
        model: see ``open_reader``.
        data: a named set, or a path; a user's own pictures go through ``digit_image`` for a network of digits. A run's
            own where it is None, or ``mnist`` for what is no run.
        split: which part; the training part stands in where there is no test part. Of a run's own data ``test`` is what
            its predictions are of, ``train`` all of the training part.
        target: of a CSV file, the column that holds the label.
        digits: make a digit image of every picture, also of a named set's.
        order: see ``open_reader``.

    Returns:
        The Evaluation, the name of the data, and the split that it is of.

    Raises:
        ModelError: no such model, or it tells other classes apart than the data.
        DataError: no such data, or their images do not fit the model.
    """
    reader = open_reader(model, order=order)
    name = data or "mnist"
    digits = digits or (reader.digits and name not in datasets.SETS)
    run = Run(Path(model)) if data is None and (Path(model) / "config.json").exists() else None
    if run is not None:
        name, target, digits = (run.config["data"][key] for key in ("name", "target", "digits"))
        if name not in datasets.SETS and not Path(name).expanduser().exists():
            raise DataError(
                f"{model} was trained on {name} in another folder, it is not here: give its path with --data"
            )
    if run is not None and split == "test":
        images, classes, part = predicted_split(run), tuple(run.config["classes"]), run.config["predictions_of"]
    else:
        dataset = _loaded(name, split, target, digits)
        part = split if len(getattr(dataset, split)) else ("train" if split == "test" else "test")
        images, classes = getattr(dataset, part), dataset.classes
    known = tuple(reader.card.get("classes", classes))
    probabilities = reader.probabilities(images.shaped(reader.shape))
    if probabilities.shape[1] != len(classes) or known != classes:
        raise ModelError(
            f"{model} tells {probabilities.shape[1]} classes apart ({', '.join(known[:3])} …), {name} has "
            f"{len(classes)} ({', '.join(classes[:3])} …): take data with the same classes"
        )
    return evaluate(probabilities, images.labels, classes), name, part


def _loaded(name: str, split: Literal["train", "test"], target: str | None, digits: bool) -> datasets.Dataset:
    """A data set; of a named one only the part that is asked for, so that the other's files need not be here."""
    named = datasets.SETS.get(name)
    alone = split if named and getattr(named, split) else None
    return datasets.load(name, target=target, digits=digits, split=alone)


def _module(run: Run) -> torch.nn.Module:
    """The trained network of a run, with softmax: images (N, *input_shape) -> probabilities."""
    config = run.config
    if config["kind"] == "keras":
        module, shape = _keras_module(run.folder / "model.keras")
        return Answering(module, shape, config["output"] == "logits", len(config["classes"])).eval()
    return Answering(trained(run), (1, *config["input_shape"]), True, len(config["classes"])).eval()


def _keras_module(path: Path) -> tuple[torch.nn.Module, tuple[int, ...]]:
    """A Keras file as a PyTorch module, and the shape of its input."""
    use_engine("torch")
    import keras

    if not path.exists():
        raise ModelError(f"no such model: {path}")
    try:
        with _without_input_shapes(path) as readable:
            model = keras.models.load_model(readable, compile=False)
    except Exception as error:  # Keras raises whatever its layers and h5py raise
        raise ModelError(f"{path} is no model that Keras opens ({error}): save it again with model.save") from error
    shape = model.input_shape[1:] if isinstance(model.input_shape, tuple) else ()
    if not shape or None in shape:
        raise ModelError(f"{path} does not take one image of a fixed size, its input shape is {model.input_shape}")
    return model.cpu(), tuple(shape)


@contextmanager
def _without_input_shapes(path: Path) -> Iterator[Path]:
    """A file that Keras 3.15 opens: Keras 2 wrote ``batch_input_shape`` for layers that no longer take it."""
    if path.suffix == ".keras":
        yield path
        return
    import h5py

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        shutil.copy(path, copy)
        with h5py.File(copy, "r+") as file:
            if "model_config" in file.attrs:
                model = json.loads(file.attrs["model_config"])
                _move_input_shape(model["config"])
                file.attrs["model_config"] = json.dumps(model)
        yield copy


def _move_input_shape(model: Any) -> None:
    """Take the shape off a sequential model's first layer, and give it an input layer where it has none."""
    layers = model["layers"] if isinstance(model, dict) else model
    shapes = [layer["config"].pop("batch_input_shape", None) for layer in layers if layer["class_name"] != "InputLayer"]
    if shapes and shapes[0] and layers[0]["class_name"] != "InputLayer":
        given = {"batch_input_shape": shapes[0], "dtype": "float32", "name": "pixels"}
        layers.insert(0, {"class_name": "InputLayer", "config": given})


def _parity(trained: NDArray[np.float32], reader: Reader, images: NDArray[np.float32]) -> dict[str, Any]:
    """How the exported network's answers compare with those of the trained one.

    Raises:
        ModelError: they differ by more than rounding.
    """
    exported = reader.probabilities(images)
    difference = float(np.abs(exported - trained).max())
    same = int((exported.argmax(1) == trained.argmax(1)).sum())
    if difference > PARITY:
        raise ModelError(f"the exported network differs from the trained one by {difference:.1e}: not exported")
    return {"images": len(images), "same_answers": same, "largest_difference": float(f"{difference:.1e}")}


def _form(config: dict[str, Any]) -> dict[str, Any]:
    """What a Reader must know of a run: its classes, and how pictures become inputs."""
    grey = len(config["input_shape"]) == 2
    digits = config["data"]["digits"] or (grey and tuple(config["classes"]) == DIGITS)
    kind = "digits" if digits else "pixels"
    return {
        "classes": config["classes"],
        "input": {"shape": config["input_shape"], "kind": kind, "order": "row"},
        "output": "probabilities",
        "reject": {name: config["settings"].get(name, 0.0) for name in ("digit", "unsure")},
    }


def _card(run: Run, name: str) -> dict[str, Any]:
    """All that is to be known of a model."""
    config, (probabilities, labels) = run.config, run.predictions
    result = evaluate(probabilities, labels, config["classes"])
    teacher = {}
    if config["settings"].get("teacher"):
        with suppress(RecipeError):  # it may be gone
            its = Run(Path(config["settings"]["teacher"])).config
            teacher = {"teacher": {"command": _command(its), "training_seconds": its["seconds"]}}
        config = config | {"settings": config["settings"] | {"teacher": TEACHER}}
    return {
        "name": name,
        **_form(config),
        "recipe": config["recipe"],
        "seed": config["seed"],
        "settings": config["settings"],
        **teacher,
        "engine": config["engine"],
        "data": config["data"],
        "command": _command(config),
        "measured": measured(result, config["predictions_of"]),
        "parity": {},
        "training_seconds": config["seconds"],
        "hardware": config["hardware"],
        "versions": config["versions"],
        "exported": datetime.now(UTC).isoformat(timespec="seconds"),
    }


TEACHER = "teacher"
"""Folder of the run that another one learned from, in the commands of a card, wherever it was."""


def measured(result: Evaluation, part: str) -> dict[str, Any]:
    """The entry of a card that says what a model reaches on a part of its data."""
    return {
        "on": part,
        "count": result.count,
        "correct": result.correct,
        "accuracy": result.accuracy,
        "interval": list(result.interval),
        "log_loss": result.log_loss,
    }


def _command(config: dict[str, Any]) -> str:
    """The command line that trains this run again."""
    place, usual = config["data"], json.loads(json.dumps(describe(config["recipe"]).settings))
    words = ["zeronine", "train", config["recipe"], "--data", place["name"], "--seed", str(config["seed"])]
    words += ["--target", place["target"]] if place["target"] else []
    words += ["--digits"] if place["digits"] else []
    words += ["--engine", config["engine"]] if config["engine"] != "torch" else []
    for name, value in config["settings"].items():
        if value != usual[name]:
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            words += ["--set", f"{name}={text}"]
    return shlex.join(words)


def readme(card: dict[str, Any]) -> str:
    """The README of a model folder, the model's card for people: all of it from ``card.json``.

    Args:
        card: as ``export`` writes it; ``tables`` and ``measured_on``, where ``zeronine bench accuracy --record`` has
            been at it.
    """
    parts = [
        *(_introduction(card), _facts(card), _taught(card), _refusing(card)),
        *(_measured_tables(card), _limits(card), _making(card)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _introduction(card: dict[str, Any]) -> str:
    what = (
        "reads handwritten digits" if _reads_digits(card) else f"tells {len(card['classes'])} kinds of pictures apart"
    )
    return f"""# {card["name"]}

A network that {what}, as a model folder of Zeronine:
`model.onnx`, `card.json` with all that is known of it, and this page, which is made from the card.
Use it with `zeronine predict IMAGE --model {card["name"]}` or `Reader("{card["name"]}")`."""


def _reads_digits(card: dict[str, Any]) -> bool:
    return bool(card["input"]["kind"] == "digits" and tuple(card["classes"]) == DIGITS)


def _facts(card: dict[str, Any]) -> str:
    measured, parity, source = card["measured"], card["parity"], card["data"]
    low, high = (f"{100 * end:.2f}" for end in measured["interval"])
    takes = (
        "any picture of one digit, made a digit image by Zeronine"
        if card["input"]["kind"] == "digits"
        else "pictures as they are, resized"
    )
    rows = {
        "tells apart": ", ".join(card["classes"]),
        "takes": f"{takes}; the network sees {'×'.join(map(str, card['input']['shape']))}",
        "recipe": f"`{card['recipe']}`, seed {card['seed']}, engine {card['engine']}",
        "trained on": f"`{source['name']}`: {source['train']:,} images (SHA-256 of the set `{source['sha256']}`)",
        f"{measured['on']} accuracy": f"{100 * measured['accuracy']:.2f} % ({measured['correct']:,} of "
        f"{measured['count']:,}); 95 % interval {low} to {high} %",
        "log loss": f"{measured['log_loss']:.4f}",
        "training time": f"{card['training_seconds']:.0f} s on {card['hardware']['cores']} cores, "
        f"{card['hardware']['processor']}" + _teaching(card),
        "settings": ", ".join(f"{name} {value}" for name, value in card["settings"].items()),
        "size": f"{card['model']['bytes']:,} bytes, SHA-256 `{card['model']['sha256']}`",
        "parity": f"{parity['same_answers']:,} of {parity['images']:,} answers as before the export, "
        f"probabilities within {parity['largest_difference']:.1e}",
        "versions": ", ".join(f"{name} {number}" for name, number in card["versions"].items()),
    }
    return _markdown(("", ""), list(rows.items()))


def _teaching(card: dict[str, Any]) -> str:
    """What it took before, where the answers of another network were learned."""
    return f"; its teacher took {card['teacher']['training_seconds']:.0f} s" if card.get("teacher") else ""


def _taught(card: dict[str, Any]) -> str:
    """What a taught model was taught, see ``train.teach``."""
    taught = card.get("taught")
    if not taught:
        return ""
    counts = ", ".join(f"{count} of {truth or 'no digit'}" for truth, count in taught["truths"].items())
    rows = [
        (name, f"{row['before']:,} of {row['count']:,}", f"{row['after']:,} of {row['count']:,}")
        for name, row in taught["gate"].items()
    ]
    return (
        f"## What it was taught\n\nA copy of {taught['model']}, fine-tuned on {taught['corrections']} corrections: "
        f"{counts}. Right before and after, where the held-out corrections were each read by a copy that had not "
        f"learned from them:\n\n{_markdown(('', 'before', 'after'), rows, 1)}"
    )


def _refusing(card: dict[str, Any]) -> str:
    """The rule by which a Reader refuses pictures, where it has one."""
    limits = card.get("reject") or {}
    rules = []
    if limits.get("digit"):
        rules.append(f"as `not a digit` where the ten digits together have a probability below {limits['digit']:g}")
    if limits.get("unsure"):
        rules.append(f"as `unsure` where its confidence is below {limits['unsure']:g}")
    if not rules:
        return ""
    return f"## What it refuses\n\nA Reader refuses a picture {', and '.join(rules)}; blank and unreadable ones always."


def _measured_tables(card: dict[str, Any]) -> str:
    """The tables that benchmarks have recorded."""
    recorded = card.get("tables") or {}
    if not recorded:
        return ""
    lines = ["## Measured"]
    about = card.get("measured_on") or {}
    if about:
        versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
        lines.append(f"On {about['date']}, with {versions}.")
    for table in recorded.values():
        lines += [f"### {table['title']}", _markdown(table["columns"], table["rows"], table["words"]), *table["notes"]]
    left_out = about.get("left_out") or {}
    if left_out:
        lines.append(f"Not measured, because the data were not at hand: {', '.join(left_out)}.")
    return "\n\n".join(lines)


def _limits(card: dict[str, Any]) -> str:
    if not _reads_digits(card):
        return ""
    lines = ["One digit per picture: of several it reads one, as if it were alone."]
    believed = (
        ", and how far its confidence can be believed there differs: see the tables" if card.get("tables") else ""
    )
    learned = [f"`{card['data']['name']}`"]
    learned += ["the paths of 44 people's pens"] if card["settings"].get("written") else []
    learned += [f"{card['taught']['corrections']} corrections"] if card.get("taught") else []
    lines.append(
        f"The only handwriting that it has learned from is {' and '.join(learned)}. "
        f"Other hands, pens and papers are read less well{believed}."
    )
    if card["settings"].get("refused"):
        lines.append("Letters it knows from fonts that look like handwriting; people write them in more ways.")
    if card["settings"].get("damage"):
        lines.append(
            "Some of its training images were noisy, blurred, faded, crossed by a straight or jagged line, reduced to "
            "outlines, or negative along an edge: the corruptions that are like that are not new to it."
        )
    lines.append(
        "It refuses most of what is no digit, not all of it; a letter that looks like a digit is read as one."
        if any((card.get("reject") or {}).values())
        else "It refuses blank and unreadable pictures only: a letter, a sign or a scribble gets a digit, too."
    )
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _making(card: dict[str, Any]) -> str:
    if card.get("taught"):
        return f"## To make it again\n\nWith the same corrections in the store:\n\n    {card['command']}"
    first = f"    {card['teacher']['command']} --out {TEACHER}\n" if card.get("teacher") else ""
    text = f"""## To make it again

{first}    {card["command"]} --out run
    zeronine export run --out {card["name"]}"""
    return text + (f"\n    {card['measured_on']['command']}" if card.get("measured_on") else "")


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]], words: int = 2) -> str:
    """A table of texts, its figures, which come after so many columns of words, on the right."""
    rule = ("---" if number < words else "---:" for number in range(len(columns)))
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, rule, *rows))
