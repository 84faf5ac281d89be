"""Training: one door for the tutorials' recipes and for ours. The only place that imports PyTorch and Keras.

Raises:
    MissingExtra: on import, where PyTorch is not installed.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zeronine import data as datasets
from zeronine.data import Split
from zeronine.errors import DataError, MissingExtra, RecipeError
from zeronine.train.keras_loop import divide, train_tutorial
from zeronine.train.keras_loop import layers as tutorial_layers
from zeronine.train.run import COMPOSED, Progress, Run
from zeronine.train.settings import override
from zeronine.train.tutorials import TUTORIALS

if importlib.util.find_spec("torch") is None:
    raise MissingExtra("train", "PyTorch")

__all__ = ["Described", "Progress", "Run", "describe", "names", "predicted_split", "train"]


@dataclass(frozen=True)
class Described:
    """A recipe of either kind, for people.

    Attributes:
        name: as the command line takes it.
        summary: the network in one line.
        training: how it is trained, in one line.
        data: name of the set that it is meant for.
        settings: by name.
        published: the figure that its author states; empty for ours.
        claim: what it reaches here, measured.
    """

    name: str
    summary: str
    training: str
    data: str
    settings: Mapping[str, Any]
    published: str
    claim: str

    @cached_property
    def layers(self) -> list[tuple[str, tuple[int, ...], int]]:
        """Description, output shape for one image, and number of parameters of each, for the recipe's own set."""
        named = datasets.SETS[self.data]
        if self.name in TUTORIALS:
            return tutorial_layers(self.name, named.shape, len(named.classes))
        from zeronine.train.loop import layers_of, recipe_layers

        if self.name in COMPOSED:
            task = _composed()[self.name]
            return layers_of(task.network(task.settings), task.example)
        return recipe_layers(self.name, len(named.classes))


def names() -> tuple[str, ...]:
    """Of all recipes: the tutorials', then ours for digits, then those for pages."""
    from zeronine.train.recipes import RECIPES

    return (*TUTORIALS, *RECIPES, *COMPOSED)


def _composed() -> dict[str, Any]:
    """The recipes of networks that learn from composed pages, by name; they need PyTorch when they are imported."""
    from zeronine.train.lines import LINE
    from zeronine.train.pages import PAGE

    return {task.name: task for task in (PAGE, LINE)}


def _recipe(name: str) -> Any:
    """A recipe of any kind.

    Raises:
        RecipeError: no such recipe.
    """
    if name not in names():
        raise RecipeError(f"there is no recipe {name!r}: choose from {', '.join(names())}")
    from zeronine.train.recipes import RECIPES

    return ({**TUTORIALS, **RECIPES} if name not in COMPOSED else _composed())[name]


def describe(name: str) -> Described:
    """What a recipe is.

    Raises:
        RecipeError: no such recipe.
        MissingExtra: PyTorch is not installed.
    """
    recipe = _recipe(name)
    return Described(
        name, recipe.summary, recipe.training, recipe.data, asdict(recipe.settings), recipe.published, recipe.claim
    )


def train(
    name: str,
    *,
    data: str | None = None,
    target: str | None = None,
    digits: bool = False,
    seed: int = 0,
    out: str | Path | None = None,
    settings: Mapping[str, object] | None = None,
    engine: str = "torch",
    tensorboard: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Train a recipe. A run that was killed goes on when it is started again with the same arguments.

    Args:
        name: of the recipe; see ``names``.
        data: a named set, or the path of one's own; the recipe's own set where it is None.
        target: of a CSV file, the column that holds the label.
        digits: make a digit image of every picture first.
        seed: 0 or more; the same seed gives the same network on the same machine.
        out: the run folder; ``runs/NAME-SEED`` where it is None.
        settings: those that differ from the recipe's, typed or as text.
        engine: ``torch``, or for the tutorials ``tensorflow`` or ``jax``.
        tensorboard: write event files for TensorBoard too.
        progress: called with steps done, steps in all, and the running figures.

    Returns:
        The finished Run.

    Raises:
        RecipeError: no such recipe or setting, it does not fit the data, or the folder holds another run.
        DataError: the data are missing or damaged.
        MissingExtra: PyTorch, Keras or the engine is not installed.
    """
    recipe = _recipe(name)
    if name not in COMPOSED:  # whose settings depend on the network that they begin with
        override(recipe.settings, settings or {})  # what is wrong with them is said before any data are fetched
    folder = Path(out) if out is not None else Path("runs") / f"{name}-{seed}"
    if name in TUTORIALS:
        dataset = datasets.load(data or recipe.data, target=target, digits=digits)
        return train_tutorial(
            name,
            dataset,
            out=folder,
            seed=seed,
            settings=settings,
            engine=engine,
            progress=progress,
            tensorboard=tensorboard,
            target=target,
            digits=digits,
        )
    from zeronine.train.loop import train_recipe

    if engine != "torch" or tensorboard:
        raise RecipeError(f"{name} is trained by PyTorch alone: leave --engine and --tensorboard out")
    if name in COMPOSED:
        from zeronine.train.composed import train_composed

        images = datasets.load(data or recipe.data)
        return train_composed(recipe, images, out=folder, seed=seed, given=settings, progress=progress)
    dataset = datasets.load(data or recipe.data, target=target, digits=digits)
    return train_recipe(
        name, dataset, out=folder, seed=seed, settings=settings, progress=progress, target=target, digits=digits
    )


def predicted_split(run: Run) -> Split:
    """The images and labels that a run's predictions are of, in their order.

    Raises:
        DataError: the data set is not at hand, or has changed since.
        RecipeError: the folder holds no finished run.
    """
    config, (_, labels) = run.config, run.predictions
    place = config["data"]
    dataset = datasets.load(place["name"], target=place["target"], digits=place["digits"])
    if dataset.sha256 != place["sha256"]:
        raise DataError(f"{place['name']} has changed since {run.folder} was trained: put it back, or train again")
    split = _predicted(dataset, config)
    if not np.array_equal(split.labels, labels):
        raise DataError(f"{place['name']} is divided otherwise than when {run.folder} was trained: train again")
    return split


def _predicted(dataset: datasets.Dataset, config: Mapping[str, Any]) -> Split:
    """The data set's own test images, or what the recipe made of a set that has none."""
    part = config["predictions_of"]
    if part == "test" and len(dataset.test):
        return dataset.test
    if config["recipe"] in TUTORIALS:
        tutorial = TUTORIALS[config["recipe"]]
        return divide(tutorial, dataset, override(tutorial.settings, config["settings"]))[part]
    from zeronine.train.loop import divide as divide_ours
    from zeronine.train.recipes import Settings

    return divide_ours(dataset, override(Settings(), config["settings"]))[part]
