"""The command ``nearsort``, byte for byte the Rust program."""

import os
import signal
import sys

from . import _native


def main() -> int:
    """Runs the command with the arguments of the process and gives its exit code."""
    for name, value in _native.environment():
        # Read by the engine when it first computes. Set here, before any thread of it is there to read the environment.
        os.environ.setdefault(name, value)
    # Python's handler would note Ctrl-C and do nothing until the command ends.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.main(["nearsort", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
