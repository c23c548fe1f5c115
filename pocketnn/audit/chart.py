"""Small SVG pictures of one site, and of the accuracy: drawn from whole numbers, styled by the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pocketnn.arith import MAX_BITS, MIN_BITS, Word
from pocketnn.audit.observe import Counts, Observations
from pocketnn.audit.verdict import SiteVerdict, Verdict

__all__ = ["course", "histogram", "ladder"]

_WIDTH, _HEIGHT = 320, 132
_LEFT, _RIGHT, _TOP, _BOTTOM = 8, 8, 16, 18


def _svg(label: str, parts: Sequence[str], height: int = _HEIGHT) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{text}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def histogram(counts: Counts, bits: int, word: int) -> str:
    """How many results need how many bits, on a logarithmic scale; the boundary of a word of `word` bits is drawn.

    bits: what the site needs in any order of summation, marked below the axis.
    """
    used = [int(b) for b in counts.nonzero()[0]]
    last = min(MAX_BITS, max(used[-1] if used else 1, bits, word) + 1)
    step = (_WIDTH - _LEFT - _RIGHT) / last
    floor, room = _HEIGHT - _BOTTOM, _HEIGHT - _BOTTOM - _TOP - 10
    top = math.log10(max(int(counts.max()), 1)) + 1
    parts = []
    for b in used:
        height = room * (math.log10(int(counts[b])) + 1) / top
        x = _LEFT + (b - 1) * step
        kind = "bar over" if b > word else "bar"
        parts.append(
            f'<rect x="{x + 0.5:.1f}" y="{floor - height:.1f}" width="{max(step - 1, 1):.1f}" height="{height:.1f}" '
            f'class="{kind}"><title>{int(counts[b]):,} results need {b} bits</title></rect>'
        )
    parts.append(_line(_LEFT, floor, _WIDTH - _RIGHT, floor, "axis"))
    parts += [_text(_LEFT + (b - 0.5) * step, floor + 12, str(b), "tick") for b in range(1, last + 1) if b % 4 == 0]
    edge = _LEFT + word * step
    wrong = int(counts[word + 1 :].sum())
    beyond = f", {wrong:,} results beyond" if wrong else ""
    anchor = "end" if edge > _WIDTH / 2 else "start"
    parts.append(_line(edge, 6, edge, floor, "edge"))
    parts.append(_text(edge + (-4 if anchor == "end" else 4), 12, f"{word}-bit word{beyond}", "edge", anchor))
    need = _LEFT + (bits - 0.5) * step
    parts.append(f'<path d="M{need:.1f} {floor + 1} l4 6 h-8 z" class="need"><title>needs {bits} bits</title></path>')
    return _svg(f"Results by the bits they need; the word has {word}", parts)


def course(seen: Observations, site: str, word: int) -> str:
    """The range of a site's results over the run, in signed bits; the boundaries of a word of `word` bits are drawn."""
    points = seen.course(site)
    reach = max([word, *(Word.holding(p.lo, p.hi) for p in points)])
    last = max(points[-1].tick + seen.width, 1)
    middle = (_HEIGHT - _BOTTOM + 6) / 2
    scale = (middle - 10) / reach

    def across(tick: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * tick / last

    def down(value: int) -> float:
        bits = Word.holding(value, value) - 1
        return middle + (bits * scale if value < 0 else -bits * scale)

    steps = [(across(p.tick), across(p.tick + seen.width), down(p.hi), down(p.lo)) for p in points]
    upper = [f"{x:.1f},{hi:.1f} {end:.1f},{hi:.1f}" for x, end, hi, _ in steps]
    lower = [f"{end:.1f},{lo:.1f} {x:.1f},{lo:.1f}" for x, end, _, lo in reversed(steps)]
    parts = [f'<polygon points="{" ".join(upper + lower)}" class="band"/>']
    for tick, phase, epoch in seen.marks:
        if phase == "train":
            parts.append(_line(across(tick), 8, across(tick), _HEIGHT - _BOTTOM, "epoch"))
            parts.append(
                _text(across(tick) + 2, _HEIGHT - 6, f"epoch {epoch}" if epoch == 1 else str(epoch), "tick", "start")
            )
    parts.append(_line(_LEFT, middle, _WIDTH - _RIGHT, middle, "axis"))
    for sign in (-1, 1):
        y = middle + sign * (word - 1) * scale
        parts.append(_line(_LEFT, y, _WIDTH - _RIGHT, y, "edge"))
    parts.append(_text(_WIDTH - _RIGHT, middle - (word - 1) * scale - 3, f"{word}-bit word", "edge", "end"))
    return _svg(f"Smallest and largest result over the run against a word of {word} bits", parts)


def ladder(site: SiteVerdict, words: Sequence[int]) -> str:
    """A strip of all widths from 2 to 48 bits: what the exact run says of each; ticks at `words`."""
    step = 3
    kinds = {Verdict.SAFE: "safe", Verdict.TRANSIENT: "transient", Verdict.CORRUPTED: "corrupted"}
    parts, start = [], MIN_BITS
    for bits in range(MIN_BITS, MAX_BITS + 1):
        if bits == MAX_BITS or site.at_width(bits + 1) is not site.at_width(bits):
            kind = kinds[site.at_width(bits)]
            parts.append(
                f'<rect x="{(start - MIN_BITS) * step}" y="2" width="{(bits + 1 - start) * step}" height="10" '
                f'class="strip {kind}"><title>{start} to {bits} bits: {site.at_width(bits).value}</title></rect>'
            )
            start = bits + 1
    parts += [_line((w - MIN_BITS) * step, 0, (w - MIN_BITS) * step, 14, "edge") for w in words]
    total = (MAX_BITS + 1 - MIN_BITS) * step
    label = f'role="img" aria-label="needs {site.bits} bits"'
    return f'<svg viewBox="0 0 {total} 14" class="ladder" {label}>{"".join(parts)}</svg>'
