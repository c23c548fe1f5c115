"""Entry point of the `pocketnn` command and of `python -m pocketnn`."""

from __future__ import annotations

import os
import signal
import sys

__all__ = ["main"]

# Of the libraries that NumPy may use for matrix products. One thread is as fast as two for the small matrices here, and
# where another process wants the second core, two threads wait for each other: measured 40 times slower.
_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def main() -> None:
    """Run the command line; a thread count that the user has set in the environment is kept.

    SIGTERM, by which `timeout` and schedulers end a process, is taken like ctrl-C: what was begun is ended in order.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for variable in _THREADS:
        os.environ.setdefault(variable, "1")
    try:
        from pocketnn.cli import main as commands  # only now: NumPy reads these variables when it is imported

        commands()
    except KeyboardInterrupt:  # outside click's reach, while modules are being imported
        sys.stderr.write("pocketnn: interrupted; no file is left half-written\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
