"""How much teaching helps: the error on handwriting of one style before and after so many corrections, the gate's word.

Of each source one half, by the seed, is what somebody writes and corrects; the other half is only read. Knows where
the pictures are; what teaching is, and the gate, are ``train.teach``'s.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeronine import data
from zeronine.bench.handwriting import DIGIT_SETS, Pictures, place
from zeronine.bench.rounds import Comparison, Say, silent
from zeronine.errors import DataError
from zeronine.formats import read_idx
from zeronine.reader import SHIPPED, Reader
from zeronine.train.teach import Pupil, lesson, reasons_against

WRITERS = "writers"
"""The source that stands for all of MNIST's test images by writer."""

SOURCES = ("dida", "semeion", WRITERS)
"""What is measured where nothing is named."""


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        sources: sets of ``handwriting``, of which only what is read wrongly is corrected; or ``writers``: each of the
            five of MNIST's test writers that are misread most often and wrote 80 digits or more, of which the first
            digits are learned as they come, right or wrong, as QMNIST names the writers.
        counts: corrections.
        seeds: of what is drawn and learned, from 0 on.
        limit: pictures of the other half that are read at most.
        model: the one that is taught.
    """

    sources: tuple[str, ...] = SOURCES
    counts: tuple[int, ...] = (10, 20, 50)
    seeds: int = 3
    limit: int = 500
    model: str = SHIPPED


@dataclass(frozen=True)
class Lessons:
    """One teaching.

    Attributes:
        source: of the pictures.
        wanted, learned: corrections; a source may have fewer than are wanted.
        seed: of what is drawn and learned.
        tested: pictures that were read afterwards, and not learned from.
        wrong_before, wrong_after: of them; a refused one is wrong.
        held_out_before, held_out_after: corrections right, each read by a copy that had not seen it.
        validation: by how many MNIST's held out images read right changed, of 5,000.
        answered: likewise where a refused one is wrong.
        mnist: MNIST's test images read right afterwards, of 10,000, where they are at hand and this is the largest
            number of corrections; nothing is chosen by it.
        why_not: why the copy was not promoted; empty where it was.
        seconds: of the processor, for the teaching and its gate.
    """

    source: str
    wanted: int
    learned: int
    seed: int
    tested: int
    wrong_before: int
    wrong_after: int
    held_out_before: int
    held_out_after: int
    validation: int
    answered: int
    mnist: int | None
    why_not: str
    seconds: float


@dataclass(frozen=True, eq=False)
class Hand:
    """The pictures of one style, and which of them the model reads right.

    Attributes:
        name: of it.
        pictures: all of it.
        right: (N,) bool.
        drawn: whether digits are learned as they come, and not only the wrong ones.
    """

    name: str
    pictures: Pictures
    right: NDArray[np.bool_]
    drawn: bool


def bench_teach(plan: Plan, say: Say = silent) -> Comparison:
    """Teach copies of a model and measure them.

    Args:
        plan: what.
        say: called with a line after each teaching.

    Returns:
        A row per source and number of corrections, over the seeds; each teaching by itself in the figures.

    Raises:
        DataError: a source, or MNIST's training images, is not at hand.
    """
    hands = [hand for source in plan.sources for hand in _hands(source, Reader(plan.model))]
    done: list[Lessons] = []
    for seed in range(plan.seeds):
        pupil = Pupil(plan.model, seed)
        for hand in hands:
            for count in plan.counts:
                done.append(_taught(hand, count, seed, pupil, plan))
                say(str(asdict(done[-1])))
    return Comparison(
        ("source", "corrections", "error before", "error after", "held out", "MNIST, held out", "promoted", "seconds"),
        tuple(_row(list(group)) for _, group in groupby(sorted(done, key=_source), _source)),
        (
            f"Mean ± sd over {plan.seeds} seeds. Error: of the half that is not learned from; refused is wrong. "
            "Held out: corrections right before and after, each read by a copy that has not seen it. MNIST, held out: "
            "change in points over 5,000 training images that are not replayed. Seconds of the processor.",
        ),
        {"lessons": [asdict(one) for one in done]},
    )


def _taught(hand: Hand, count: int, seed: int, pupil: Pupil, plan: Plan) -> Lessons:
    """Teach a copy, and read the other half with it."""
    order = np.random.default_rng(seed).permutation(len(hand.right))
    half, rest = np.split(order, [len(order) // 2])
    learned = (half if hand.drawn else half[~hand.right[half]])[:count]
    rest = rest[: plan.limit]
    sources, truths = hand.pictures.sources, hand.pictures.truths
    started = time.process_time()
    held_out, copy = pupil.taught([lesson(sources[index], int(truths[index])) for index in learned])
    validation, answered = pupil.measure(copy)
    seconds = time.process_time() - started
    reader = pupil.reader(copy)
    return Lessons(
        source=hand.name,
        wanted=count,
        learned=len(learned),
        seed=seed,
        tested=len(rest),
        wrong_before=int((~hand.right[rest]).sum()),
        wrong_after=int((~_right(reader, hand.pictures, rest)).sum()),
        held_out_before=held_out.before,
        held_out_after=held_out.after,
        validation=validation.after - validation.before,
        answered=answered.after - answered.before,
        mnist=_mnist(reader) if count == max(plan.counts) else None,
        why_not=reasons_against(held_out, validation, answered),
        seconds=round(seconds, 1),
    )


def _mnist(reader: Reader) -> int | None:
    if not data.at_hand("mnist", split="test"):
        return None
    test = data.load("mnist", split="test").test
    return int((reader.probabilities(test.shaped(reader.shape)).argmax(1) == test.labels).sum())


def _right(reader: Reader, pictures: Pictures, chosen: Sequence[int] | NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the chosen pictures a Reader reads right."""
    answers = reader.predict_many(pictures.sources[index] for index in chosen)
    truths = (int(pictures.truths[index]) for index in chosen)
    return np.array([answer.digit == truth for answer, truth in zip(answers, truths, strict=True)])


