"""Sweeps: audits of the same training on many machines and by many recipes, in parallel, resumable after a kill."""

from pocketnn.sweep.plan import Job, Plan
from pocketnn.sweep.results import SCHEMA
from pocketnn.sweep.run import run_on_machine, run_sweep

__all__ = ["SCHEMA", "Job", "Plan", "run_on_machine", "run_sweep"]
