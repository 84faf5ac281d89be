"""A sweep's plan and its study: in a database, shared by processes, by Optuna. Knows no training.

Raises:
    MissingExtra: on import, where Optuna is not installed.
"""

import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zeronine.data import Dataset
from zeronine.errors import MissingExtra, RecipeError, ZeronineError
from zeronine.store import address as address_of
from zeronine.store import shown
from zeronine.train.settings import override
from zeronine.train.space import Space, Value, named, row_of, text_of

try:
    import optuna
    import sqlalchemy
except ImportError as error:
    raise MissingExtra("train", "Optuna") from error

from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Plan:
    """All that every process of a sweep has to know.

    Attributes:
        recipe: its name.
        data, target, digits: what ``data.load`` is given.
        seed: of every training, and of what is tried.
        engine: of Keras.
        settings: those that are fixed.
        space: what the others may be.
        validation: images to choose by; where it is None, a sixth of the training images.
        folder: of the sweep.
        url: of the database.
        trials: how many in all.
        deadline: seconds since 1970.
        heartbeat: seconds between two signs of life of a trial.
    """

    recipe: str
    data: str
    target: str | None
    digits: bool
    seed: int
    engine: str
    settings: Mapping[str, object]
    space: Mapping[str, Space]
    validation: int | None
    folder: Path
    url: str
    trials: int
    deadline: float
    heartbeat: int

    @cached_property
    def base(self) -> Any:
        """The recipe's settings with the fixed ones, before any trial."""
        return override(named(self.recipe).settings, self.settings)

    @property
    def expired(self) -> bool:
        """Whether the time is up."""
        return time.time() > self.deadline

    @property
    def usual(self) -> dict[str, Value]:
        """The recipe's own values of what is searched."""
        layered: dict[str, Value] = {"layers": len(getattr(self.base, row_of(self.base), ())), "width": 1.0}
        return {name: layered.get(name, getattr(self.base, name, 0)) for name in self.space}


HEARTBEAT = 20
"""Seconds. A trial that gave no sign of life three times in a row counts as killed."""


def address(storage: str | None, folder: Path) -> str:
    """The URL of the database: a SQLite file beside the sweep's folder where none is given."""
    return address_of(storage or str(folder.with_name(folder.name + ".db")))


@contextmanager
def opened(plan: Plan) -> Iterator[RDBStorage]:
    """The database; what goes wrong with it is an error of ours."""
    storage: RDBStorage | None = None
    try:
        storage = _storage(plan)
        yield storage
    except sqlalchemy.exc.ArgumentError as error:
        raise ZeronineError(
            f"{shown(plan.url)} is no address of a database: write  sqlite:///FILE  or  postgresql://USER@HOST/NAME"
        ) from error
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
        reason = str(getattr(cause, "orig", cause)).strip().splitlines()[0]
        raise ZeronineError(
            f"the storage {shown(plan.url)} does not answer ({reason}): see that it is there and the address is "
            "right; the same command goes on"
        ) from error
    finally:
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()


def _storage(plan: Plan) -> RDBStorage:
    """Open the database, and make its tables where there are none."""
    url = sqlalchemy.make_url(plan.url)
    kind = url.get_backend_name()
    options: dict[str, Any] = {}
    if kind == "sqlite":
        Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
        options = {"connect_args": {"timeout": 60}}
    elif url.get_driver_name().startswith("psycopg"):
        options = {"connect_args": {"connect_timeout": 10}, "pool_pre_ping": True}
    for attempt in range(5):
        try:
            if kind == "sqlite":
                _write_ahead(plan.url)
            return RDBStorage(
                plan.url,
                engine_kwargs=dict(options),
                heartbeat_interval=plan.heartbeat,
                grace_period=3 * plan.heartbeat,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=3),
            )
        except ImportError as error:
            package = "'psycopg[binary]'" if kind == "postgresql" else f"the Python driver of {kind}"
            raise ZeronineError(f"{kind} needs its driver: run  pip install {package}") from error
        except RuntimeError as error:  # tables of another version of Optuna: it says what to do
            raise ZeronineError(f"{shown(plan.url)}: {error}") from error
        except sqlalchemy.exc.DBAPIError:
            if attempt == 4:
                raise
            time.sleep(0.1 * 2**attempt)  # two processes that make the tables at once: one of them fails
    raise AssertionError


def _write_ahead(url: str) -> None:
    """Let SQLite's readers and its writer not wait for each other; the file remembers it."""
    engine = sqlalchemy.create_engine(url, connect_args={"timeout": 60})
    try:
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("PRAGMA journal_mode=WAL"))
    finally:
        engine.dispose()


WARM_UP = 3
"""Tenths of its training that no trial is stopped in: the learning rate is still rising then."""


def load(plan: Plan, storage: RDBStorage) -> optuna.Study:
    """The study in the database.

    Pruning is by the median at the same tenth of the training, not of the same epoch, and not Hyperband: epochs are
    among what is searched, and the learning rate falls to zero over as many of them as there are, so that a short
    training is ahead of a longer one at each epoch; and Hyperband would spend most trials on such short ones.
    """
    return optuna.load_study(
        study_name=plan.folder.name,
        storage=storage,
        sampler=_Sampler(plan.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=WARM_UP, n_min_trials=3),
    )


class _Sampler(optuna.samplers.BaseSampler):
    """TPE, seeded anew for each trial by its number: processes never draw the same, nor does one started again."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._numbered = self._seeded(0)

    def _seeded(self, number: int) -> optuna.samplers.TPESampler:
        seed = int(np.random.SeedSequence((self._seed, number)).generate_state(1)[0])
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._numbered = self._seeded(trial.number)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        return self._numbered.infer_relative_search_space(study, trial)

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, Any]) -> dict[str, Any]:
        return self._numbered.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        return self._numbered.sample_independent(study, trial, param_name, param_distribution)


def begin(plan: Plan, storage: RDBStorage, dataset: Dataset) -> None:
    """Make the study, its first trial the recipe as it is; or check that the one that is there is the same sweep.

    Raises:
        RecipeError: it is another one.
    """
    wanted = _signature(plan, dataset)
    try:
        study = optuna.create_study(storage=storage, study_name=plan.folder.name, direction="maximize")
        study.set_user_attr("sweep", wanted)
        if all(plan.usual[name] in space for name, space in plan.space.items()):
            study.enqueue_trial(plan.usual)
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(study_name=plan.folder.name, storage=storage)
        made_now = not study.get_trials(deepcopy=False)  # by another process, which is about to write down what it is
        if made_now:
            study.set_user_attr("sweep", study.user_attrs.get("sweep", wanted))
        present = study.user_attrs.get("sweep", {})
        differing = [key for key in {**present, **wanted} if present.get(key) != wanted.get(key)]
        if differing:
            was, now = ({**each}.get(differing[0], "not there") for each in (present, wanted))
            raise RecipeError(
                f"{shown(plan.url)} holds another sweep named {plan.folder.name} ({differing[0]} {was}, now {now}): "
                "give the same settings to go on with it, or choose another --out"
            ) from None


def _signature(plan: Plan, dataset: Dataset) -> dict[str, str]:
    """What must be the same for a sweep to be gone on with."""
    about = {"recipe": plan.recipe, "data": dataset.sha256[:12], "seed": f"{plan.seed}", "engine": plan.engine}
    about["validation images"] = f"{len(dataset.test)}"
    about |= {f"search of {name}": str(space) for name, space in plan.space.items()}
    return about | {name: text_of(value) for name, value in asdict(plan.base).items() if name not in plan.space}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna's log and its remarks on new features to itself."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
