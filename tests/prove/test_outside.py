"""An outside prover on C: Frama-C's Eva must find in a generated layer what the certificate says of it."""

from __future__ import annotations

import re
import shutil
import subprocess

import numpy as np
import pytest

from pocketnn.arith import Overflow
from pocketnn.audit import Target
from pocketnn.machine import Widths
from pocketnn.prove import prove_inference
from pocketnn.recipe import Recipe
from pocketnn.saved import Saved

pytestmark = pytest.mark.mcu

INPUTS, OUTPUTS = 12, 3


@pytest.fixture
def eva():
    if shutil.which("frama-c") is None:
        pytest.skip("frama-c is not installed (Debian: frama-c-base)")


def layer(weights, biases, lo, hi, bits):
    """C99 of the layer: products and sums in `bits`-bit registers, inputs anywhere in lo..hi."""
    rows = [f"{{{', '.join(map(str, column))}}}" for column in weights.T.tolist()]
    register = f"int{bits}_t"
    return f"""
#include "__fc_builtin.h"
#include <stdint.h>
static const int32_t w[{OUTPUTS}][{INPUTS}] = {{{", ".join(rows)}}};
static const int32_t b[{OUTPUTS}] = {{{", ".join(map(str, biases[0].tolist()))}}};
int main(void) {{
  int32_t x[{INPUTS}];
  for (int k = 0; k < {INPUTS}; k++) x[k] = Frama_C_interval({lo}, {hi});
  for (int j = 0; j < {OUTPUTS}; j++) {{
    {register} sum = 0;
    for (int k = 0; k < {INPUTS}; k++) {{
      {register} product = ({register})(w[j][k] * x[k]);
      sum = ({register})(sum + product);
    }}
    Frama_C_show_each_sum(sum);
    sum = ({register})(sum + b[j]);
  }}
  return 0;
}}
"""


def analyse(path, source):
    """Number of alarms, and the least and the greatest sum before the bias, over all neurons."""
    path.write_text(source)
    command = ["frama-c", "-eva", "-warn-signed-downcast", "-eva-slevel", "10000", str(path)]
    text = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True).stdout
    assert "ANALYSIS SUMMARY" in text
    alarms = len(re.findall(r"\[eva:alarm\]", text))
    shown = re.findall(r"Frama_C_show_each_sum:\s*(?:\[(-?\d+)\.\.(-?\d+)\]|\{(-?\d+)\})", text)
    ends = [(int(lo or one), int(hi or one)) for lo, hi, one in shown]
    return alarms, (min(lo for lo, _ in ends), max(hi for _, hi in ends))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("bits", "reach"), [(8, 1), (8, 3), (16, 15), (16, 40), (32, 20000), (32, 2000000)])
def test_eva_agrees(eva, tmp_path, bits, reach, seed):
    """Whether anything can overflow, and where nothing can the exact range, on safe and on unsafe widths."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-reach, reach + 1, (INPUTS, OUTPUTS))
    biases = rng.integers(-2, 3, (1, OUTPUTS))
    hi = 7 if bits == 8 else 255
    saved = Saved({"fcLast_weight": weights, "fcLast_bias": biases}, Recipe((), "as_is"))
    certificate = prove_inference(saved, (0, hi), Target(Widths.of(48, bits), Overflow.WRAP))
    sums = {site.site: site for site in certificate.sites}
    fits = sums["fcLast.forward.mac"].fits and sums["fcLast.forward.add"].fits
    alarms, ends = analyse(tmp_path / "layer.c", layer(weights, biases, 0, hi, bits))
    assert (alarms == 0) == fits
    if fits:
        span = sums["fcLast.forward.mac"].span
        assert ends == (span.lo, span.hi)
