"""``python -m autonomy.launch up|demo|story|stop``: what the Makefile runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

from autonomy.launch import demo, stop, up

COMMANDS: dict[str, Callable[[], int]] = {
    "up": up.main,
    "demo": demo.main,
    "story": partial(demo.main, "story"),
    "stop": stop.main,
}


def main() -> int:
    """Run one command and return its exit code."""
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if name not in COMMANDS:
        print(f"usage: python -m autonomy.launch {'|'.join(COMMANDS)}", file=sys.stderr)
        return 2
    return COMMANDS[name]()


if __name__ == "__main__":
    sys.exit(main())
