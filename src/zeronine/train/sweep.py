"""A search over the settings of a recipe: ``sweep``, and what it finds.

What is searched is in ``space``, the database in ``study``, the work in ``trials``.

Raises:
    MissingExtra: on import, where Optuna is not installed.
"""

import csv
import json
import math
import shlex
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from zeronine.data import Dataset
from zeronine.errors import RecipeError
from zeronine.files import replaced
from zeronine.store import shown
from zeronine.train.run import Progress
from zeronine.train.space import Space, Value, named, search_space, text_of
from zeronine.train.study import HEARTBEAT, Plan, address, begin, load, opened, quiet
from zeronine.train.trials import Worker, material, parameters, side_by_side
from zeronine.train.tutorials import TUTORIALS

ENOUGH = 10
"""Finished trials from which the importance of settings can be told."""


@dataclass(frozen=True)
class Trial:
    """One trial that is over.

    Attributes:
        number: in the order of beginning, from 0.
        state: ``finished``; ``pruned``, ended early; or ``refused``, what the recipe or the memory does not allow.
        accuracy: fraction, 0..1, of the validation images; of a pruned one when it ended.
        log_loss: of the validation images; NaN where it did not finish.
        seconds: of training.
        parameters: numbers that the network learns; 0 where it was refused.
        tenths: of its training that were reported before it ended; 10 where it finished.
        settings: those that were searched, as ``zeronine train`` takes them.
        values: the same, as they were searched: ``layers`` and ``width`` for a row of widths.
        reason: why it was refused.
    """

    number: int
    state: str
    accuracy: float
    log_loss: float
    seconds: float
    parameters: int
    tenths: int
    settings: Mapping[str, Any]
    values: Mapping[str, Value]
    reason: str


@dataclass(frozen=True)
class Sweep:
    """What a sweep found.

    Attributes:
        folder: where ``results.csv`` and ``results.json`` lie.
        recipe: its name.
        storage: address of the database, without password.
        images: validation images that trials were measured by.
        trials: the finished ones, best first: by accuracy, then log loss; then those that ended early.
        own: number of the trial of the recipe as it is; None where it is not over.
        space: what each setting could be.
        importances: by setting, summing up to 1, greatest first; empty where they cannot be told.
        no_importances: why they cannot.
        command: trains with the best settings; empty where no trial finished.
        unfinished: trials that are still to be done for the number that was asked for.
    """

    folder: Path
    recipe: str
    storage: str
    images: int
    trials: tuple[Trial, ...]
    own: int | None
    space: Mapping[str, Space]
    importances: Mapping[str, float]
    no_importances: str
    command: str
    unfinished: int

    @property
    def finished(self) -> tuple[Trial, ...]:
        """Those that went to their end, best first."""
        return tuple(trial for trial in self.trials if trial.state == "finished")

    @property
    def standard_error(self) -> float:
        """Of the best accuracy, as a fraction, by the number of images: smaller differences say little."""
        best = self.finished[0].accuracy
        return math.sqrt(max(best * (1 - best), 1 / self.images**2) / self.images)


def _clear(plan: Plan, study: optuna.Study) -> None:
    """Remove the folders of trials that are over: a process that was killed left its own."""
    folders = list((plan.folder / "trials").glob("*-*"))  # before the states are read, so that none is newer
    going = study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING))
    origins = {str(trial.user_attrs.get("origin")) for trial in going}
    for folder in folders:
        if folder.name.partition("-")[0] not in origins:
            shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        (plan.folder / "trials").rmdir()  # if it is empty


def _results(plan: Plan, study: optuna.Study, dataset: Dataset) -> Sweep:
    """All that the study knows by now."""
    over = study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))
    trials = sorted(map(_outcome, over), key=_order)
    own = [trial.number for trial in trials if trial.values == plan.usual]
    importances, why = _importances(study, plan)
    return Sweep(
        folder=plan.folder,
        recipe=plan.recipe,
        storage=shown(plan.url),
        images=len(dataset.test),
        trials=tuple(trials),
        own=min(own, default=None),
        space=plan.space,
        importances=importances,
        no_importances=why,
        command=_command(plan, trials[0]) if trials and trials[0].state == "finished" else "",
        unfinished=max(0, plan.trials - len(over)),
    )


def _outcome(trial: FrozenTrial) -> Trial:
    noted = trial.user_attrs
    finished = trial.state is TrialState.COMPLETE
    return Trial(
        number=trial.number,
        state="finished" if finished else "refused" if "refused" in noted else "pruned",
        accuracy=math.nan if trial.value is None else trial.value,
        log_loss=noted.get("log_loss", math.nan),
        seconds=noted.get("seconds", 0.0),
        parameters=noted.get("parameters", 0),
        tenths=10 if finished else max(trial.intermediate_values, default=0),
        settings=noted.get("settings", {}),
        values=trial.params,
        reason=noted.get("refused", ""),
    )


def _order(trial: Trial) -> tuple[Any, ...]:
    if trial.state == "finished":
        return 0, -trial.accuracy, trial.log_loss, trial.seconds
    return 1, trial.number


def _importances(study: optuna.Study, plan: Plan) -> tuple[dict[str, float], str]:
    """How much of the differences between finished trials each setting explains, by fANOVA; or why that is unknown."""
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(finished) < ENOUGH:
        return {}, f"too few trials for the importance of settings: {len(finished)} finished, it takes {ENOUGH}"
    if len({trial.value for trial in finished}) == 1:
        return {}, "all trials are equally accurate: no setting matters"
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=plan.seed)
    return optuna.importance.get_param_importances(study, evaluator=evaluator), ""


