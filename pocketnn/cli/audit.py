"""`pocketnn audit`."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from pocketnn.arith import Overflow, Word
from pocketnn.audit import Evaluation, Report, Source, Target, Training, as_data, as_text, audit_source
from pocketnn.audit.answer import exit_code
from pocketnn.audit.device import check_same_network, read_figures
from pocketnn.audit.html import as_html, check_library
from pocketnn.audit.mcu import MCUS, find_mcu
from pocketnn.audit.replayed import Replayed
from pocketnn.audit.report import Proof, Recording
from pocketnn.audit.reproduce import as_test, as_vectors, reproducers
from pocketnn.audit.sarif import as_sarif
from pocketnn.audit.verdict import Proved, never_proved
from pocketnn.cli.lists import WORDS
from pocketnn.cli.options import (
    data_options,
    fail_on_option,
    json_option,
    other_machine_options,
    progress_line,
    widths_of,
)
from pocketnn.cli.recipe import recipe_of, recipe_options
from pocketnn.cli.recording import recording, trace_options
from pocketnn.data import load_dataset
from pocketnn.errors import UsageError
from pocketnn.files import check_writable, shown, write_text
from pocketnn.machine import Machine, Widths
from pocketnn.prove.stored import claimed
from pocketnn.prove.text import as_proof
from pocketnn.prove.training import certify
from pocketnn.prove.verdicts import (
    beyond,
    certificate_of,
    certificate_on,
    proved_by,
    proved_by_certificate,
    unproved,
)
from pocketnn.saved import load_saved
from pocketnn.trace import Trace, is_trace

__all__ = ["audit"]

_WORDS = (8, 16, 32)  # bits of the machines that are emulated if none are named


def _list_mcus(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Print the table of microcontrollers for `--mcu list`, and end."""
    if value != "list":
        return value
    click.echo(f"{'name':<14}{'core':<12}{'register':>8}{'flash KiB':>11}{'RAM KiB':>9}  {'saturates':<9} source")
    for mcu in MCUS:
        click.echo(
            f"{mcu.name:<14}{mcu.core:<12}{mcu.register:>8}{mcu.flash // 1024:>11}{mcu.ram / 1024:>9g}  "
            f"{mcu.saturating:<9} {mcu.source}"
        )
    ctx.exit()


