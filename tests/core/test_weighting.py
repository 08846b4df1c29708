"""Classes of unequal size: weights from counts, from a file, and the prior."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from core.class_weights import read_class_weights
from core.manifest import Manifest
from core.weighting import class_weights, log_prior
from recipes.errors import ConfigurationError
from recipes.sections import Balance, Data

LABELS = (0,) * 12 + (1,) * 3 + (2,) * 6
MANIFEST = Manifest(
    Path(), ("a", "b", "c"), tuple(map(str, range(26))), (*LABELS, 1, 1, 1, 1, 1), ("train",) * 21 + ("val",) * 5
)


def test_balance_weights_are_scikit_learns_of_the_training_split_and_sqrt_their_root() -> None:
    expected = compute_class_weight("balanced", classes=np.arange(3), y=np.array(LABELS))
    for balance, weights in ((Balance.WEIGHTS, expected), (Balance.SQRT, np.sqrt(expected))):
        ours = class_weights(Data(balance=balance), MANIFEST)
        assert ours is not None
        assert ours.tolist() == pytest.approx(weights.tolist())


def test_the_prior_is_the_share_of_each_class_and_only_for_logit_adjustment() -> None:
    prior = log_prior(Data(balance=Balance.LOGIT_ADJUST), MANIFEST)
    assert prior is not None
    assert prior.exp().tolist() == pytest.approx([12 / 21, 3 / 21, 6 / 21])
    assert log_prior(Data(balance=Balance.WEIGHTS), MANIFEST) is None
    assert class_weights(Data(), MANIFEST) is None


def test_a_file_gives_the_weights_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "weights.csv"
    path.write_text("class,weight\nc,3\na,1\nb,0.5\n")
    ours = class_weights(Data(class_weights=str(path)), MANIFEST)
    assert ours is not None
    assert ours.tolist() == [1.0, 0.5, 3.0]


def test_a_file_and_a_balance_multiply(tmp_path: Path) -> None:
    path = tmp_path / "weights.csv"
    path.write_text("class,weight\na,2\nb,1\nc,0\n")
    balanced = compute_class_weight("balanced", classes=np.arange(3), y=np.array(LABELS))
    ours = class_weights(Data(class_weights=str(path), balance=Balance.WEIGHTS), MANIFEST)
    assert ours is not None
    assert ours.tolist() == pytest.approx((balanced * [2, 1, 0]).tolist())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name,weight\na,1\n", "class,weight"),
        ("class,weight\na,1\nb,1\n", "no weight for class 'c'"),
        ("class,weight\na,1\na,1\nb,1\nc,1\n", "occurs twice"),
        ("class,weight\na,1\nb,much\nc,1\n", "line 3: weight 'much'"),
        ("class,weight\na,1\nb,-1\nc,1\n", "line 3: weight '-1'"),
        ("class,weight\na,1\nb,nan\nc,1\n", "line 3: weight 'nan'"),
        ("class,weight\na,1\nb,inf\nc,1\n", "line 3: weight 'inf'"),
        ("class,weight\na,1\nb\nc,1\n", "line 3: weight 'None'"),
        ("class,weight\na,1\nbb,1\nc,1\n", "no class named 'bb'"),
        ("class,weight\na,0\nb,0.0\nc,0\n", "every weight is 0"),
        pytest.param(f"class,weight\na,{'1' * 200_000}\n", "cannot read class weights", id="an endless field"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_the_place(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "weights.csv"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_class_weights(path, MANIFEST.classes)
    assert reason in caught.value.message


def test_names_are_read_however_a_spreadsheet_or_a_mac_wrote_them(tmp_path: Path) -> None:
    """A byte order mark, Windows' line ends, quotes around a comma, spaces, and an accent as a letter of its own."""
    path = tmp_path / "weights.csv"
    path.write_bytes('\ufeffclass,weight\r\n"tea, green", 2 \r\n cafe\u0301 ,0\r\n'.encode())
    assert read_class_weights(path, ("caf\u00e9", "tea, green")) == [0.0, 2.0]