def _command(plan: Plan, best: Trial) -> str:
    """The command line that trains with a trial's settings, on all training images."""
    words = ["zeronine", "train", plan.recipe]
    if plan.data != named(plan.recipe).data:
        words += ["--data", plan.data]
    words += ["--target", plan.target] if plan.target else []
    words += ["--digits"] if plan.digits else []
    words += ["--engine", plan.engine] if plan.engine != "torch" else []
    words += ["--seed", str(plan.seed)] if plan.seed else []
    chosen = {name: value for name, value in plan.settings.items() if name != "validation"} | dict(best.settings)
    for name, value in chosen.items():
        words += ["--set", f"{name}={text_of(value)}"]
    return shlex.join(words)


def _write(found: Sweep) -> None:
    """Write ``results.json``, which has all, and ``results.csv``, a row for each trial."""
    found.folder.mkdir(parents=True, exist_ok=True)
    content = asdict(found) | {"folder": str(found.folder)}
    with replaced(found.folder / "results.json") as path:
        path.write_text(json.dumps(_plain(content), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    names = list(dict.fromkeys(name for trial in found.trials for name in trial.settings))
    about = [each.name for each in fields(Trial) if each.name not in ("settings", "values")]
    with replaced(found.folder / "results.csv") as path, path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*about, *names])
        for trial in found.trials:
            row = [_plain(getattr(trial, name)) for name in about]
            writer.writerow([*row, *(text_of(trial.settings.get(name, "")) for name in names)])


def _plain(content: Any) -> Any:
    """NaN, which JSON does not know, as nothing."""
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    return None if isinstance(content, float) and math.isnan(content) else content


def sweep(
    recipe: str,
    *,
    trials: int,
    over: Sequence[str] | None = None,
    settings: Mapping[str, object] | None = None,
    data: str | None = None,
    target: str | None = None,
    digits: bool = False,
    validation: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    storage: str | None = None,
    jobs: int = 1,
    minutes: float | None = None,
    engine: str = "torch",
    heartbeat: int = HEARTBEAT,
    progress: Progress | None = None,
) -> Sweep:
    """Search for the settings with which a recipe is most accurate on images kept out of its training images.

    The same call again goes on; so do others at the same time, from this or other machines, with the same storage.
    A trial that was killed is repeated, from its last epoch where its folder is at hand.

    Args:
        recipe: its name.
        trials: how many in all, those of earlier calls and of other processes included.
        over: what to search, see ``search_space``.
        settings: fixed ones that differ from the recipe's, typed or as text.
        data: a named set, or the path of one's own; the recipe's own set where it is None.
        target: of a CSV file, the column that holds the label.
        digits: make a digit image of every picture first.
        validation: images to choose by, for recipes that set none apart themselves; a sixth where it is None.
        seed: of every training, and of what is tried.
        out: the sweep's folder, and the study's name; ``runs/sweep-RECIPE`` where it is None.
        storage: address of the database; a SQLite file beside ``out`` where it is None.
        jobs: processes; where there are several, a script must not sweep when it is only imported.
        minutes: after which no trial goes on; those that are broken off are gone on with by the next call.
        engine: what Keras computes with.
        heartbeat: seconds between two signs of life; after three without, a trial counts as killed.
        progress: called with trials that are over, trials in all, and the best accuracy.

    Raises:
        RecipeError: no such recipe or setting, it does not fit the data, or the storage holds another sweep.
        DataError: the data are missing or damaged.
        ZeronineError: the storage does not answer, or its driver is not installed.
    """
    if trials < 1 or jobs < 1 or heartbeat < 1:
        raise RecipeError("trials, jobs and heartbeat must be 1 or more")
    if engine != "torch" and recipe not in TUTORIALS:
        raise RecipeError(f"{recipe} is trained by PyTorch alone: leave --engine out")
    fixed, folder = dict(settings or {}), Path(out) if out is not None else Path("runs") / f"sweep-{recipe}"
    if folder.name in ("", ".."):
        raise RecipeError(f"{folder} has no name: give --out a folder of its own, such as runs/sweep-{recipe}")
    plan = Plan(
        recipe=recipe,
        data=data or named(recipe).data,
        target=target,
        digits=digits,
        seed=seed,
        engine=engine,
        settings=fixed,
        space=search_space(recipe, over, fixed),
        validation=validation,
        folder=folder,
        url=address(storage, folder),
        trials=trials,
        deadline=math.inf if minutes is None else time.time() + 60 * minutes,
        heartbeat=heartbeat,
    )
    return _swept(plan, jobs, progress)


def _swept(plan: Plan, jobs: int, progress: Progress | None) -> Sweep:
    """Carry out a plan."""
    images = material(plan)
    parameters(plan, images.dataset, images.settings)  # fails at once where even the recipe as it is does not fit
    with quiet(), opened(plan) as storage:
        begin(plan, storage, images.dataset)
        study = load(plan, storage)

        def after() -> None:
            over = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
            best = [trial.value for trial in over if trial.state is TrialState.COMPLETE and trial.value is not None]
            if progress:
                progress(len(over), max(plan.trials, len(over)), {"best": max(best)} if best else {})

        after()
        if jobs == 1:
            Worker(plan, images, study, lambda: plan.expired, after).run()
        else:
            side_by_side(plan, jobs, after)
        _clear(plan, study)
        found = _results(plan, study, images.dataset)
    _write(found)
    return found
