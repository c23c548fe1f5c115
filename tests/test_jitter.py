"""Jitter: the index tables against NumPy's slicing, and what cannot be shifted."""

import numpy as np
import pytest

from pocketnn.arith import Role
from pocketnn.errors import UsageError
from pocketnn.init import Rand
from pocketnn.jitter import Jitter, shifted
from pocketnn.machine import Machine


@pytest.mark.parametrize("down", [-4, -1, 0, 2])
@pytest.mark.parametrize("right", [-2, 0, 1, 5])
def test_a_table_moves_the_image(down, right):
    image = np.arange(1, 26).reshape(5, 5)
    m = Machine()
    moved = m.gather(m.load(image.reshape(1, -1), Role.INPUT), shifted(5, down, right), Role.INPUT)
    wide = np.zeros((15, 15), int)
    wide[5 + down : 10 + down, 5 + right : 10 + right] = image
    assert np.array_equal(moved.ints().reshape(5, 5), wide[5:10, 5:10])


def test_every_shift_comes_up_and_follows_the_generator():
    jitter, again = Jitter(64, 1, Rand(3)), Rand(3)
    drawn = [jitter.draw() for _ in range(300)]
    assert drawn == [jitter.tables[again.uniform(0, 8)] for _ in range(300)]
    assert set(drawn) == {shifted(8, down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)}


@pytest.mark.parametrize(("pixels", "reach", "words"), [(12, 1, "square"), (9, 3, "jitter is 3")])
def test_what_cannot_be_shifted(pixels, reach, words):
    with pytest.raises(UsageError, match=words):
        Jitter(pixels, reach, Rand())
