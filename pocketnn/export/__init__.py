"""Export of a recorded program as portable C99, and its verification on the target."""

from pocketnn.export.device import Mismatch, Verdict, log_text, read_log, verify_device
from pocketnn.export.graph import StepProgram
from pocketnn.export.model import run_boundaries, run_inference, run_training
from pocketnn.export.project import Exported, check_folder, export
from pocketnn.export.repeated import step_program
from pocketnn.export.run import TARGETS, Counts, count_steps, run_target, sizes
from pocketnn.export.source import c_source

__all__ = [
    "TARGETS",
    "Counts",
    "Exported",
    "Mismatch",
    "StepProgram",
    "Verdict",
    "c_source",
    "check_folder",
    "count_steps",
    "export",
    "log_text",
    "read_log",
    "run_boundaries",
    "run_inference",
    "run_target",
    "run_training",
    "sizes",
    "step_program",
    "verify_device",
]
