"""A certificate as plain data for JSON: schema `pocketnn-certificate/2`, complete enough for `pocketnn.check`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pocketnn import __version__
from pocketnn.arith import Partition, Ranges, Tensor, op_table_digest
from pocketnn.check import SCHEMA, digest_of
from pocketnn.prove.certificate import Certificate, SiteBound
from pocketnn.prove.listing import Step

__all__ = ["as_data", "program_data"]


def as_data(certificate: Certificate) -> dict[str, Any]:
    """All of it, as dictionaries, lists, integers and texts. Steps are listed only if it is a proof."""
    data = _content(certificate)
    return {**data, "sha256": digest_of(data)}


def _content(certificate: Certificate) -> dict[str, Any]:
    counterexample = certificate.counterexample
    target = certificate.target
    return {
        "schema": SCHEMA,
        "pocketnn": __version__,
        "op_table": op_table_digest(),
        "kind": certificate.kind,
        "proved": certificate.proved,
        "claim": {
            name: list(value) if isinstance(value, tuple) else value for name, value in certificate.claim.items()
        },
        "machine": {
            "word": target.widths.word.bits,
            "roles": {role.value: word.bits for role, word in target.widths.roles.items()},
            "overflow": target.overflow.value,
        },
        "sites": [_site(site) for site in certificate.sites],
        "invariants": [
            {
                "name": kept.name,
                "before": kept.before,
                "after": kept.after,
                "range_before": list(kept.range_before),
                "range_after": list(kept.range_after),
                "holds": kept.holds,
            }
            for kept in certificate.invariants
        ],
        "attaining": [
            {"site": a.site, "element": list(a.element), "bound": a.bound, "inputs": list(a.inputs)}
            for a in certificate.attaining
        ],
        "counterexample": counterexample and {"inputs": list(counterexample.inputs), "witness": counterexample.witness},
        "limits": [
            {"what": x.what, "given": x.given, "largest": x.largest, "more": x.more} for x in certificate.limits
        ],
        "notes": list(certificate.notes),
        **(program_data(certificate.steps) if certificate.proved else {"steps": [], "partitions": []}),
    }


def _site(site: SiteBound) -> dict[str, Any]:
    span = site.span
    return {
        "site": site.site,
        "op": site.op,
        "role": site.role.value,
        "range": [span.lo, span.hi],
        "any_order": [span.least, span.most],
        "bits": site.bits,
        "word": site.word,
        "fits": site.fits,
        "zero_divisor": site.zero_divisor,
        "attained": site.attained,
    }


def program_data(steps: tuple[Step, ...]) -> dict[str, Any]:
    """The steps, and the partitions that their values are told apart by, numbered in the order of their making."""
    position = {id(step.value): number for number, step in enumerate(steps)}
    partitions = sorted({key for step in steps for key in step.value.keys}, key=lambda key: key.serial)
    number = {key: i for i, key in enumerate(partitions)}
    return {
        "partitions": [_partition(key, position) for key in partitions],
        "steps": [
            {
                "site": step.site,
                "op": step.op,
                "args": list(step.args),
                "params": [_param(param) for param in step.params],
                "role": step.to.role.value,
                "word": step.to.word.bits,
                "overflow": step.to.overflow.value,
                **_value(step.value, number),
            }
            for step in steps
        ],
    }


def _partition(key: Partition, position: Mapping[int, int]) -> dict[str, Any]:
    pieces = None if key.source is None else {"of": position[id(key.source)], "below": position[id(key.below)]}
    return {"count": key.count, "by_row": key.by_row, "pieces": pieces}


def _value(value: Ranges, number: Mapping[Partition, int]) -> dict[str, Any]:
    """Bounds row-major, `axes` long along each partition and each axis of `shape` (1: alike along it); null: no such
    case. Without `hi` the bounds are equal."""
    lo, hi = np.broadcast_arrays(value.lo, value.hi)
    possible = (lo <= hi).ravel().tolist()
    bounds = {
        name: [int(x) if ok else None for x, ok in zip(array.ravel().tolist(), possible, strict=True)]
        for name, array in (("lo", lo), ("hi", hi))
    }
    if bounds["lo"] == bounds["hi"]:
        del bounds["hi"]
    keys = [number[key] for key in value.keys]
    return {"shape": list(value.shape), "keys": keys, "axes": list(lo.shape), **bounds}


def _param(param: Any) -> Any:
    if isinstance(param, Tensor):
        return {"shape": list(param.shape), "items": list(param.items)}
    return list(param) if isinstance(param, tuple) else param
