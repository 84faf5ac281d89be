"""What the shipped model says of known pictures: python tests/recorded.py writes ``recorded.json`` anew.

The pictures are our own and scikit-learn's digits, so that it runs everywhere; the answers may change only with the
model or the preprocessing, and then on purpose.
"""

import json
from pathlib import Path
from typing import Any

from zeronine import Reader, data
from zeronine.image import Source

HERE = Path(__file__).parent
RECORD = HERE / "recorded.json"
OPTDIGITS = 60


def pictures() -> dict[str, Source]:
    """Each known picture by name."""
    files = [*sorted((HERE.parent / "examples").glob("*-[0-9].*")), *sorted((HERE / "mistakes").glob("*.png"))]
    images = data.load("optdigits").test.images[:OPTDIGITS]
    return {path.name: path for path in files} | {
        f"optdigits test {index}": image for index, image in enumerate(images)
    }


def answers() -> dict[str, dict[str, Any]]:
    """What the shipped model says of each."""
    known = pictures()
    return {
        name: {"digit": said.digit, "reason": said.reason, "confidence": round(said.confidence, 4)}
        for name, said in zip(known, Reader().predict_many(known.values()), strict=True)
    }


if __name__ == "__main__":
    RECORD.write_text(json.dumps(answers(), indent=1) + "\n", encoding="utf-8")
