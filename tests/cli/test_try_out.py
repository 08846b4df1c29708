"""Before training: the range test of `clf lr-find`, the learning rate of `clf recipes show --plot`, `clf memory`."""

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from core.checkpoint import save
from core.models import build
from recipes.sections import Model
from tests.cli.conftest import Clf

ROOT = Path(__file__).parents[2]
CLF = [sys.executable, "-c", "from tui.cli import main; main()"]
QUICK = ("--model", "test_resnet", "--image-size", "32", "--batch-size", "4", "--device", "cpu", "--steps", "12")
SMALL = (*QUICK, "--set", "model.pretrained=false", "--set", "data.workers=0", "--set", "schedule.warmup_epochs=0")


def cells(line: str) -> str:
    """What stands right of the axis on a line of a chart; empty for the lines below it."""
    return re.split(r"[│┤|+]", line, maxsplit=1)[1] if re.search(r"^[ \d.e+-]*[│┤|]|^ *[\d.e-]+\+", line) else ""


def curve(chart: str) -> list[int]:
    """By column of an ASCII chart the highest row the curve reaches there, counted from the top; -1 where it is not."""
    rows = [cells(line) for line in chart.splitlines()[1:]]
    rows = [row for row in rows if row and set(row) - set("-+")]
    width = max(map(len, rows))
    columns = ([row[at : at + 1] == "*" for row in rows] for at in range(width))
    return [column.index(True) if True in column else -1 for column in columns]


@pytest.fixture
def ascii_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts of 100 columns in which one sign, the asterisk, is the curve."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("tui.commands.plot.unicode", lambda: False)


def rate_chart(clf: Clf, *settings: str) -> str:
    words = [word for setting in settings for word in ("--set", setting)]
    said = clf("recipes", "show", "demo", "--plot", "--set", "run.epochs=20", *words)
    assert (said.code, said.err) == (0, "")
    return said.out


SHAPES = {
    "cosine": lambda at: falls(at) and len(set(at)) > 8,
    "onecycle": lambda at: at[0] > 5 and at.index(min(at)) in range(20, 40) and at[-1] > 10,
    "step": lambda at: falls(at) and len(levels(at)) >= 2,
    "multistep": lambda at: falls(at) and len(levels(at)) >= 2,
    "plateau": lambda at: len(set(at)) == 1,
    "constant": lambda at: len(set(at)) == 1,
}


def falls(rows: list[int]) -> bool:
    return all(before <= after for before, after in pairwise(rows)) and rows[0] < rows[-1]


def levels(rows: list[int]) -> set[int]:
    """The rows on which the curve stays for a tenth of the chart."""
    return {row for row in rows if rows.count(row) >= 9}


@pytest.mark.usefixtures("ascii_pipe")
@pytest.mark.parametrize("name", SHAPES)
def test_every_schedule_is_drawn_in_its_own_shape(clf: Clf, name: str) -> None:
    chart = rate_chart(clf, f"schedule.name={name}", "schedule.warmup_epochs=0", "schedule.step_epochs=8")
    rows = [row for row in curve(chart) if row >= 0]
    assert len(rows) > 80
    assert SHAPES[name](rows), chart
    assert "warm-up" not in chart


@pytest.mark.usefixtures("ascii_pipe")
@pytest.mark.parametrize("name", SHAPES)
def test_the_warm_up_is_drawn_before_every_schedule(clf: Clf, name: str) -> None:
    chart = rate_chart(clf, f"schedule.name={name}", "schedule.warmup_epochs=5", "schedule.step_epochs=8")
    assert "warm-up ends" in chart
    rows = [row for row in curve(chart) if row >= 0]
    end = chart.splitlines()[1].index("warm-up") - chart.splitlines()[1].index("|") - 2
    assert all(before >= after for before, after in pairwise(rows[: end - 1]))
    assert rows[0] - rows[end - 1] > 8, chart
    assert min(rows) == min(rows[end - 2 : end + 3])


@pytest.mark.usefixtures("ascii_pipe")
def test_each_stage_begins_its_own_schedule_where_its_name_stands(clf: Clf) -> None:
    said = clf(
        "recipes", "show", "two_stage", "--plot", "--set", "run.epochs=40", "--set", "stages.finetune.optim.lr=1e-3"
    )
    first = said.out.splitlines()[1]
    assert first.index("head") < first.index("finetune")
    rows = curve(said.out)
    begins = first.index("finetune") - first.index("|") - 2
    lowest = max(row for row in rows[: begins + 1] if row >= 0)
    assert min(rows[begins + 1 : begins + 20]) < lowest  # the rate rises again after the first stage's end


def test_a_rate_that_is_no_rate_is_refused_before_anything_is_drawn(clf: Clf) -> None:
    said = clf("recipes", "show", "demo", "--plot", "--set", "optim.lr=-1")
    assert said.code in (1, 2)
    assert said.out == ""
    assert "optim.lr" in said.err