def _hands(source: str, reader: Reader) -> list[Hand]:
    """What a source consists of."""
    pictures = (DIGIT_SETS["mnist"] if source == WRITERS else DIGIT_SETS[source]).load()
    right = _right(reader, pictures, range(len(pictures)))
    if source != WRITERS:
        return [Hand(source, pictures, right, drawn=False)]
    writers = _writers(len(pictures))
    wrong = {writer: int((~right[writers == writer]).sum()) for writer, count in _counts(writers) if count >= 80}
    misread = sorted(wrong, key=lambda writer: (-wrong[writer], writer))[:5]
    return [_hand_of(writer, pictures, right, writers) for writer in misread]


def _hand_of(writer: int, pictures: Pictures, right: NDArray[np.bool_], writers: NDArray[np.int64]) -> Hand:
    chosen = np.flatnonzero(writers == writer)
    sources = [pictures.sources[int(index)] for index in chosen]
    files = tuple(pictures.files[index] for index in chosen)
    own = Pictures(sources, files, pictures.truths[chosen])
    return Hand(f"writer {writer}", own, right[chosen], drawn=True)


def _writers(count: int) -> NDArray[np.int64]:
    """Who wrote each of MNIST's test images: the third column of QMNIST's labels.

    Raises:
        DataError: they are not at hand.
    """
    paths = sorted(place("qmnist").glob("*test-labels-idx2-int*"))
    if not paths:
        raise DataError("not at hand: qmnist holds no qmnist-test-labels-idx2-int.gz")
    return read_idx(paths[0])[:count, 2].astype(np.int64)


def _counts(writers: NDArray[np.int64]) -> list[tuple[int, int]]:
    names, counts = np.unique(writers, return_counts=True)
    return [(int(name), int(count)) for name, count in zip(names, counts, strict=True)]


def _source(one: Lessons) -> tuple[str, int]:
    return one.source, one.wanted


def _row(group: list[Lessons]) -> tuple[str, ...]:
    """A source with one number of corrections, over the seeds."""
    before = [100 * one.wrong_before / one.tested for one in group]
    after = [100 * one.wrong_after / one.tested for one in group]
    learned = sorted({one.learned for one in group})
    changes = [one.validation / 50 for one in group]
    return (
        group[0].source,
        f"{learned[0]} to {learned[-1]}" if len(learned) > 1 else f"{learned[0]}",
        f"{_spread(before)} %",
        f"{_spread(after)} %",
        f"{sum(one.held_out_before for one in group)} → {sum(one.held_out_after for one in group)} "
        f"of {sum(one.learned for one in group)}",
        f"{min(changes):+.2f} to {max(changes):+.2f}",
        f"{sum(not one.why_not for one in group)} of {len(group)}",
        f"{np.mean([one.seconds for one in group]):.0f}",
    )


def _spread(values: list[float]) -> str:
    deviation: Any = np.std(values, ddof=1) if len(values) > 1 else 0.0
    return f"{np.mean(values):.1f} ± {deviation:.1f}"
