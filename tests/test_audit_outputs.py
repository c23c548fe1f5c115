"""What an audit proposes and what it writes for machines: proposal, memory, microcontrollers, JSON schema, SARIF."""

import json
from dataclasses import replace
from importlib.resources import files

import jsonschema
import pytest
from test_audit_html import Planted
from tiny import blobs

from pocketnn.arith import INT8, INT16, INT32, Overflow, Role, Vector, Word
from pocketnn.audit import Target, Training, Verdict, as_data, as_text, audit_source
from pocketnn.audit.mcu import MCUS, find_mcu
from pocketnn.audit.memory import Need, bytes_of, inference, needs, training
from pocketnn.audit.propose import narrowest, proposed
from pocketnn.audit.sarif import as_sarif
from pocketnn.audit.sections import kilobytes
from pocketnn.errors import UsageError
from pocketnn.machine import Machine, Widths
from pocketnn.recipe import Recipe

SCHEMA = json.loads(files("pocketnn.audit").joinpath("schema.json").read_text(encoding="utf-8"))
WRAP16 = Target(Widths(INT16), Overflow.WRAP)


@pytest.fixture(scope="module")
def trained():
    source = Training(blobs(120), Recipe((9,), epochs=2, batch=5, lr_inv=50))
    return audit_source(source, [WRAP16], observe=True)


# --- every width from one run -------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(2, 49))
def test_the_verdict_of_every_width_is_what_an_element_wise_program_does_on_it(bits):
    """Each site takes the host's values, so that every site is judged on exact operands, as the report says."""

    class Program:
        subject = Planted.subject
        recording = None

        def run(self, machine, progress=None):
            def host(values):
                return machine.load(values, Role.HOST, "host")

            machine.load([[-129, 90]], Role.INPUT, "narrow")
            machine.add(host([[1 << 20, -5]]), host([[3, -(1 << 22)]]), at="wide")
            machine.mac(host([[100, 100, -100]]), host([[1], [1], [1]]), at="back")

    report = audit_source(Program(), [Target(Widths(Word(bits)), Overflow.WRAP)], (bits,))
    for site in report.sites:
        if site.role is Role.HOST:
            continue
        assert site.at_width(bits) is site.cells[0].verdict, (site.site, bits)


def test_wrong_results_at_every_width_are_counted_by_the_histogram(trained):
    """On a site whose operands are exact, the flags of an emulated width equal the exact run's counts above it."""
    for column, outcome in enumerate(trained.outcomes):
        first = next(site for site in trained.sites if site.cells[column].flags.corrupted) if outcome.first else None
        if first and first.calls == 1:
            width = outcome.target.widths[first.role].bits
            assert first.cells[column].flags.corrupted == trained.seen.wrong_at(first.key, width)


# --- proposal and memory ------------------------------------------------------------------------------------


def test_the_proposal_is_confirmed_and_cannot_be_narrower(trained):
    proposal = trained.proposal
    assert not proposal.outcome.overflowed
    assert proposal.outcome.emulated
    assert proposal.outcome.scores == trained.exact.scores
    assert proposal.outcome.changed == 0
    source = Training(blobs(120), Recipe((9,), epochs=2, batch=5, lr_inv=50))
    exact_bits = {role: Word(bits) for role, bits in proposal.bits.items()}
    machine = Machine(None, Widths(INT32, exact_bits))
    source.run(machine)
    assert not machine.ledger.overflowed
    for role, bits in proposal.bits.items():
        needing = max(site.bits for site in trained.sites if site.role is role and site.bits)
        assert max(needing, 2) == bits
        if role in (Role.INPUT, Role.WEIGHT, Role.UPDATE, Role.ACTIVATION) and bits > 2:  # no sums: the bits are tight
            machine = Machine(None, Widths(INT32, {**exact_bits, role: Word(bits - 1)}))
            source.run(machine)
            assert machine.ledger.overflowed, role


def test_no_proposal_where_something_is_divided_by_zero():
    class Program:
        subject = Planted.subject
        recording = None

        def run(self, machine, progress=None):
            machine.div(machine.load(1, Role.INPUT), machine.load(0, Role.INPUT))

    report = audit_source(Program(), [WRAP16])
    assert report.proposal is None
    assert all(o.emulated for o in report.outcomes)


def test_words_of_a_proposal_are_c_types():
    widths = proposed({Role.INPUT: 9, Role.ACCUMULATOR: 33, Role.WEIGHT: 8, Role.BIAS: 32})
    assert [widths[role].bits for role in (Role.INPUT, Role.ACCUMULATOR, Role.WEIGHT, Role.BIAS)] == [16, 48, 8, 32]
    assert proposed({Role.INPUT: 49}) is None
    assert proposed({}) is None
    machine = Machine(Vector(measure=True), Widths(Word(48)))
    machine.load(0, Role.INPUT)
    assert narrowest(machine.ledger) == {Role.INPUT: 2}


