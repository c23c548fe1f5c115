"""Traces: recorded programs, replayed and verified by anyone."""

from pocketnn.trace.database import is_trace
from pocketnn.trace.event import Code, Event, Handle, Moment, Sink
from pocketnn.trace.player import Player
from pocketnn.trace.reader import Recorded, Step, Trace
from pocketnn.trace.record import record
from pocketnn.trace.recorder import Program, Recorder
from pocketnn.trace.replay import BACKENDS, Divergence, Replay, replay, what_if
from pocketnn.trace.verify import Verified, verify

__all__ = [
    "BACKENDS",
    "Code",
    "Divergence",
    "Event",
    "Handle",
    "Moment",
    "Player",
    "Program",
    "Recorded",
    "Recorder",
    "Replay",
    "Sink",
    "Step",
    "Trace",
    "Verified",
    "is_trace",
    "record",
    "replay",
    "verify",
    "what_if",
]
