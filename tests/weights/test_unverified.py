"""Models whose files the user brings: known by name, with the way to get them, and checked once they are here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anymask import ModelError, WeightsError, weights
from anymask.weights.download import ensure


@pytest.mark.parametrize("name", ["owlvit-base", "owlv2-base"])
def test_asking_for_one_says_where_it_is_and_how_to_add_it(name: str) -> None:
    with pytest.raises(ModelError) as refusal:
        weights.find_model(name)
    line = str(refusal.value)
    assert line.count("https://") == 2
    assert f"anymask models add {name} model.onnx tokenizer.json --family {name.removesuffix('-base')}" in line
    assert "\n" not in line


def test_brought_files_become_a_model_that_notices_tampering(tmp_path: Path) -> None:
    files = [tmp_path / "model.onnx", tmp_path / "tokenizer.json"]
    for file in files:
        file.write_bytes(file.name.encode())
    entry = weights.add_model("owlv2-base", files, family="owlv2", weights_licence="Apache-2.0")
    assert weights.find_model("owlv2-base") == entry
    assert "text" in entry.capabilities
    assert list(ensure("owlv2-base").values()) == files
    files[0].write_bytes(b"another.on")
    with pytest.raises(WeightsError, match=r"model\.onnx is refused"):
        ensure("owlv2-base")


def test_models_without_sha256_stay_out_of_the_list_and_say_where_their_files_are() -> None:
    for name, model in weights.unpinned_models().items():
        assert name not in weights.all_models()
        assert all(url.startswith("https://") and url in model.how_to_add for url in model.urls.values())
        with pytest.raises(ModelError, match=f"^{re.escape(name)} "):
            weights.find_model(name)
