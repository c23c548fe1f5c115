"""Convolution and max pooling against plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pocketnn.arith import Lockstep, Reference, Role, Vector
from pocketnn.conv import Conv2d, ImageShape
from pocketnn.errors import ShapeError
from pocketnn.machine import Machine


def correlate(image, filters, bias, padding, stride):
    """Sums by the formula: the window always moves by 1, the stride only changes how many positions there are."""
    channels, height, width = image.shape
    count, _, kh, kw = filters.shape
    padded = np.zeros((channels, height + 2 * padding, width + 2 * padding), int)
    padded[:, padding : padding + height, padding : padding + width] = image
    rows = (height + 2 * padding - kh) // stride + 1
    columns = (width + 2 * padding - kw) // stride + 1
    return np.array(
        [
            [
                [int((padded[:, y : y + kh, x : x + kw] * filters[f]).sum()) + int(bias[f]) for x in range(columns)]
                for y in range(rows)
            ]
            for f in range(count)
        ]
    )


def pooled(maps, ph, pw):
    count, rows, columns = maps.shape
    return np.array(
        [
            [
                [maps[f, y * ph : (y + 1) * ph, x * pw : (x + 1) * pw].max() for x in range(columns // pw)]
                for y in range(rows // ph)
            ]
            for f in range(count)
        ]
    )


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 2), st.integers(3, 6), st.integers(3, 7), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3),
    st.integers(0, 2), st.integers(1, 2), st.tuples(st.integers(1, 2), st.integers(1, 2)), st.integers(0, 99),
)  # fmt: skip
def test_equals_plain_loops(channels, height, width, count, kh, kw, padding, stride, pool, seed):
    rng = np.random.default_rng(seed)
    images = rng.integers(-9, 10, (2, channels, height, width))
    filters, bias = rng.integers(-9, 10, (count, channels, kh, kw)), rng.integers(-9, 10, count)
    expected = [correlate(image, filters, bias, padding, stride) for image in images]
    m = Machine(Lockstep(Reference(), Vector(measure=True)))
    shape = ImageShape(channels, height, width)
    if expected[0].shape[1] < pool[0] or expected[0].shape[2] < pool[1]:
        with pytest.raises(ShapeError, match="do not fit"):
            Conv2d(m, shape, filters, [bias], "as_is", padding, stride, pool)
        return
    conv = Conv2d(m, shape, filters, [bias], "as_is", padding, stride, pool)
    output = conv.forward(m.load(images.reshape(2, -1), Role.INPUT)).ints()
    for ours, maps in zip(output, expected, strict=True):
        assert np.array_equal(ours, pooled(maps, *pool).reshape(-1))


@pytest.mark.parametrize("filters", [np.ones((1, 2, 2, 2), int), np.ones((2, 2), int)])
def test_filters_of_another_shape(filters):
    with pytest.raises(ShapeError, match="filters x channels x rows x columns"):
        Conv2d(Machine(), ImageShape(1, 4, 4), filters, [[0]])