def test_memory_by_hand():
    assert [bytes_of(Word(b)) for b in (2, 8, 9, 16, 17, 32, 33, 48)] == [1, 1, 2, 2, 4, 4, 8, 8]
    widths = Widths(INT16, {Role.ACCUMULATOR: INT32, Role.BIAS: INT8})
    # 64-16-10: weights 1184 and biases 26; input 64, 16 sums of 4 bytes, activations of two layers
    assert needs(inference((64, 16, 10)), widths) == Need(2 * 1184 + 26, 2 * 64 + 4 * 16 + 2 * 26)
    # in batches of 20 with DFA: feedback 10 x 16; slopes as activations; the loss delta and the widest delta; one row
    ram = 2 * 1184 + 26 + 20 * (2 * 64 + 4 * 16 + 2 * 26 + 2 * 26 + 2 * (10 + 16)) + 2 * 16
    assert needs(training((64, 16, 10), 20, "dfa"), widths) == Need(2 * 160, ram)
    assert needs(training((64, 16, 10), 20, "bp"), widths).flash == 0
    with_norm = needs(inference((64, 16, 10), True), Widths(INT8)).flash
    assert with_norm == 1184 + 26 + 26


def test_microcontrollers():
    assert len({mcu.name for mcu in MCUS}) == len(MCUS) >= 13
    wanted = "ATmega328P ATmega2560 MSP430FR5994 STM32F0 STM32L0 STM32G0 STM32F4 STM32H5 RP2040 nRF52840 ESP32-C3"
    for name in wanted.split():
        assert any(mcu.name.startswith(name) for mcu in MCUS), name
    assert all(mcu.register in (8, 16, 32) and mcu.ram and mcu.flash and mcu.source for mcu in MCUS)
    assert find_mcu("atmega328p").ram == 2048
    with pytest.raises(UsageError, match="no microcontroller 'z80'; there are ATtiny85"):
        find_mcu("z80")


def test_what_a_microcontroller_makes_of_the_proposal(trained):
    small = "\n".join(as_text(replace(trained, mcu=find_mcu("ATtiny85"))))
    assert "ATtiny85 is AVR, no saturating instructions; its registers have 8 bits: values of" in small
    assert "accumulator" in small.split("values of")[1].split("take more")[0]
    large = "\n".join(as_text(replace(trained, mcu=find_mcu("STM32H503RB"))))
    assert "saturating instructions SSAT+DSP; its registers have 32 bits: every value fits one" in " ".join(
        large.split()
    )
    need = needs(trained.subject.memory["training"], trained.proposal.widths)
    assert need.ram > 512
    assert f"{kilobytes(need.ram - 512)} of RAM missing" in " ".join(small.split())


# --- JSON and SARIF -----------------------------------------------------------------------------------------


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("observe", [False, True])
def test_json_is_as_documented(observe):
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for source in (Planted(), Training(blobs(60), Recipe((4,), epochs=1, batch=5))):
        validator.validate(json.loads(json.dumps(as_data(audit_source(source, [WRAP16], observe=observe)))))


def test_every_documented_field_is_there(trained):
    data = as_data(trained)
    assert set(data) == set(SCHEMA["properties"])
    assert set(data["sites"][0]) == set(SCHEMA["$defs"]["site"]["properties"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate({**data, "new": 1})


def test_sarif_has_a_result_per_failing_site(trained):
    log = json.loads(json.dumps(as_sarif(trained)))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    column = trained.outcomes.index(trained.focus)
    failing = {
        site.site: site.cells[column].verdict
        for site in trained.sites
        if site.cells[column].verdict not in (Verdict.SAFE, Verdict.PROVED)
    }
    assert failing
    assert list(map(name_of, run["results"])) == list(failing)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert rules[result["ruleIndex"]]["defaultConfiguration"]["level"] == result["level"]
        witness = next(site for site in trained.sites if site.site == name_of(result)).cells[column].first
        assert (f"First overflow: {witness}" in result["message"]["text"]) == (witness is not None)
    assert str(trained.focus.first) in json.dumps(log).replace('\\"', '"')


def name_of(result):
    return result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]


def test_a_clean_audit_has_no_sarif_results():
    report = audit_source(Planted(), [Target(Widths(INT32), Overflow.WRAP)], (32,))
    assert as_sarif(report)["runs"][0]["results"] == []


def test_text_fits_100_columns_with_everything_in_it(trained):
    assert max(map(len, as_text(trained))) <= 100
