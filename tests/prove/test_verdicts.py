"""What proofs say to an audit, site by site."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from tiny import blobs

from pocketnn.arith import Overflow, Role, Vector
from pocketnn.audit import Evaluation, Target, Training
from pocketnn.cli import main
from pocketnn.machine import Machine, SiteKey, Widths
from pocketnn.prove.verdicts import proved_by
from pocketnn.recipe import Recipe
from pocketnn.saved import Saved

SMALL = ["--limit", "60", "--hidden", "6", "--epochs", "2", "--batch", "5"]


@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("word", [8, 12, 16, 20, 24])
def test_no_proved_site_overflows_even_where_others_do(word, overflow):
    """Whole runs on machines too narrow for them: what overflows was never called proved."""
    source = Training(blobs(), Recipe(hidden=(6,), batch=5, epochs=4, lr_inv=20))
    target = Target(Widths.of(word), overflow)
    proved = proved_by(source)
    machine = Machine(Vector(), target.widths, target.overflow)
    source.run(machine)
    safe = [site for site in machine.ledger if proved(target, site.key)]
    assert safe
    assert [site.name for site in safe if site.overflowed] == []


def test_a_training_that_is_proved_as_a_whole_is_proved_at_every_site():
    source = Training(blobs(), Recipe(hidden=(6,), batch=5, epochs=1, weight_limit=(300,)))
    target, proved = Target(Widths.of(32), Overflow.WRAP), proved_by(source)
    machine = Machine(Vector(), target.widths, target.overflow)
    source.run(machine)
    assert [site.name for site in machine.ledger if not proved(target, site.key)] == []


def test_evaluations_and_batch_normalisation():
    parameters = {"fcLast_weight": np.ones((12, 3), int), "fcLast_bias": np.zeros((1, 3), int)}
    saved = Saved(parameters, Recipe(()))
    target = Target(Widths.of(16), Overflow.WRAP)
    square = SiteKey("fcLast.norm.forward.square", "mul", Role.ACCUMULATOR)
    mac = SiteKey("fcLast.forward.mac", "mac", Role.ACCUMULATOR)
    assert proved_by(Evaluation("w", saved, blobs()))(target, mac)  # 12 * 255 fits
    assert not proved_by(Evaluation("w", saved, blobs()))(Target(Widths.of(12), Overflow.WRAP), mac)
    norm = {"fcLast_gamma": np.ones((1, 3), int), "fcLast_beta": np.zeros((1, 3), int)}
    normed = Saved({**parameters, **norm}, Recipe((), batch_norm=True, batch=7))
    assert proved_by(Evaluation("w", normed, blobs()))(target, mac)
    assert not proved_by(Evaluation("w", normed, blobs()))(target, square)
    assert not proved_by(Training(blobs(), Recipe(batch_norm=True)))(target, mac._replace(name="fc1.forward.mac"))


def test_the_audit_says_proved():
    plain = CliRunner().invoke(main, ["audit", *SMALL, "--json"])
    proved = CliRunner().invoke(main, ["audit", *SMALL, "--prove", "--json"])
    verdicts = [
        {site["site"]: site["machines"]["32 wrap"]["verdict"] for site in json.loads(result.stdout)["sites"]}
        for result in (plain, proved)
    ]
    assert "proved" not in verdicts[0].values()
    assert verdicts[1]["fc1.update.clamp"] == "proved"
    assert verdicts[1]["loss.epoch_add"] == "proved"
    assert " P+" in CliRunner().invoke(main, ["audit", *SMALL, "--prove"]).stdout


def test_a_sum_of_losses_that_can_overflow_takes_no_proof_from_others():
    """The losses of 30 images need 21 bits; a machine that overflowed there goes on with a wrong sum."""
    source = Training(blobs(), Recipe(hidden=(6,), batch=5, epochs=1, weight_limit=(300,)))
    target = Target(Widths.parse("32+loss=19"), Overflow.WRAP)
    proved = proved_by(source)
    machine = Machine(Vector(), target.widths, target.overflow)
    source.run(machine)
    assert not proved(target, machine.ledger["loss.epoch_add"].key)
    assert proved(target, machine.ledger["loss.batch_sum"].key)
    assert proved(target, machine.ledger["fc1.update.clamp"].key)
