"""The trials of a sweep: each a training on a part of the training images, measured on the rest of them.

Test images are not even loaded. Knows how trials are begun, pruned, broken off and repeated, in one process or many.
"""

import gc
import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from zeronine import data as datasets
from zeronine.data import Dataset
from zeronine.errors import RecipeError, ZeronineError
from zeronine.train.keras_loop import divide as divide_tutorial
from zeronine.train.keras_loop import layers, train_tutorial, use_engine
from zeronine.train.run import Progress, Run
from zeronine.train.settings import override
from zeronine.train.space import changes, named
from zeronine.train.study import Plan, load, opened, quiet
from zeronine.train.tutorials import TUTORIALS


@dataclass(frozen=True, eq=False)
class Material:
    """What trials learn from and are measured by: training images only.

    Attributes:
        dataset: its ``test`` is the validation images.
        settings: what a training must be told so that it does not learn from them.
    """

    dataset: Dataset
    settings: Mapping[str, object]


def material(plan: Plan) -> Material:
    """Divide the training images as the recipe does; those that it sets apart itself are the validation images.

    Raises:
        RecipeError: the images are too few, or the recipe does not fit them.
        DataError: the data are missing or damaged.
    """
    dataset = datasets.load(plan.data, target=plan.target, digits=plan.digits, split="train")
    base, settings = plan.base, dict(plan.settings)
    if getattr(base, "holdout", 0):  # what zeronine train will measure by is no business of a sweep
        dataset = replace(dataset, train=dataset.holdout(base.holdout, seed=0)[0])
        settings["holdout"] = 0
    count = plan.validation or getattr(base, "validation", 0) or len(dataset.train) // 6
    if hasattr(base, "validation"):
        settings["validation"] = count
        _unseen_by_teacher(getattr(base, "teacher", ""), count)
    apart = _divided(plan.recipe, dataset, override(named(plan.recipe).settings, settings))
    if plan.validation and not hasattr(base, "validation") and len(apart):
        raise RecipeError(f"{plan.recipe} sets {len(apart):,} validation images apart itself: leave validation out")
    if len(apart):
        return Material(replace(dataset, test=apart), settings)
    rest, apart = dataset.holdout(count, seed=0)
    if not len(apart):
        raise RecipeError(f"{plan.data} has {len(dataset.train)} training images: a sweep needs 6 or more")
    return Material(replace(dataset, train=rest, test=apart), settings)


def _unseen_by_teacher(folder: str, count: int) -> None:
    """Refuse a teacher that has learned from the validation images: it would tell their labels.

    Raises:
        RecipeError: it has, or the folder holds no run.
    """
    if folder and Run(Path(folder)).config["settings"].get("validation") != count:
        raise RecipeError(
            f"the teacher in {folder} has learned from the {count:,} images to choose by: train it with  "
            f"--set validation={count}"
        )


def _divided(recipe: str, dataset: Dataset, settings: Any) -> datasets.Split:
    """The validation images that the recipe itself sets apart; none where it does not."""
    if recipe in TUTORIALS:
        return divide_tutorial(TUTORIALS[recipe], dataset, settings)["validation"]
    from zeronine.train.loop import divide

    return divide(dataset, settings)["validation"]


def parameters(plan: Plan, dataset: Dataset, settings: Mapping[str, object]) -> int:
    """How many numbers the network learns.

    Raises:
        RecipeError: the network does not fit the images.
    """
    if plan.recipe in TUTORIALS:
        use_engine(plan.engine)
        return sum(row[2] for row in layers(plan.recipe, dataset.train.shape, len(dataset.classes), settings))
    from zeronine.train.loop import untrained

    chosen = asdict(override(named(plan.recipe).settings, settings))
    return sum(weight.numel() for weight in untrained(plan.recipe, chosen, len(dataset.classes)).parameters())


def _train(plan: Plan, dataset: Dataset, settings: Mapping[str, object], out: Path, progress: Progress) -> Run:
    """Train as ``zeronine train`` does, on a data set whose test images are validation images."""
    if plan.recipe in TUTORIALS:
        return train_tutorial(
            plan.recipe,
            dataset,
            out=out,
            seed=plan.seed,
            settings=settings,
            engine=plan.engine,
            progress=progress,
            watch=True,
        )
    from zeronine.train.loop import train_recipe

    return train_recipe(plan.recipe, dataset, out=out, seed=plan.seed, settings=settings, progress=progress)