def test_a_plain_pipe_gets_a_chart_without_escapes_and_in_its_own_characters(home: Path) -> None:
    words = ["recipes", "show", "demo", "--plot"]
    for encoding, sign in (("utf-8", "│"), ("ascii", "|")):
        environment = {
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PYTHONIOENCODING": encoding,
            "CLF_HOME": str(home),
        }
        said = subprocess.run([*CLF, *words], env=environment, capture_output=True, check=True)
        text = said.stdout.decode(encoding)
        assert sign in text
        assert "\x1b" not in text
        assert "?" not in text


def test_lr_find_draws_the_loss_and_suggests_a_rate_it_tried(clf: Clf, home: Path) -> None:
    said = clf("lr-find", "demo", *SMALL, "--batch-size", "16", "--steps", "30")
    assert said.code == 0, said.err
    assert said.out.startswith("loss by log10 of the learning rate")
    suggestion = re.search(r"^suggestion: --lr (\S+)$", said.out, re.MULTILINE)
    assert suggestion is not None
    assert 1e-4 < float(suggestion[1]) < 1.0
    assert "┊suggestion" in said.out  # where it lies on the curve
    assert "\x1b" not in said.out + said.err
    assert not list(home.rglob("*.pt"))
    assert not (home / "clf.db").exists()


def test_lr_find_starts_from_another_runs_weights(clf: Clf, tmp_path: Path) -> None:
    torch.manual_seed(5)
    body = build(Model(name="test_resnet", pretrained=False), 10, 32).body
    save({"weights": body.state_dict()}, tmp_path / "best.pt")
    fresh, started = clf("lr-find", "demo", *SMALL), clf("lr-find", "demo", *SMALL, "--init-from", "best.pt")
    assert started.code == 0, started.err
    assert started.err == ""
    assert started.out != fresh.out


def test_lr_find_names_what_of_the_weights_did_not_fit(clf: Clf, tmp_path: Path) -> None:
    save({"weights": build(Model(name="test_resnet", pretrained=False), 3, 32).body.state_dict()}, tmp_path / "x.pt")
    said = clf("lr-find", "demo", *SMALL, "--init-from", "x.pt")
    assert said.code == 0, said.err
    assert "warning: x.pt: fc.weight: shape (3," in said.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--init-from", "nobody"), 1, "no file nobody, and no job was ever queued"),
        (("--init-from", "other.pt"), 1, "nothing in"),
        (("--init-from", "text.pt"), 1, "not a weights file"),
        (("--data", "nowhere"), 1, "nowhere"),
        (("--steps", "3"), 2, "--steps"),
        (("--set", "optim.lrr=1"), 2, "optim.lrr"),
    ],
)
def test_lr_find_refuses_bad_words_in_two_lines(
    clf: Clf, tmp_path: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    save({"weights": {"nothing.here": torch.zeros(3)}}, tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text("no weights")
    said = clf("lr-find", "demo", *SMALL, *words)
    assert said.code == code, said.err
    assert message in said.err
    assert "suggestion" not in said.out
    assert len(said.err.splitlines()) <= 2


def test_lr_find_refuses_an_unreadable_image_by_name(clf: Clf, photos: Path) -> None:
    (photos / "dark" / "3.png").write_bytes(b"not a picture")
    said = clf("lr-find", "demo", "--data", str(photos), *SMALL)
    assert said.code == 1
    assert "3.png" in said.err


@pytest.mark.parametrize(
    ("words", "heading"),
    [
        (("--data", "photos"), "{photos}: 2 classes"),
        (("--data", "digits"), "digits: 10 classes"),
        (("--data", "food-101"), "food-101: 101 classes"),
        (("--classes", "7"), "7 classes"),
    ],
)
def test_memory_measures_a_classifier_for_the_data_that_is_named(
    clf: Clf, home: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], heading: str
) -> None:
    for image in photos.rglob("*.png"):
        image.write_bytes(b"never opened")
    monkeypatch.setattr("core.memory_table.CPU_LARGEST", 2)
    said = clf("memory", "demo", "--model", "test_resnet", "--image-size", "32", "--device", "cpu", *words)
    assert (said.code, said.err) == (0, "")
    first, _, *rows, last = said.out.splitlines()
    assert first == heading.format(photos=photos)
    assert last == "larger batches were not tried"
    assert [row.split()[:3] for row in rows] == [["test_resnet", "32", "1"], ["test_resnet", "32", "2"]]
    assert not list(home.glob("datasets/*"))


def test_memory_refuses_two_numbers_of_classes_and_a_folder_that_is_not_there(clf: Clf, photos: Path) -> None:
    both = clf("memory", "demo", "--data", str(photos), "--classes", "7")
    assert (both.code, both.out) == (2, "")
    assert "contradict" in both.err
    none = clf("memory", "demo", "--data", "nowhere/")
    assert (none.code, none.out) == (1, "")
    assert "nowhere" in none.err


def test_lr_find_and_recipes_show_say_what_they_do(clf: Clf) -> None:
    helped = clf("lr-find", "--help").out
    for word in ("--init-from", "--steps", "--data", "suggest"):
        assert word in helped
    assert "--plot" in clf("recipes", "show", "--help").out
