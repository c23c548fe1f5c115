"""The `pocketnn` command: results on stdout, progress and messages on stderr, documented exit codes."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

import click

from pocketnn import __version__
from pocketnn.cli.audit import audit
from pocketnn.cli.bench import bench
from pocketnn.cli.conform import conform
from pocketnn.cli.data import data
from pocketnn.cli.export import export_command, verify_device
from pocketnn.cli.prove import prove
from pocketnn.cli.recipe import recipes
from pocketnn.cli.replay import replay
from pocketnn.cli.sweep import sweep
from pocketnn.cli.trace import trace
from pocketnn.cli.training import evaluate, train
from pocketnn.errors import OverflowTrap, PocketNNError

__all__ = ["main"]


class _Commands(click.Group):
    """Turns every expected failure into one line on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # what the terminal has no character for is escaped
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except OverflowTrap as error:
            _fail(f"overflow: {error}", error.exit_code)
        except PocketNNError as error:
            _fail(str(error), error.exit_code)
        except KeyboardInterrupt:
            _fail("interrupted; no file is left half-written", 130)
        except BrokenPipeError:
            _silence_stdout()  # the reader of our output has gone; that is its right
            sys.exit(141)
        except OSError as error:
            _silence_stdout()
            _fail(f"{error.filename or 'output'}: {error.strerror or error}", 2)
        except MemoryError:
            _fail("out of memory; use a smaller network, batch or --limit", 2)


def _fail(message: str, code: int) -> None:
    click.echo(f"pocketnn: {' '.join(message.split())}", err=True)
    sys.exit(code)


def _silence_stdout() -> None:
    """Keep Python from trying, at exit, to write out again what could not be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
def main() -> None:
    """Emulate integer-only neural networks bit for bit, and see where they overflow.

    Exit codes: 0 done, and nothing found wrong; 1 the answer is no (an overflow on the machine asked for, a number that
    differs); 2 bad usage or input; 130 interrupted (ctrl-C or SIGTERM).
    """


for command in (
    train, evaluate, audit, prove, recipes, sweep, replay, trace, export_command, verify_device, conform, data, bench,
):  # fmt: skip
    main.add_command(command)