# ---- a process's work --------------------------------------------------------------------------------------

COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.WAITING)


class _Stopped(Exception):
    """Time is up, or the process that started this one has ended or asks for it."""


class _Surplus(Exception):
    """Another process began the last trial at the same moment."""


@dataclass
class Worker:
    """A process that runs trials until there are enough, by whomever.

    Attributes:
        plan: of the sweep.
        material: images.
        study: in the database.
        stopped: whether to stop as soon as possible.
        after: called after each trial.
        current: number of the trial in work, or the last one.
        broken_off: that number, if the trial did not come to its end.
        folder: of its run.
        unborn: when trials were first seen that had begun but not said so.
    """

    plan: Plan
    material: Material
    study: optuna.Study
    stopped: Callable[[], bool]
    after: Callable[[], None]
    current: int | None = None
    broken_off: int | None = None
    folder: Path | None = None
    unborn: dict[int, float] = field(default_factory=dict)

    def run(self) -> None:
        """Run trials; at the end wait for those of other processes, and repeat what was killed."""
        gc.freeze()  # Optuna collects after each trial: to look through all imported before took it a third of a second
        try:
            self._trials()
        finally:
            gc.unfreeze()

    def _trials(self) -> None:
        """One after the other, until there is none left."""
        while not self.stopped():
            trials = self.study.get_trials(deepcopy=False, states=COUNTED)
            waiting = any(trial.state is TrialState.WAITING for trial in trials)
            if waiting or len(trials) < self.plan.trials:
                self._trial()
                self.after()
            elif any(trial.state is TrialState.RUNNING for trial in trials):
                self._bury(trials)
                time.sleep(min(1, self.plan.heartbeat / 2))
            else:
                return

    def _trial(self) -> None:
        """One trial. What is broken off is queued again, and goes on from its last epoch."""
        self.current = self.broken_off = self.folder = None
        try:
            self.study.optimize(self._objective, n_trials=1, catch=(_Surplus, _Stopped), gc_after_trial=True)
        except (optuna.exceptions.UpdateFinishedTrialError, ValueError):
            if not self._taken_over():
                raise
            self.folder = None  # it is the other one's now
        finally:
            if self.broken_off is not None:
                RetryHeartbeatStaleTrialCallback()(self.study, self.study.trials[self.broken_off])
        if self.broken_off is None and self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _taken_over(self) -> bool:
        """Whether another process took this one for dead, as after a laptop's sleep, and repeats its trial."""
        return self.current is not None and self.study.trials[self.current].state is TrialState.FAIL

    def _objective(self, trial: optuna.Trial) -> float:
        """Validation accuracy of a training."""
        self.current = trial.number
        earlier = [each for each in self.study.get_trials(deepcopy=False, states=COUNTED) if each.number < trial.number]
        if len(earlier) >= self.plan.trials:
            raise _Surplus
        if "origin" not in trial.user_attrs:  # a trial that is repeated has the first one's
            trial.set_user_attr("origin", trial.number)
        values = {name: space.suggest(trial, name) for name, space in self.plan.space.items()}
        settings = {**self.material.settings, **changes(values, self.plan.base)}
        trial.set_user_attr("settings", changes(values, self.plan.base))
        try:
            return self._trained(trial, settings)
        except (_Stopped, KeyboardInterrupt):
            self.broken_off = trial.number
            raise
        except Exception as error:
            if not isinstance(error, RecipeError | MemoryError) and type(error).__name__ != "OutOfMemoryError":
                raise
            trial.set_user_attr("refused", str(error) or "out of memory")
            raise optuna.TrialPruned from error

    def _trained(self, trial: optuna.Trial, settings: Mapping[str, object]) -> float:
        """Train, and note what else is worth knowing."""
        dataset = self.material.dataset
        trial.set_user_attr("parameters", parameters(self.plan, dataset, settings))
        content = json.dumps([settings, self.plan.seed, self.plan.engine, dataset.sha256]).encode()
        name = f"{trial.user_attrs['origin']}-{sha256(content).hexdigest()[:12]}"
        self.folder = self.plan.folder / "trials" / name
        run, started = Run(self.folder), time.perf_counter()
        try:
            _train(self.plan, dataset, settings, run.folder, _Reports(trial, run, self.stopped))
        except optuna.TrialPruned:
            trial.set_user_attr("seconds", round(time.perf_counter() - started, 2))
            raise
        chances, labels = run.predictions
        likely = np.clip(chances[np.arange(len(labels)), labels], 1e-7, 1)
        trial.set_user_attr("log_loss", round(float(-np.log(likely).mean()), 5))
        trial.set_user_attr("seconds", round(run.config["seconds"], 2))
        return run.accuracy

    def _bury(self, trials: Sequence[FrozenTrial]) -> None:
        """Fail the trials of killed processes: Optuna those that ever gave a sign of life, and we the rest."""
        optuna.storages.fail_stale_trials(self.study)
        now = time.monotonic()
        for trial in trials:
            if trial.state is not TrialState.RUNNING or "origin" in trial.user_attrs:
                continue
            if now - self.unborn.setdefault(trial.number, now) > 3 * self.plan.heartbeat:
                self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


