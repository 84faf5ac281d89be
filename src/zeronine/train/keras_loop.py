"""The training of the tutorial networks: compile and fit, and going on after a kill as if nothing had been.

Knows engines, callbacks and checkpoints; which networks there are is known to ``tutorials``.
"""

import importlib.util
import json
import logging
import math
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zeronine.data import Dataset, Split
from zeronine.errors import MissingExtra, RecipeError
from zeronine.files import replaced
from zeronine.train.run import Progress, Run, describe, hardware, versions
from zeronine.train.settings import override
from zeronine.train.tutorials import (
    TUTORIALS,
    AnySettings,
    ConvolutionSettings,
    IterationSettings,
    Settings,
    Shape,
    Tutorial,
)

if TYPE_CHECKING:
    import keras

ENGINES = {"torch": ("train", "PyTorch"), "tensorflow": ("tensorflow", "TensorFlow"), "jax": ("jax", "JAX")}
"""What Keras can compute with: package -> the extra that installs it, its name in prose."""

CHECKPOINT = "checkpoint"
"""The folder, inside a run's, of what going on needs; gone when the run is finished."""


def use_engine(engine: str) -> None:
    """Make Keras compute with an engine; it can choose once in a process.

    Raises:
        RecipeError: there is no such engine, or Keras already computes with another one.
        MissingExtra: Keras or the engine is not installed.
    """
    if engine not in ENGINES:
        raise RecipeError(f"there is no engine {engine!r}: choose from {', '.join(ENGINES)}")
    for package, (extra, name) in {"keras": ("train", "Keras"), engine: ENGINES[engine]}.items():
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(extra, name)
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = engine
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # else TensorFlow greets on standard error
    import keras

    present = keras.config.backend()
    if present != engine:
        raise RecipeError(f"Keras already computes with {present} here: start a new process for {engine}")


def layers(
    name: str, input_shape: Shape, classes: int, settings: Mapping[str, object] | None = None
) -> list[tuple[str, Shape, int]]:
    """The layers of a tutorial network: description, output shape for one image, number of parameters.

    Args:
        name: the tutorial's.
        input_shape: of one image.
        classes: number of answers.
        settings: those that differ from the tutorial's.

    Raises:
        RecipeError: there is no such tutorial or setting, or the network does not fit such images.
    """
    tutorial = _named(name)
    if "keras" not in sys.modules:
        use_engine("torch")
    network = _network(tutorial, input_shape, classes, override(tutorial.settings, settings or {}))
    return [(_described(layer), tuple(layer.output.shape[1:]), layer.count_params()) for layer in network.layers]


def train_tutorial(
    name: str,
    dataset: Dataset,
    *,
    out: Path,
    seed: int = 0,
    settings: Mapping[str, object] | None = None,
    engine: str = "torch",
    progress: Progress | None = None,
    tensorboard: bool = False,
    target: str | None = None,
    digits: bool = False,
    watch: bool = False,
) -> Run:
    """Train a tutorial network and write its run folder; go on where a killed training left off.

    Started again with the same arguments on the same machine, a killed training goes on from its last whole
    epoch and ends with the weights, history and predictions it would have had. A finished one is returned.

    Args:
        name: the tutorial's.
        dataset: what to learn. Where it has no test set and none is held out, the predictions are of the
            training images, and the config says so.
        out: the run's folder.
        seed: 0 or more; decides weights, order and dropout.
        settings: those that differ from the tutorial's; typed, or as text from a command line.
        engine: what Keras computes with: ``torch``, ``tensorflow`` or ``jax``.
        progress: called after every step.
        tensorboard: whether to write the history to ``tensorboard/`` in the run's folder, too.
        target: how the data set was loaded; for the config.
        digits: likewise.
        watch: measure the test images after each epoch where the tutorial watches none: for a sweep, whose test
            images are validation images.

    Raises:
        RecipeError: there is no such tutorial or setting, it does not fit the data, or the folder holds
            another run.
        MissingExtra: Keras, the engine or TensorBoard is not installed.
    """
    tutorial = _named(name)
    chosen = override(tutorial.settings, settings or {})
    use_engine(engine)
    if tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise MissingExtra("tensorboard", "TensorBoard")
    splits = divide(tutorial, dataset, chosen)
    if watch and not len(splits["validation"]):
        splits["validation"] = splits["test"]
    run = Run(Path(out))
    run.begin(
        {
            "zeronine": versions()["zeronine"],
            "recipe": name,
            "kind": "keras",
            "engine": engine,
            "seed": seed,
            "settings": asdict(chosen),
            "data": describe(dataset, target, digits, {part: len(split) for part, split in splits.items()}),
            "classes": list(dataset.classes),
            "input_shape": list(dataset.train.images.shape[1:]),
            "output": "logits" if tutorial.logits else "probabilities",
            "predictions_of": "test" if len(splits["test"]) else "train",
            "versions": versions("keras", engine),
            "hardware": hardware(),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": None,
        }
    )
    if not run.finished:
        with run.learning():
            _train(run, tutorial, chosen, splits, len(dataset.classes), seed, progress or _silent, tensorboard)
    shutil.rmtree(run.folder / CHECKPOINT, ignore_errors=True)
    return run


