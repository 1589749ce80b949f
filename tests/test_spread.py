"""Seeds as dots beside their mean and the printed number."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run

from hinton06.report import replicas, spread
from hinton06.report.spread import Spread

RECORD = Path(__file__).parents[1] / "experiments" / "replicas" / "replicas.json"
ROWS = [
    Spread("net a", [120, 118, 131], 4.5, 122),
    Spread("$net b$ of a long name " * 3, [125.5], None, None),
]


def axes(rows: list[Spread], whose: str = "the chapter") -> Any:
    (found,) = spread.figure(rows, "test errors", whose).axes
    return found


def drawn(found: Any, marker: str) -> list[list[float]]:
    """The numbers of each line with a marker."""
    return [list(line.get_xdata()) for line in found.lines if line.get_marker() == marker]


def test_every_seed_is_a_dot_and_the_mean_a_diamond() -> None:
    found = axes(ROWS)
    assert drawn(found, ".") == [[118, 120, 131], [125.5]]
    assert drawn(found, "D") == [[123], [125.5]]
    assert drawn(found, "v") == [[122]]  # no mark where nothing is in print
    ends = [path.vertices[:, 0].tolist() for line in found.collections for path in line.get_paths()]
    assert ends == [[118.5, 127.5]]  # no interval of one seed
    assert found.get_xlabel() == "test errors"


def test_rows_stand_from_top_to_bottom_under_their_names() -> None:
    found = axes(ROWS)
    names = [label.get_text() for label in found.get_yticklabels()]
    assert names[0] == "net a"
    assert names[1].startswith(r"\$net b\$ of")
    assert max(map(len, names[1].splitlines())) <= 48
    low, high = found.get_ylim()
    assert low > 1
    assert high < 0
    for row, line in enumerate(line for line in found.lines if line.get_marker() == "."):
        assert ((row - 0.5 < line.get_ydata()) & (line.get_ydata() <= row)).all()


def test_the_legend_names_what_is_drawn() -> None:
    def legend(rows: list[Spread]) -> list[str]:
        (found,) = spread.figure(rows, "test errors", "the chapter").legends
        return [text.get_text() for text in found.get_texts()]

    both = ["one seed", "mean of all, with its 95 % interval"]
    assert legend(ROWS) == [*both, "the chapter"]
    assert legend(ROWS[1:]) == both


@pytest.mark.parametrize("count", [1, 2, 7, 60])
def test_no_dot_lies_on_another_and_none_floats(count: int) -> None:
    numbers = np.sort(np.random.default_rng(count).normal(size=count))
    heights, apart = spread.heaped(numbers, 0.3), 0.3
    levels = np.unique(heights)
    assert 0 <= heights.min() <= heights.max() <= 0.3
    for a, b in combinations(range(count), 2):
        assert heights[a] != heights[b] or numbers[b] - numbers[a] >= apart
    for dot, height in enumerate(heights):  # every lower level was taken
        for level in levels[levels < height]:
            below = numbers[:dot][heights[:dot] == level]
            assert numbers[dot] - below.max() < apart


def test_the_same_number_of_every_seed_is_one_heap() -> None:
    found = axes([Spread("net a", [7, 7, 7], 0, 7)])
    (line,) = (line for line in found.lines if line.get_marker() == ".")
    assert len(set(line.get_ydata())) == 3


def test_a_picture_is_the_same_for_the_same_numbers() -> None:
    pictures = [spread.drawn(ROWS, "test errors", "the chapter") for _ in range(2)]
    assert pictures[0] == pictures[1]
    assert pictures[0].startswith(b"\x89PNG")


def test_a_table_over_seeds_saves_its_numbers_as_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[Spread] = []

    def keep(found: list[Spread], measure: str, whose: str) -> bytes:
        assert (measure, whose) == ("test errors", "the chapter")
        rows.extend(found)
        return b"picture"

    monkeypatch.setattr(spread, "drawn", keep)
    result = run("replicas", str(RECORD), "--save", str(tmp_path))
    assert result.exit_code == 0
    assert (tmp_path / "replicas.png").read_bytes() == b"picture"
    table = replicas.table([RECORD])
    assert [row.name for row in rows] == [f"{r['network']}, {r['cases']:,}" for r in table.rows]
    for found, row in zip(rows, table.rows, strict=True):
        measured = row["test_errors"]
        assert found.numbers == list(measured["by_seed"].values())
        assert (found.half, found.printed) == (measured["mean_95_interval"], measured["chapter"])
    ((title, name, about),) = table.figures
    assert (title, name) == ("Table 1, seed by seed", "replicas.png")
    assert "dots" in about


def test_a_user_s_style_is_not_the_picture_s() -> None:
    import matplotlib as mpl  # noqa: PLC0415

    plain = spread.drawn(ROWS, "test errors", "printed")
    with mpl.rc_context({"lines.markersize": 40, "figure.facecolor": "red"}):
        assert spread.drawn(ROWS, "test errors", "printed") == plain
