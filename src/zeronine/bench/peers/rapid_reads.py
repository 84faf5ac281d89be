"""RapidOCR on pictures: for each a line of JSON with its texts in reading order and the seconds; for ``bench.read``."""

import json
import logging
import sys
import time

from rapidocr import RapidOCR  # type: ignore[import-not-found,unused-ignore]


def main() -> None:
    """Read the pictures that are named on standard input, one on a line; with ``--line`` each as one line of text."""
    logging.disable(logging.CRITICAL)
    engine = RapidOCR()
    whole = {"use_det": False, "use_cls": False} if "--line" in sys.argv else {}
    for name in sys.stdin.read().splitlines():
        started = time.perf_counter()
        result = engine(name, **whole)
        seconds = time.perf_counter() - started
        texts = list(result.txts or ())
        print(json.dumps({"image": name, "texts": texts, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