def divide(tutorial: Tutorial, dataset: Dataset, settings: Settings) -> dict[str, Split]:
    """A data set's images for ``train``, ``validation`` and ``test``; the last two may be empty.

    Raises:
        RecipeError: there are too few, or some are to be held out of a data set that has a test set.
    """
    train, test = dataset.train, dataset.test
    if settings.holdout and len(test):
        raise RecipeError(f"{dataset.name} has its own test set: holdout is for data without one")
    if settings.holdout:
        train, test = dataset.holdout(settings.holdout, seed=0)  # the same images for all seeds of a run
    if tutorial.validation == "none":
        return {"train": train, "validation": train.take(slice(0)), "test": test}
    if tutorial.validation == "test":
        return {"train": train, "validation": test, "test": test}
    count = len(train)
    if count < 12:
        raise RecipeError(f"{tutorial.name} cannot set validation images apart of {count}: train it on 12 or more")
    rows = np.arange(count)
    if (np.diff(train.labels) >= 0).all():  # data that lie class by class would lose whole classes
        rows = np.random.default_rng(0).permutation(count)
    if tutorial.validation == "first twelfth":
        watched, learned = np.split(rows, [count // 12])
    else:
        learned, watched = np.split(rows, [count - count // 4])
    return {"train": train.take(learned), "validation": train.take(watched), "test": test}


@dataclass(frozen=True)
class Plan:
    """How a training is cut into what Keras calls epochs, and those into batches.

    Attributes:
        images: number of them to train on.
        batch_size: images per step; the last batch of an epoch may be smaller.
        epochs: passes over the images, or stretches of iterations; a row of the history each.
        steps: batches per epoch; the last epoch may be shorter.
        total: batches in all.
        by_iterations: whether epochs are stretches of iterations.
    """

    images: int
    batch_size: int
    epochs: int
    steps: int
    total: int
    by_iterations: bool

    @classmethod
    def of(cls, settings: AnySettings, images: int) -> "Plan":
        """The plan that a recipe's settings make for so many images."""
        if isinstance(settings, IterationSettings):
            total, steps = settings.iterations, settings.report_every
            return cls(images, settings.batch_size, math.ceil(total / steps), steps, total, True)
        steps = math.ceil(images / settings.batch_size)
        return cls(images, settings.batch_size, settings.epochs, steps, settings.epochs * steps, False)

    def order(self, seed: int, epoch: int) -> NDArray[np.intp]:
        """Rows of the images of one epoch, batch after batch: from seed and epoch alone, whatever the engine.

        Epochs are pieces of an endless series of shuffled passes, like those of TensorFlow's ``next_batch``.
        """
        length = self.steps * self.batch_size if self.by_iterations else self.images
        start, stop = epoch * length, (epoch + 1) * length
        passes = range(start // self.images, math.ceil(stop / self.images))
        series = np.concatenate([np.random.default_rng((seed, number)).permutation(self.images) for number in passes])
        return series[start - passes.start * self.images :][:length]


def batches(plan: Plan, inputs: NDArray[np.float32], targets: NDArray[Any], seed: int) -> Any:
    """The training images for ``fit``: a ``keras.utils.PyDataset`` whose ``order`` is set for each epoch."""
    import keras

    class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras has no types
        order = plan.order(seed, 0)

        def __len__(self) -> int:
            return plan.steps

        def __getitem__(self, step: int) -> tuple[NDArray[np.float32], NDArray[Any]]:
            rows = self.order[step * plan.batch_size : (step + 1) * plan.batch_size]
            return inputs[rows], targets[rows]

    return Batches()


@dataclass
class Backup:
    """All that a training needs to go on exactly: weights, optimiser, dropout's seeds, history, in one file.

    ``keras.callbacks.BackupAndRestore`` overwrites the weights in place and writes the epoch's number after
    them: a kill between the two makes it repeat an epoch on weights that have seen it. And it forgets the
    history, the seeds, and what EarlyStopping and ModelCheckpoint saw. This file is replaced by one rename.

    Attributes:
        path: the file.
        model: compiled.
        history: a row per epoch so far.
        seconds: training time so far.
        ended: whether the last epoch is over, be it by early stopping.
    """

    path: Path
    model: "keras.Sequential"
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    ended: bool = False

    def save(self) -> None:
        """Replace the file by the present state."""
        import keras

        values = [keras.ops.convert_to_numpy(variable.value) for variable in self._variables()]
        state = json.dumps({"history": self.history, "seconds": self.seconds, "ended": self.ended})
        self.path.parent.mkdir(exist_ok=True)
        with replaced(self.path) as temporary, temporary.open("wb") as file:
            np.savez(file, *values, state=np.array(state))

    def restore(self) -> None:
        """Go back to the state in the file, if there is one."""
        if not self.path.exists():
            return
        with np.load(self.path, allow_pickle=False) as file:
            state = json.loads(str(file["state"]))
            for i, variable in enumerate(self._variables()):
                variable.assign(file[f"arr_{i}"])
        self.history, self.seconds, self.ended = state["history"], state["seconds"], state["ended"]

    def _variables(self) -> list[Any]:
        """Everything that training changes; the same order in every process."""
        self.model.optimizer.build(self.model.trainable_variables)
        return [*self.model.variables, *self.model.optimizer.variables]


FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy")
"""What Keras measures, in the order of the history's columns."""


@dataclass
class _Follower:
    """What happens at the beats of ``fit`` beside learning: order, seeds, progress, history and backup."""

    run: Run
    plan: Plan
    training: Any
    backup: Backup
    seed: int
    progress: Progress
    board: Any
    epoch_started: float = 0.0
    done: int = 0

    def callback(self) -> Any:
        """Itself, as Keras takes it."""
        import keras

        return keras.callbacks.LambdaCallback(
            on_epoch_begin=self.begin_epoch, on_train_batch_end=self.end_batch, on_epoch_end=self.end_epoch
        )

    def begin_epoch(self, epoch: int, logs: Any = None) -> None:
        """Everything random in an epoch comes from the seed and the epoch's number, whatever went before."""
        self.epoch_started = time.perf_counter()
        self.training.order = self.plan.order(self.seed, epoch)
        self.done = epoch * self.plan.steps
        _seed(self.seed, epoch + 1)

    def end_batch(self, step: int, logs: Mapping[str, float]) -> None:
        """Report a step; the last of all may lie within an epoch."""
        self.done += 1
        self.progress(self.done, self.plan.total, logs)
        if self.done == self.plan.total:
            self.backup.model.stop_training = True

    def end_epoch(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Add a row to the history; once it is saved, a kill costs nothing of this epoch."""
        backup, plan = self.backup, self.plan
        when: dict[str, float] = {"epoch": epoch + 1}
        figures = dict(logs)
        if plan.by_iterations:
            when = {"epoch": round(self.done * plan.batch_size / plan.images, 3), "iteration": self.done}
            batch = self.training[(self.done - 1) % plan.steps]
            figures |= backup.model.test_on_batch(*batch, return_dict=True)  # of the batch alone, no dropout
        backup.seconds += time.perf_counter() - self.epoch_started
        backup.ended = epoch + 1 == plan.epochs or backup.model.stop_training
        measured = {name: figures[name] for name in FIGURES if name in figures}
        backup.history.append(when | measured | {"seconds": round(backup.seconds, 2)})
        for name, value in measured.items() if self.board else ():
            self.board.add_scalar(name, value, epoch + 1)
        backup.save()
        self.run.write_history(backup.history)


MEASURED_AT_ONCE = 128
"""Images per batch where nothing is learned; changes no figure but by rounding. 10,000 images through conv-32-64 on
PyTorch, one core: 3.0 s by 32, 2.4 s by 128, 4.5 s by 1,000."""


def _train(
    run: Run,
    tutorial: Tutorial,
    settings: AnySettings,
    splits: Mapping[str, Split],
    classes: int,
    seed: int,
    progress: Progress,
    tensorboard: bool,
) -> None:
    """Train from the run's backup, or from the start, to the end; write the network and its predictions."""
    _seed(seed)
    model = _network(tutorial, splits["train"].images.shape[1:], classes, settings)
    training, validation, test = (_arrays(split, model, tutorial) for split in splits.values())
    plan = Plan.of(settings, len(splits["train"]))
    backup = Backup(run.folder / CHECKPOINT / "state.npz", model)
    backup.restore()
    with _board(run.folder / "tensorboard", backup) if tensorboard else nullcontext() as board:
        ordered = batches(plan, *training, seed)
        follower = _Follower(run, plan, ordered, backup, seed, progress, board)
        if not backup.ended:
            model.fit(
                ordered,
                epochs=plan.epochs,
                initial_epoch=len(backup.history),
                validation_data=validation if len(validation[0]) else None,
                validation_batch_size=MEASURED_AT_ONCE,
                callbacks=[*_callbacks(settings, backup), follower.callback()],
                verbose=0,
            )
    if isinstance(settings, ConvolutionSettings):
        model.load_weights(_best_weights(backup))
    _save(run, model, also_h5=isinstance(settings, ConvolutionSettings))
    run.write_history(backup.history)
    part, (inputs, _) = ("test", test) if len(test[0]) else ("train", training)
    run.finish(_probabilities(model, inputs, tutorial.logits), splits[part].labels, backup.seconds)


def _callbacks(settings: Settings, backup: Backup) -> list[Any]:
    """The tutorial's own: early stopping, and every epoch kept that is better than all before."""
    import keras

    if not isinstance(settings, ConvolutionSettings):
        return []
    history = list(backup.history)
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_accuracy", mode="max", patience=settings.patience, min_delta=settings.min_delta
    )
    best = keras.callbacks.ModelCheckpoint(
        # A file per epoch, so that a kill while one is written leaves the others whole.
        str(backup.path.parent).replace("{", "{{").replace("}", "}}") + "/best-{epoch}.weights.h5",
        monitor="val_accuracy",
        mode="max",
        save_best_only=True,
        save_weights_only=True,
        initial_value_threshold=max((row["val_accuracy"] for row in history), default=None),
    )

    def catch_up(logs: Any) -> None:
        """EarlyStopping forgets everything when ``fit`` begins: it sees the epochs before the kill again."""
        for epoch, row in enumerate(history):
            stopping.on_epoch_end(epoch, row)

    return [stopping, best, keras.callbacks.LambdaCallback(on_train_begin=catch_up)]


def _best_weights(backup: Backup) -> Path:
    """The file of the first epoch with the best validation accuracy."""
    best = max(range(len(backup.history)), key=lambda epoch: backup.history[epoch]["val_accuracy"])
    return backup.path.with_name(f"best-{best + 1}.weights.h5")


def _network(tutorial: Tutorial, shape: Shape, classes: int, settings: Settings) -> "keras.Sequential":
    """The tutorial's network; what Keras objects to becomes an error of ours."""
    try:
        return tutorial.network(shape, classes, settings)
    except ValueError as error:
        raise RecipeError(
            f"{tutorial.name} does not fit images of shape {shape}: they are too small for its layers. "
            "--digits makes 28×28 digit images of them"
        ) from error


def _arrays(split: Split, model: "keras.Sequential", tutorial: Tutorial) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Images and labels as the network takes them."""
    import keras

    inputs = split.shaped(split.images.shape[1:]).reshape(len(split), *model.input_shape[1:])
    if not tutorial.one_hot:
        return inputs, split.labels
    return inputs, keras.utils.to_categorical(split.labels, model.output_shape[-1]).astype(np.float32)


def _probabilities(model: "keras.Sequential", inputs: NDArray[np.float32], logits: bool) -> NDArray[np.float32]:
    """What the network answers: (N, classes)."""
    import keras

    outputs = model.predict(inputs, batch_size=MEASURED_AT_ONCE, verbose=0)
    probabilities: NDArray[np.float32] = keras.ops.convert_to_numpy(keras.ops.softmax(outputs)) if logits else outputs
    return probabilities


def _save(run: Run, model: "keras.Sequential", also_h5: bool) -> None:
    """Write the network in Keras' format, and in the one that tutorials used before there was that."""
    with replaced(run.folder / "model.keras") as path:
        model.save(path)
    if also_h5:
        with replaced(run.folder / "model.h5") as path, _hdf5_on_purpose():
            model.save(path)


@contextmanager
def _hdf5_on_purpose() -> Iterator[None]:
    """Silence Keras' one remark that HDF5 is its older format; anything else that it logs still shows."""
    logger = logging.getLogger("absl")

    def other(record: logging.LogRecord) -> bool:
        return "saving your model as an HDF5 file" not in record.getMessage()

    logger.addFilter(other)
    try:
        yield
    finally:
        logger.removeFilter(other)


def _board(folder: Path, backup: Backup) -> Any:
    """PyTorch's writer for TensorBoard: ``keras.callbacks.TensorBoard`` needs TensorFlow on every engine."""
    from torch.utils.tensorboard import SummaryWriter

    return closing(SummaryWriter(str(folder), purge_step=len(backup.history) + 1))  # hides what a kill undid


def _seed(*numbers: int) -> None:
    """Seed all that Keras and its engine draw from, by one number made of several."""
    import keras

    keras.utils.set_random_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))


def _named(name: str) -> Tutorial:
    if name not in TUTORIALS:
        raise RecipeError(f"there is no tutorial {name!r}: choose from {', '.join(TUTORIALS)}")
    return TUTORIALS[name]


def _described(layer: Any) -> str:
    """A layer in words: ``dense 25, relu``."""
    given = layer.get_config()
    match type(layer).__name__:
        case "Dense":
            return f"dense {given['units']}, {given['activation']}"
        case "Conv2D":
            return f"conv {'×'.join(map(str, given['kernel_size']))} {given['filters']}, {given['activation']}"
        case "MaxPooling2D":
            return f"max-pool {'×'.join(map(str, given['pool_size']))}"
        case "Dropout":
            return f"dropout {given['rate']}"
        case other:
            return other.lower()


def _silent(done: int, total: int, figures: Mapping[str, float]) -> None:
    """The progress of a caller who does not ask."""
