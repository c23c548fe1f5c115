"""The HTML report: in a real browser without an error, self-contained, and with the planted overflow on it."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from tiny import blobs

from pocketnn.arith import INT16, Overflow, Reference, Role, Word
from pocketnn.audit import Subject, Target, Training, as_html, audit_source
from pocketnn.audit import html as html_module
from pocketnn.cli import main
from pocketnn.errors import UsageError
from pocketnn.machine import Machine, Widths
from pocketnn.recipe import Recipe
from pocketnn.scores import Scores

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt install chromium)")

PLANTED = (3, 141)


class Planted:
    """A matrix product in which one element of a thousand needs 17 bits."""

    subject = Subject("planted <b>&\"'", "one overflow in 4 x 250 results")
    recording = None

    def run(self, machine: Machine, progress=None) -> Scores:
        m = machine.scope("layer")
        weights = np.ones((8, 250), int)
        weights[:, PLANTED[1]] = 40
        rows = np.ones((4, 8), int)
        rows[PLANTED[0]] = 110
        for step in range(3):
            machine.now("train", 1, step + 1)
            m.mac(m.load(rows, Role.INPUT), m.load(weights, Role.WEIGHT, "weights"))
        return Scores((), 0, 0, 0, 0)


@pytest.fixture(scope="module")
def planted():
    return audit_source(Planted(), [Target(Widths(INT16), Overflow.WRAP)], (16, 32), observe=True)


@pytest.fixture(scope="module")
def trained():
    source = Training(blobs(120), Recipe((9,), epochs=2, batch=5, lr_inv=50))
    return audit_source(source, [Target(Widths(INT16), Overflow.WRAP)], observe=True)


def browse(tmp_path, page):
    """The page's document after its scripts have run, and what the browser's console says."""
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0",
        f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return result.stdout, [line for line in result.stderr.splitlines() if "CONSOLE" in line]


@needs_chromium
def test_the_planted_overflow_is_on_the_page_and_the_console_is_silent(planted, tmp_path):
    document, console = browse(tmp_path, as_html(planted))
    assert console == []
    assert "Overflows: results are wrong." in document
    assert 'id="site-layer.mac-mac-accumulator"' in document
    assert f"layer.mac[{PLANTED[0]}, {PLANTED[1]}]" in document
    assert ">16-bit word, 3 beyond</text>" in document  # in the histogram, one a step
    (picture,) = re.findall(r"<svg[^>]*><title>[^<]*; 3 need 17. 3 are beyond a word of 16 bits.*?</svg>", document)
    assert picture.count("fill: var(--corrupted)") == 1  # a red bar
    assert picture.count("fill: var(--bar)") == picture.count(" need ") - 1
    assert "C3 &lt;1%" in document  # 110 * 40 * 8 leaves 16 bits with the last of the eight additions


@needs_chromium
def test_a_training_in_the_browser(trained, tmp_path):
    document, console = browse(tmp_path, as_html(trained))
    assert console == []
    for site in trained.sites:
        assert f'id="site-{site.site}-{site.op}-{site.role.value}"' in document


@needs_chromium
def test_nothing_is_wider_than_a_phone(trained, tmp_path):
    """Wide tables scroll within themselves; everything else fits 375 pixels."""
    probe = """<style>html { width: 375px; overflow-x: hidden; }</style><script>
        const wide = [...document.body.querySelectorAll('*')].filter(e => !e.closest('.scroll, svg'))
            .filter(e => e.getBoundingClientRect().right > 375).map(e => e.tagName + '.' + e.className);
        document.body.dataset.wide = [...new Set(wide)].join(' ') || 'nothing';
        document.body.dataset.boxes = document.querySelectorAll('.scroll').length;</script></body>"""
    document, console = browse(tmp_path, as_html(trained).replace("</body>", probe))
    assert console == []
    assert 'data-wide="nothing"' in document, re.findall('data-wide="[^"]*"', document)
    assert 'data-boxes="3"' in document


@needs_chromium
def test_the_browser_would_tell_of_an_error(planted, tmp_path):
    _, console = browse(tmp_path, as_html(planted).replace("reveal();", "nowhere();"))
    assert any("nowhere is not defined" in line for line in console)
    _, console = browse(tmp_path, as_html(planted).replace("</body>", '<img src="http://localhost:9/x.png"></body>'))
    assert any("Content Security Policy" in line for line in console)


def test_the_page_asks_for_nothing_from_elsewhere(trained):
    page = as_html(trained)
    assert not re.findall(r"(?:src|href)\s*=\s*[\"'](?!#|data:,)", page)
    assert "url(" not in page
    assert "@import" not in page
    assert "http://" not in page.replace("http-equiv", "")
    assert "https://" not in page


def test_names_from_outside_are_escaped(planted):
    page = as_html(planted)
    assert "planted <b>" not in page
    assert "planted &lt;b&gt;&amp;&#34;&#39;" in page


def test_every_machine_and_site_is_in_the_matrix(trained):
    (matrix,) = re.findall(r'<table class="matrix">(.*?)</table>', as_html(trained), re.DOTALL)
    rows = matrix.split("<tr>")[2:]
    assert len(rows) == len(trained.sites)
    for row, site in zip(rows, trained.sites, strict=True):
        assert f">{site.site}</a>" in row
        kinds = [html_module.KINDS[cell.verdict] for cell in site.cells]
        assert re.findall(r'class="pill (\w+)"', row) == kinds


def test_counts_of_the_exact_run_are_those_of_plain_integers(trained):
    seen = {}

    class Counting(Reference):
        def apply(self, op, args, to, site):
            outcome = super().apply(op, args, to, site)
            for value in outcome.value.items:
                bits = Word.holding(value, value)
                seen.setdefault(site, {}).setdefault(bits, 0)
                seen[site][bits] += 1
            return outcome

    machine = Machine(Counting(), Widths(Word(48)))
    Training(blobs(120), Recipe((9,), epochs=2, batch=5, lr_inv=50)).run(machine)
    for site in trained.sites:
        counts = trained.seen.counts[site.key]
        assert {int(b): int(counts[b]) for b in counts.nonzero()[0]} == seen[site.site], site.site
        course = trained.seen.course(site.key)
        assert min(p.lo for p in course) == site.span.lo
        assert max(p.hi for p in course) == site.span.hi


def test_pictures_have_a_text_and_no_names_and_are_the_same_every_time(trained):
    page = as_html(trained)
    pictures = re.findall(r"<svg.*?</svg>", page)
    assert len(pictures) == page.count("<svg") > len(trained.sites)
    for picture in pictures:
        assert re.match(r'<svg viewBox="[\d. ]+" role="img"><title>[^<]{40,}</title>', picture)
        assert not re.search(r"\b(?:id|class|href)=|#|NaN|nan|inf\b", picture)  # no colour of its own either
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert page == as_html(trained)


def test_a_strip_shows_every_width(trained):
    for site in trained.sites:
        if site.bits:
            strips = html_module._ladder(site)
            assert sum(widths for _, widths, _ in strips) == 47
            kinds = [kind for kind, widths, _ in strips for _ in range(widths)]
            assert kinds == [html_module.KINDS[site.at_width(bits)] for bits in range(2, 49)]


def test_the_library_that_draws_is_loaded_for_a_page_alone():
    script = "import sys, pocketnn.cli, pocketnn.audit; print({'matplotlib', 'jinja2'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize("library", ["jinja2", "matplotlib"])
def test_without_its_libraries_it_says_what_to_install(planted, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError, match=rf"needs {library}: pip install 'pocketnn\[report\]'"):
        as_html(planted)
    result = CliRunner().invoke(main, ["audit", "--epochs", "1000000", "--html", "r.html"])  # before the run
    assert (result.exit_code, result.stdout) == (2, "")
    assert "pocketnn[report]" in result.stderr
