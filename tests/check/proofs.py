"""Certificates for the tests of the checker, as plain data."""

import json

from pocketnn.arith import Overflow
from pocketnn.audit import Target
from pocketnn.check import digest_of
from pocketnn.machine import Widths
from pocketnn.prove import Certificate, Training, as_data, prove_inference
from pocketnn.prove.certificate import examine
from pocketnn.prove.training import certify
from pocketnn.recipe import Recipe

TARGET = Target(Widths.of(40), Overflow.WRAP)


def plain(certificate):
    """A certificate as it is read from a file."""
    return json.loads(json.dumps(as_data(certificate)))


def training(target=TARGET, **options):
    """The certificate of a small training."""
    recipe = Recipe(**{"hidden": (4,), "batch": 3, "weight_limit": (50,), **options})
    return plain(certify(Training(recipe, 9, 3, 60, (0, 20)), target))


def inference(saved, inputs=(0, 20), target=TARGET):
    """The certificate of a network's inference."""
    return plain(prove_inference(saved, inputs, target))


def of_program(program, target=TARGET):
    """The certificate of any program of ops on ranges: its steps can be verified, but it is of no network."""
    found = examine(program, target)
    return plain(Certificate("inference", target, {}, found.sites, found.invariants, steps=tuple(found.listing.steps)))


def sealed(data):
    """The same with a digest that is right for it: what a careful forger would write."""
    return {**data, "sha256": digest_of(data)}


def step_at(data, site, op=None):
    """The last step at a site."""
    return next(step for step in reversed(data["steps"]) if step["site"] == site and op in (None, step["op"]))
