"""`pocketnn audit`."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from pocketnn.audit import Evaluation, Report, Source, Target, Training, as_data, as_text, audit_source
from pocketnn.audit.device import check_same_network, read_figures
from pocketnn.audit.html import as_html, check_library
from pocketnn.audit.mcu import MCUS, find_mcu
from pocketnn.audit.replayed import Replayed
from pocketnn.audit.report import Proof
from pocketnn.audit.reproduce import as_test, as_vectors, reproducers
from pocketnn.audit.sarif import as_sarif
from pocketnn.audit.verdict import Proved, never_proved
from pocketnn.cli.lists import WORDS
from pocketnn.cli.options import (
    data_options,
    json_option,
    machine_options,
    overflow_of,
    progress_line,
    widths_of,
)
from pocketnn.cli.recipe import recipe_of, recipe_options
from pocketnn.cli.recording import recording, trace_options
from pocketnn.data import load_dataset
from pocketnn.errors import CorruptError, UsageError
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
@machine_options
@click.option(
    "--words", type=WORDS, default="8,16,32", show_default=True, help="Widths of the machines to emulate, in bits."
)
@click.option("--mcu", callback=_list_mcus, help="Say whether it fits this microcontroller; 'list' shows the table.")
@click.option(
    "--figures",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Also show a target's figures: what `pocketnn export --run TARGET --json` wrote. Repeatable.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["corrupted", "any", "none"]),
    default="any",
    show_default=True,
    help="What on the machine asked for makes the exit code 1.",
)
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
    word: Widths,
    accumulator: int | None,
    overflow: str,
    words: tuple[int, ...],
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

    Exit code 1 if the machine asked for (--word, --accumulator, --overflow) fails, 0 if not: by --fail-on any it fails
    if it overflows or divides by zero, by corrupted only if final values are wrong, by none never.
    """
    part = find_mcu(mcu) if mcu else None
    devices = tuple(device for path in figures for device in read_figures(path))
    asked = Target(widths_of(word, accumulator), overflow_of(overflow))
    if witness and witness.suffix == ".vec":
        raise UsageError(f"--witness {witness}: name the pytest module; the vectors go beside it, into a .vec file")
    if html:
        check_library()
    for path in (html, witness, sarif):
        if path:
            check_writable(path)
    with contextlib.ExitStack() as stack:
        source = _source(program, data, limit, options, stack)
        proved, proof = _proved(source, prove, asked)
        check_same_network(devices, source.subject.facts.get("dims"))

        def recorder(machine: Machine) -> contextlib.AbstractContextManager[Machine]:
            return recording(machine, source, options)

        report = audit_source(
            source,
            asked,
            words,
            progress_line(),
            proved=proved,
            observe=as_json or html is not None,
            advice=advise,
            recorder=recorder,
        )
    report = replace(report, mcu=part, devices=devices, proof=proof)
    click.echo(json.dumps(as_data(report)) if as_json else "\n".join(as_text(report)))
    _write_files(report, html, witness, sarif)
    sys.exit(CorruptError.exit_code if proof and proof.refused else 1 if _fails(report, fail_on) else 0)


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


def _proved(source: Source, prove: bool, asked: Target) -> tuple[Proved, Proof | None]:
    """By a proof, if one is asked for; else by the certificate that the model or trace carries, if it is good. With the
    certificate for the machine asked for, or why it is none."""
    if prove and not isinstance(source, Replayed):
        certificate = certificate_on(source, asked)
        return proved_by(source), as_proof(certificate) if certificate else None
    stored = certificate_of(source)
    if not stored:
        return never_proved, None
    refused = next(unproved(source), None)
    fault = refused or beyond(source)
    if fault is None:
        return proved_by_certificate(source), as_proof(certify(claimed(stored)[0], asked))
    verdict = f"{'REFUSED' if refused else 'NOT APPLICABLE'}, it proves nothing of this: {fault}"
    click.echo(f"{source.subject.name}: its certificate is {verdict}", err=True)
    return never_proved, Proof("the certificate that came with it", False, verdict, refused=refused is not None)


def _fails(report: Report, fail_on: str) -> bool:
    if fail_on == "corrupted":
        return report.asked.flags.corrupted > 0 or report.asked.flags.zero_divisions > 0
    return fail_on == "any" and report.asked.overflowed
