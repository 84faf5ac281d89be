"""The same network as ours in PyTorch, eager, as whoever trained it would ask it; the weights are untrained."""

import argparse
import json
import platform
import statistics
from pathlib import Path
from timeit import repeat

import numpy as np
import torch

from zeronine.train.loop import untrained

BATCH = 256


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--card", required=True)
    parser.add_argument("--calls", type=int, default=1000)
    given = parser.parse_args()
    card = json.loads(Path(given.card).read_text(encoding="utf-8"))
    network = untrained(card["recipe"], card["settings"], len(card["classes"])).eval()
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with np.load(given.data) as stored:
        images = torch.from_numpy(stored["x_test"]).float().div(255).unsqueeze(1)
    images = images.contiguous(memory_format=torch.channels_last)

    def every() -> list[torch.Tensor]:
        return [network(part).softmax(1) for part in images.split(BATCH)]

    with torch.inference_mode():
        network(images[:1])
        one = statistics.median(repeat(lambda: network(images[:1]).softmax(1).numpy(), repeat=given.calls, number=1))
        every()
        seconds = statistics.median(repeat(every, repeat=3, number=1))
    measures = {"network(x)": {"milliseconds": 1000 * one, "images_per_second": len(images) / seconds}}
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    print(json.dumps({"measures": measures, "threads": torch.get_num_threads(), "versions": versions}))


if __name__ == "__main__":
    main()