@dataclass
class _Reports:
    """The progress of a training that tells Optuna its validation accuracy, tenth by tenth, and may end it.

    Attributes:
        trial: to report for.
        run: its history has a row for every epoch, or so many iterations, that is over.
        stopped: whether to stop as soon as possible.
        tenths: that are reported.
        written: when the history was, in nanoseconds.
    """

    trial: optuna.Trial
    run: Run
    stopped: Callable[[], bool]
    tenths: int = 0
    written: int = 0

    def __call__(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        """See whether the history has grown: the step before this one ended an epoch then."""
        if self.stopped():
            raise _Stopped
        history = self.run.folder / "history.csv"
        written = history.stat().st_mtime_ns if history.exists() else 0
        if written != self.written and done > 1:
            self.written = written
            self._report(done - 1, total)

    def _report(self, done: int, total: int) -> None:
        """At every tenth of the training, the last epoch that was over by then."""
        rows = self.run.history
        tenths = 10 * done // total
        for tenth in range(self.tenths + 1, tenths + 1):
            over = min(len(rows), tenth * total * len(rows) // (10 * done))
            if over and "val_accuracy" in rows[over - 1]:
                self.trial.report(rows[over - 1]["val_accuracy"], tenth)
        if tenths > self.tenths and self.trial.should_prune():
            raise optuna.TrialPruned
        self.tenths = max(tenths, self.tenths)


# ---- several processes -------------------------------------------------------------------------------------


def _child(plan: Plan, threads: int, parent: Connection) -> None:
    """A process of a sweep: works until there are enough trials, or its parent ends or closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, and it closes the connection
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    try:
        with quiet(), opened(plan) as storage:
            _threads(threads)
            study = load(plan, storage)
            Worker(plan, material(plan), study, lambda: plan.expired or _ended(parent), lambda: None).run()
    except ZeronineError as error:
        with suppress(OSError):
            parent.send(str(error))


def _ended(parent: Connection) -> bool:
    """Whether the parent has ended, or closed the connection so that its children end."""
    try:
        return parent.poll()
    except OSError:  # so Windows says it
        return True


def _threads(count: int) -> None:
    import torch

    if os.environ["OMP_NUM_THREADS"] == str(count):
        torch.set_num_threads(count)


def side_by_side(plan: Plan, jobs: int, after: Callable[[], None]) -> None:
    """Run processes beside each other; one that is killed does not end the others.

    Raises:
        ZeronineError: what one of them raised, or all of them were killed.
    """
    context = multiprocessing.get_context("spawn")  # a forked process cannot use CUDA, nor PyTorch's threads
    threads = max(1, _cores() // jobs)
    children: list[tuple[SpawnProcess, Connection]] = []
    try:
        for _ in range(jobs):
            ours, theirs = context.Pipe()
            process = context.Process(target=_child, args=(plan, threads, theirs), daemon=True)
            process.start()
            theirs.close()
            children.append((process, ours))
        while any(process.is_alive() for process, _ in children):
            next(process for process, _ in children if process.is_alive()).join(1)
            after()
        for _, ours in children:
            _raise_what_it_says(ours)
        if all(process.exitcode for process, _ in children):
            raise ZeronineError("all processes of the sweep were ended from outside: the same command goes on")
    finally:
        for _, ours in children:
            ours.close()
        for process, _ in children:
            process.join()


def _raise_what_it_says(connection: Connection) -> None:
    """Raise the error that a process left; at the end of a connection there is none."""
    with suppress(EOFError, OSError):
        message = connection.recv()
        raise ZeronineError(message)


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
