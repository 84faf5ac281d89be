"""RapidOCR on pictures: for each a line of JSON with its texts in reading order and the seconds; for ``bench.read``."""

import json
import logging
import sys
import time

from rapidocr import RapidOCR  # type: ignore[import-not-found,unused-ignore]


def main() -> None:
    """Read the pictures that are named on standard input, one on a line."""
    logging.disable(logging.CRITICAL)
    engine = RapidOCR()
    for name in sys.stdin.read().splitlines():
        started = time.perf_counter()
        result = engine(name)
        seconds = time.perf_counter() - started
        texts = list(result.txts or ())
        boxes = [] if result.boxes is None else [[[float(x), float(y)] for x, y in box] for box in result.boxes]
        print(json.dumps({"image": name, "texts": texts, "boxes": boxes, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
