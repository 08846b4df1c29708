"""Every column keeps its place whatever the words are made of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from db.records import JobRecord
from recipes.home import Home
from tests.tui.conftest import read
from tests.tui.fill import NOW
from tui.cells import ending, fit, fold
from tui.widgets.job_columns import cells, fitting
from tui.widgets.job_summary import describe

CAT, FACE, ACCENT = "猫と犬の画像", "😀", "e\u0301"
WORDS = st.lists(st.sampled_from([*"ab -", *CAT, FACE, ACCENT]), max_size=40).map("".join)


@settings(max_examples=60, deadline=None)
@given(text=WORDS, width=st.integers(0, 30), right=st.booleans())
def test_cut_or_padded_text_has_its_width(text: str, width: int, right: bool) -> None:
    assert cell_len(fit(text, width, right)) == width
    assert cell_len(ending(text, width)) <= width
    if cell_len(text) <= width:
        assert fit(text, width).strip() == text.strip()
        assert ending(text, width) == text


@settings(max_examples=60, deadline=None)
@given(text=WORDS, width=st.integers(2, 30))
def test_folding_loses_no_word_and_keeps_to_the_width(text: str, width: int) -> None:
    lines = fold(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("words", [CAT * 5, FACE * 30, ACCENT * 20, CAT])
@pytest.mark.parametrize("width", [40, 78, 118, 198])
def test_figures_of_the_list_stand_below_one_another(home: Home, words: str, width: int) -> None:
    plain = read(home, 2)
    busy = replace(plain, phase="preparing", message=f"{words} 120/720", name=words, stage=None, eta_seconds=None)
    jobs = [replace(plain, name=words, data=f"/data/{words}"), plain, busy, replace(busy, message=words)]
    columns = fitting(width, jobs)
    rows = [cells(job, NOW, columns) for job in jobs]
    assert len({cell_len("".join(row)) for row in rows}) == 1
    best = [column.key for column, _ in columns].index("best") if width > 40 else 0
    assert len({cell_len("".join(row[:best])) for row in rows}) == 1


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_the_header_of_a_job_keeps_to_the_width_and_says_why_it_failed(home: Home, width: int) -> None:
    job: JobRecord = replace(read(home, 5), name=CAT * 20, failure_message=CAT, failure_hint=FACE * 4)
    lines = describe(job, NOW, {}, width).plain.splitlines()
    assert all(cell_len(line) <= width for line in lines)
    assert CAT in lines
    assert FACE * 4 in lines
