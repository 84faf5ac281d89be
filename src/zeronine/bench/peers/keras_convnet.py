"""The Keras peer: the "Simple MNIST convnet" of keras.io, as its page describes it, trained or reading.

Source: keras.io/examples/vision/mnist_convnet: convolution 3×3 32, max-pool, convolution 3×3 64, max-pool, dropout
0.5, dense 10; Adam, batch 128, a tenth of the training images for validation, 15 epochs. What is ours: it stops after
the epoch in which the test accuracy first passes a mark; the time of these evaluations is taken off; no progress bar.

    keras_convnet.py train --data mnist.npz --seed 0 --until 0.99
    keras_convnet.py calls --data mnist.npz --model convnet.keras    measures, and writes the model
    keras_convnet.py one   --picture one.png --model convnet.keras   a user's process: reads one picture
"""

import argparse
import importlib
import json
import os
import platform
import statistics
import sys
import time
from timeit import repeat
from typing import Any

import numpy as np


def network() -> Any:
    """Probabilities (N, 10) of images (N, 28, 28, 1) in 0..1."""
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(shape=(28, 28, 1)),
            layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def arrays(file: str, part: str) -> tuple[Any, Any]:
    """Images (N, 28, 28, 1) in 0..1 and labels (N,)."""
    with np.load(file) as stored:
        return stored[f"x_{part}"][..., None].astype("float32") / 255, stored[f"y_{part}"]


def train(given: argparse.Namespace) -> dict[str, Any]:
    """Train until the test accuracy passes the mark, or to the end."""
    import keras

    keras.utils.set_random_seed(given.seed)
    (x_train, y_train), (x_test, y_test) = arrays(given.data, "train"), arrays(given.data, "test")
    y_train, y_test = keras.utils.to_categorical(y_train, 10), keras.utils.to_categorical(y_test, 10)
    model = network()
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    watch = _watch(x_test, y_test, given.until)
    started = time.perf_counter()
    model.fit(
        x_train,
        y_train,
        batch_size=128,
        epochs=given.epochs,
        validation_split=0.1,
        callbacks=[watch],
        verbose=0,
    )
    return {
        "seconds": time.perf_counter() - started - watch.seconds,
        "evaluations": watch.seconds,
        "epochs": len(watch.correct),
        "correct": watch.correct[-1],
        "correct_by_epoch": watch.correct,
        "count": len(y_test),
        "passed": watch.passed,
    }


def _watch(images: Any, labels: Any, mark: float) -> Any:
    """A callback that counts right test images after each epoch, and ends the training above the mark."""
    import keras

    class Watch(keras.callbacks.Callback):  # type: ignore[misc]
        seconds, passed = 0.0, False

        def __init__(self) -> None:
            super().__init__()
            self.correct: list[int] = []

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            started = time.perf_counter()
            accuracy = self.model.evaluate(images, labels, batch_size=1000, verbose=0, return_dict=True)["accuracy"]
            self.correct.append(round(accuracy * len(labels)))
            self.passed = self.correct[-1] > mark * len(labels)
            self.model.stop_training = self.passed
            self.seconds += time.perf_counter() - started

    return Watch()


def calls(given: argparse.Namespace) -> dict[str, Any]:
    """Times of both ways to ask a Keras network; the weights are untrained, which takes as long."""
    model = network()
    model.save(given.model)
    images, _ = arrays(given.data, "test")
    ways = {
        "model.predict": lambda batch: model.predict(batch, batch_size=256, verbose=0),
        "model(x)": lambda batch: [_called(model, batch[n : n + 256]) for n in range(0, len(batch), 256)],
    }
    return {"measures": {name: _times(way, images, given.calls) for name, way in ways.items()}}


def _called(model: Any, batch: Any) -> Any:
    """Probabilities (N, 10) as an array, out of a call of the model itself."""
    import keras

    return keras.ops.convert_to_numpy(model(batch))


def _times(way: Any, images: Any, count: int) -> dict[str, float]:
    """Milliseconds of one image, median; images a second of all of them, median of three passes."""
    way(images[:1])
    one = statistics.median(repeat(lambda: way(images[:1]), repeat=count, number=1))
    way(images)
    batch = statistics.median(repeat(lambda: way(images), repeat=3, number=1))
    return {"milliseconds": 1000 * one, "images_per_second": len(images) / batch}


def one(given: argparse.Namespace) -> dict[str, Any]:
    """Read one picture as a new process."""
    import keras

    tf: Any = importlib.import_module("tensorflow")  # where it is not installed, type checkers need not know it

    pixels = tf.io.decode_png(tf.io.read_file(given.picture), channels=1)
    batch = np.asarray(pixels, "float32")[None] / 255
    return {"digit": int(keras.models.load_model(given.model).predict(batch, verbose=0).argmax())}


def versions() -> dict[str, str]:
    """Of Python, Keras and the engine."""
    import keras

    engine = sys.modules[keras.backend.backend()]
    return {"python": platform.python_version(), "keras": keras.__version__, engine.__name__: engine.__version__}


def main() -> None:
    """Do what is asked for and print what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=("train", "calls", "one"))
    for name in ("--data", "--model", "--picture"):
        parser.add_argument(name)
    parser.add_argument("--engine", default="tensorflow")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--until", type=float, default=0.99)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--calls", type=int, default=100)
    given = parser.parse_args()
    os.environ["KERAS_BACKEND"] = given.engine
    found = {"train": train, "calls": calls, "one": one}[given.task](given)
    print(json.dumps({**found, "versions": versions()}))


if __name__ == "__main__":
    main()
