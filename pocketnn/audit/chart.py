"""Pictures drawn by matplotlib (extra `report`): a site's histogram and its course as inline SVG, and an input.

The colours drawn with are names in disguise, turned into the page's style variables afterwards, so that light, dark and
paper are the page's business. Nothing in a picture depends on time or chance: the same numbers give the same text.
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pocketnn.arith import MAX_BITS, Word
from pocketnn.audit.observe import Counts, Observations
from pocketnn.audit.text import compact
from pocketnn.machine import SiteKey

__all__ = ["course", "histogram", "image"]

# colours that nothing else has, and what they stand for in report.css
_BAR, _OVER, _BAND, _EDGE, _SOFT, _RULE, _INK = (f"#0102{n:02x}" for n in range(7))
_VARIABLES = {
    _BAR: "bar", _OVER: "corrupted", _BAND: "band", _EDGE: "accent", _SOFT: "soft", _RULE: "rule", _INK: "ink",
}  # fmt: skip
_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text, in the page's own font
    "svg.hashsalt": "pocketnn",
    "font.size": 8,
    "axes.edgecolor": _SOFT,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "xtick.bottom": False,  # numbers, but no marks: those would be shared definitions with names
    "ytick.left": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
_EDGE_LINE: dict[str, Any] = {"color": _EDGE, "linestyle": (0, (4, 3)), "linewidth": 1, "clip_on": False}
_EPOCHS = 12  # so many of them are named at most
_ROUND = 1  # decimals of a coordinate, in points
_DROPPED = (
    (r"<defs>\s*<style.*?</style>\s*</defs>", ""),  # is in report.css
    (r"<metadata>.*?</metadata>", ""),
    (r' id="[\w.]+_\d+"', ""),  # names of parts that nothing refers to, the same in every picture
    (r"font-family: [^;]*; ?", ""),
    (r" transform=\"rotate\(-0 [^)]*\)\"", ""),
    (r"-?\d+\.\d{2,}", lambda match: f"{float(match[0]):.{_ROUND}f}"),
    (r"\s*\n\s*", " "),
)


def _picture(name: str, draw: Callable[[Any], None]) -> str:
    """What `draw` draws on axes, as SVG; name: a text for those who do not see it."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    file = io.StringIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the user's own configuration says
        matplotlib.rcParams.update(_STYLE)
        figure = Figure(figsize=(3.3, 1.4))
        draw(figure.add_axes((0.1, 0.18, 0.88, 0.7)))
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(file, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = file.getvalue()
    for pattern, replacement in _DROPPED:
        text = re.sub(pattern, replacement, text, flags=re.DOTALL)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    view, body = re.search(r'<svg [^>]*viewBox="([^"]*)"[^>]*>(.*)', text).groups()  # type: ignore[union-attr]
    return f'<svg viewBox="{view}" role="img"><title>{name}</title>{body}'


def histogram(counts: Counts, bits: int, word: int) -> str:
    """How many results need how many bits, on a logarithmic scale; the boundary of a word of `word` bits is drawn.

    bits: what the site needs in any order of summation, marked below the axis.
    """
    used, most = [int(b) for b in counts.nonzero()[0]], int(counts.max())
    last = min(MAX_BITS, max(used[-1] if used else 1, bits, word) + 1)
    wrong = int(counts[word + 1 :].sum())
    said = "; ".join(f"{int(counts[b]):,} need {b}" for b in used)
    name = f"Results by the bits they need: {said}. {wrong:,} are beyond a word of {word} bits."

    def draw(axes: Any) -> None:
        axes.set_yscale("log")
        colours = [_OVER if b > word else _BAR for b in used]
        axes.bar(used, [int(counts[b]) - 0.5 for b in used], 0.8, 0.5, color=colours, clip_on=False)
        axes.set_xlim(0.4, last + 0.6)
        axes.set_ylim(0.5, max(10, 2 * most))
        powers = [(1000**n, f"1{unit}") for n, unit in enumerate(("", "k", "M", "G", "T")) if 1000**n <= most]
        axes.set_yticks([power for power, _ in powers], [name for _, name in powers])
        axes.set_yticks([], minor=True)
        axes.set_xticks(range(4, last + 1, 4))
        at = axes.get_xaxis_transform()
        axes.text(bits, 0.01, "\N{BLACK UP-POINTING TRIANGLE}", color=_INK, transform=at, ha="center", va="top", size=6)
        edge, left = word + 0.5, word > last / 2
        axes.axvline(edge, ymax=1.1, **_EDGE_LINE)
        label = f"{word}-bit word" + (f", {compact(wrong)} beyond" if wrong else "")
        axes.annotate(
            label, (edge, 1.04), (-3 if left else 3, 0), ("data", "axes fraction"), "offset points",
            ha="right" if left else "left", color=_EDGE,
        )  # fmt: skip

    return _picture(name, draw)


def course(seen: Observations, site: SiteKey, word: int) -> str:
    """The range of a site's results over the run, in signed bits; the boundaries of a word of `word` bits are drawn."""
    points = seen.course(site)
    lo, hi = min(p.lo for p in points), max(p.hi for p in points)
    reach = max(word, Word.holding(lo, hi))
    ends = [tick for p in points for tick in (p.tick, p.tick + seen.width)]
    lower, upper = ([_signed_bits(value) for p in points for value in (p[i], p[i])] for i in (1, 2))  # lo, hi
    starts = [(tick, epoch) for tick, phase, epoch in seen.marks if phase == "train"]
    name = f"Smallest and largest result over the run, in all {lo:,} to {hi:,}, against a word of {word} bits."

    def draw(axes: Any) -> None:
        axes.fill(ends + ends[::-1], lower + upper[::-1], facecolor=_BAND, edgecolor=_BAR, linewidth=0.7, clip_on=False)
        axes.axhline(0, color=_SOFT, linewidth=0.6, clip_on=False)
        for sign in (-1, 1):
            axes.axhline(sign * (word - 1), **_EDGE_LINE)
        corner = ("axes fraction", "data")
        axes.annotate(f"{word}-bit word", (1, word - 1), (0, 2), corner, "offset points", ha="right", color=_EDGE)
        for tick, _ in starts:
            axes.axvline(tick, color=_RULE, linewidth=0.8, zorder=0, clip_on=False)
        named = starts[:: max(1, -(-len(starts) // _EPOCHS))]
        names = [f"epoch {epoch}" if epoch == 1 else str(epoch) for _, epoch in named]
        axes.set_xticks([tick for tick, _ in named], names, ha="left")
        axes.set_yticks([-(word - 1), 0, word - 1])
        axes.set_xlim(0, max(ends[-1], 1))
        axes.set_ylim(-1.05 * reach, 1.05 * reach)

    return _picture(name, draw)


def image(pixels: Sequence[int]) -> str:
    """Pixels as a grey picture, the smallest black: a square if they make one, else a single row."""
    from matplotlib.image import imsave

    side = math.isqrt(len(pixels))
    shape = (side, side) if side * side == len(pixels) else (1, len(pixels))
    file = io.BytesIO()
    imsave(file, np.array(pixels).reshape(shape), cmap="gray", format="png", metadata={"Software": ""})
    data = base64.b64encode(file.getvalue()).decode()
    name = f"{len(pixels)} pixels from {min(pixels)} to {max(pixels)}"
    return f'<img class="input" alt="{name}" src="data:image/png;base64,{data}">'


def _signed_bits(value: int) -> int:
    """The bits of a value beside its sign, with its sign."""
    bits = Word.holding(value, value) - 1
    return -bits if value < 0 else bits