@click.command()
@click.argument("program", metavar="[WEIGHTS|TRACE]", type=click.Path(path_type=Path), required=False)
@data_options
@recipe_options
@other_machine_options
@click.option(
    "--words",
    type=WORDS,
    show_default="8,16,32",
    help="Widths of the machines to emulate, in bits; without --word they are judged too.",
)
@click.option("--mcu", callback=_list_mcus, help="Say whether it fits this microcontroller; 'list' shows the table.")
@click.option(
    "--figures",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Also show a target's figures: what `pocketnn export --run TARGET --json` wrote. Repeatable.",
)
@fail_on_option("What on a judged machine makes the exit code 1.")
@click.option("--advise", is_flag=True, help="Also search for single changes that make the first failing site fit.")
@click.option("--prove", is_flag=True, help="Also prove of sites that nothing can overflow there, whatever the data.")
@click.option("--html", type=click.Path(path_type=Path), help="Also write the report as one HTML page.")
@click.option(
    "--witness",
    type=click.Path(path_type=Path),
    help="Also write the smallest operands that still overflow: a pytest module, and beside it FILE.vec, test vectors.",
)
@click.option("--sarif", type=click.Path(path_type=Path), help="Also write what fails as SARIF, for code scanning.")
@trace_options
@json_option
def audit(
    program: Path | None,
    data: str,
    limit: int | None,
    word: Widths | None,
    accumulator: int | None,
    overflow: str | None,
    words: tuple[int, ...] | None,
    mcu: str | None,
    figures: tuple[Path, ...],
    fail_on: str,
    advise: bool,
    prove: bool,
    html: Path | None,
    witness: Path | None,
    sarif: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Run once exactly, then on 8-, 16- and 32-bit machines, and say where they overflow.

    What runs is a training with evaluation; or the evaluation of saved WEIGHTS (.npz, or a folder of CSV files) on the
    test images; or the program that a TRACE holds, which needs no data. Where weights or trace carry a certificate
    (`pocketnn train --prove`), it is proved again, and the sites that it covers are PROVED. One that is false, or about
    something else than what it came with, makes the exit code 3 whatever ran.

    Judged is the machine of --word and --accumulator. Without them it is, in the mode of --overflow, the machine that a
    TRACE was recorded on, and every machine of --words; or where there is neither, the one of 32 bits.

    Exit code 1 if a judged machine fails, or nothing ran: by --fail-on any it fails if it overflows or divides by zero,
    by corrupted only if final values are wrong, by none never. Else 4 if the trace is a part of a run, else 0.
    """
    chip = find_mcu(mcu) if mcu else None
    devices = tuple(device for path in figures for device in read_figures(path))
    if witness and witness.suffix == ".vec":
        raise UsageError(f"--witness {witness}: name the pytest module; the vectors go beside it, into a .vec file")
    if html:
        check_library()
    for path in (html, witness, sarif):
        if path:
            check_writable(path)
    with contextlib.ExitStack() as stack:
        source = _source(program, data, limit, options, stack)
        judged = _judged(source.recording, word, accumulator, overflow, words)
        proved, proofs = _proved(source, prove, judged)
        check_same_network(devices, source.subject.facts.get("dims"))

        def recorder(machine: Machine) -> contextlib.AbstractContextManager[Machine]:
            return recording(machine, source, options)

        report = audit_source(
            source,
            judged,
            words or _WORDS,
            progress_line(),
            proved=proved,
            observe=as_json or html is not None,
            advice=advise,
            recorder=recorder,
        )
    report = replace(report, mcu=chip, devices=devices, proofs=proofs)
    click.echo(json.dumps(as_data(report)) if as_json else "\n".join(as_text(report)))
    _write_files(report, html, witness, sarif)
    sys.exit(exit_code(report, fail_on))


def _write_files(report: Report, html: Path | None, witness: Path | None, sarif: Path | None) -> None:
    """What was asked for beside the table."""
    if html:
        write_text(html, as_html(report))
    if sarif:
        write_text(sarif, json.dumps(as_sarif(report), indent=1))
    if witness:
        cases, about = reproducers(report), f"{report.subject.name} ({report.subject.description})"
        write_text(witness, as_test(cases, about))
        write_text(witness.with_suffix(".vec"), as_vectors(cases, about))


def _source(
    program: Path | None, data: str, limit: int | None, options: dict[str, Any], stack: contextlib.ExitStack
) -> Source:
    """What to audit. With weights, the options of the recipe count for nothing but the activation, if it was given."""
    if program is not None and is_trace(program):
        return Replayed(stack.enter_context(Trace(program)))
    dataset = load_dataset(data, limit)
    if program is None:
        return Training(dataset, recipe_of(options))
    saved = load_saved(program, dataset, options["activation"])
    return Evaluation(shown(program), saved, dataset)


def _judged(
    recording: Recording | None,
    word: Widths | None,
    accumulator: int | None,
    overflow: str | None,
    words: tuple[int, ...] | None,
) -> list[Target]:
    """The machines that decide the exit code, none twice; the docstring of `audit` says which."""
    known = recording.target if recording else Target(Widths(), Overflow.WRAP)
    widths = [widths_of(word or known.widths, accumulator)]
    if words and word is None and accumulator is None:
        own = widths if recording else []
        widths = own + [each for bits in words if (each := Widths(Word(bits))) not in own]
    return [Target(each, Overflow(overflow) if overflow else known.overflow) for each in widths]


def _proved(source: Source, prove: bool, judged: Sequence[Target]) -> tuple[Proved, tuple[Proof, ...]]:
    """By a proof, if one is asked for; else by the certificate that the model or trace carries, if it is good. With the
    certificates for the judged machines, or why there is none."""
    if prove and not isinstance(source, Replayed):
        certificates = [certificate_on(source, target) for target in judged]
        return proved_by(source), tuple(as_proof(each) for each in certificates if each)
    stored = certificate_of(source)
    if not stored:
        return never_proved, ()
    refused = next(unproved(source), None)
    fault = refused or beyond(source)
    if fault is None:
        claim = claimed(stored)[0]
        return proved_by_certificate(source), tuple(as_proof(certify(claim, target)) for target in judged)
    verdict = f"{'REFUSED' if refused else 'NOT APPLICABLE'}, it proves nothing of this: {fault}"
    click.echo(f"{source.subject.name}: its certificate is {verdict}", err=True)
    return never_proved, (Proof("the certificate that came with it", False, verdict, refused=refused is not None),)
