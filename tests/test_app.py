"""What is refused before an executable is built; ``tests/app.py`` builds and starts one."""

import importlib.util
from pathlib import Path

import pytest

from zeronine.errors import MissingExtra, ModelError
from zeronine.share.app import build

pytest.importorskip("PyInstaller", reason="needs the extra app")


@pytest.mark.parametrize("model", ["none", "network.h5"])
def test_only_a_model_folder_goes_into_an_executable(model: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="zeronine export"):
        build(tmp_path, model)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"zeronine\[app\]"):
        build(tmp_path, "standard_v1")
