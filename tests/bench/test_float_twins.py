"""The floating-point twins learn, and back-propagation follows the true gradient."""

import pytest
from float_twins import train_float

from pocketnn.data import load_dataset


@pytest.mark.parametrize("algorithm", ["bp", "dfa"])
def test_a_twin_learns_the_digits(algorithm):
    dataset = load_dataset("digits")
    curve = train_float(dataset, (100, 50), algorithm, 15, 0.1, 1)
    assert len(curve) == 15
    assert curve[-1] > 0.8 * len(dataset.test.labels)
    assert curve == train_float(dataset, (100, 50), algorithm, 15, 0.1, 1)
