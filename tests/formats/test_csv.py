"""Our table of masks after people sorted it and spreadsheets saved it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anymask.errors import InputError
from anymask.formats.datasets import read_dataset
from anymask.formats.registry import find_format
from anymask.formats.skipped import collect_skipped
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord
from tests.support.mask_shapes import disc


def sets() -> list[MaskSet]:
    """Twelve masks, so that 10 and 11 come after 9 and not after 1, and an image without masks."""
    masks = [Mask.from_array(disc(60, 80, 3 + n), label=f"tasse {n};é 😀", score=n / 16) for n in range(12)]
    return [
        MaskSet(masks, image=ImageRecord(80, 60, "b/1.jpg")),
        MaskSet([], image=ImageRecord(7, 5, "empty.jpg")),
        MaskSet(masks[:2], image=ImageRecord(80, 60, "a/1.jpg")),
    ]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    (path,) = find_format("csv").write_dataset(sets(), tmp_path_factory.mktemp("csv") / "masks.csv")  # type: ignore[misc]
    return list(csv.reader(io.StringIO(path.read_text("utf-8"))))


def assert_back(path: Path) -> None:
    back = {each.record: each for each in read_dataset(path)}
    assert len(back) == 3
    for before in sets():
        after = back[before.record]
        assert [(mask.label, mask.score) for mask in before] == [(mask.label, mask.score) for mask in after]
        assert all(np.array_equal(one.array, two.array) for one, two in zip(before, after, strict=True))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_rows_in_any_order(data: st.DataObject, rows: list[list[str]], tmp_path: Path) -> None:
    path = tmp_path / "masks.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([rows[0], *data.draw(st.permutations(rows[1:]))])
    assert_back(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_saved_by_a_spreadsheet(encoding: str, delimiter: str, rows: list[list[str]], tmp_path: Path) -> None:
    path = tmp_path / "masks.csv"
    score, photo = rows[0].index("score"), rows[0].index("photo")
    with path.open("w", newline="", encoding=encoding) as file:
        file.write(f"sep={delimiter}\r\n")
        table = csv.writer(file, delimiter=delimiter)
        for row in rows:
            row = list(row)
            row[score] = row[score] if delimiter == "," else row[score].replace(".", ",")
            row[photo] = row[photo].replace("/", "\\")
            table.writerow(row)
    assert_back(path)


def test_a_damaged_line_costs_its_mask_and_no_other(rows: list[list[str]], tmp_path: Path) -> None:
    """Excel cuts cells after 32,767 characters."""
    path = tmp_path / "masks.csv"
    cut, short, torn = [*rows[2][:-1], rows[2][-1][:4]], rows[3][:5], ["x.jpg", "no", "60", *rows[4][3:]]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([*rows[:2], cut, short, torn, *rows[5:]])
    with collect_skipped() as skipped:
        back = list(read_dataset(path))
    assert [len(each) for each in back] == [9, 0, 2]
    assert skipped.counts == {"broken line": 3}
    assert sorted(each.where for each in skipped.entries) == [f"{path}, line {line}" for line in (3, 4, 5)]
    with pytest.raises(InputError, match="line 4: broken line: it has 5 columns"), collect_skipped(strict=True):
        list(read_dataset(path))


@pytest.mark.parametrize("label", ["=1+2", "+1", "-1", "@SUM(A1)", "\tx", "'=x", "''-", "'plain", "plain=1", "'"])
def test_labels_and_names_are_no_formulas_of_spreadsheets(label: str, tmp_path: Path) -> None:
    masks = MaskSet([Mask.from_array(np.ones((2, 3), bool), label=label)], image=ImageRecord(3, 2, path="=a.jpg"))
    (path,) = find_format("csv").write(masks, tmp_path / "table.csv")
    (row,) = csv.DictReader(path.read_text().splitlines())
    assert row["photo"] == "'=a.jpg"
    assert row["label"][0] not in "=+-@\t\r"
    (again,) = read_dataset(path)
    assert again[0].label == label
    assert again.record.path == "=a.jpg"
