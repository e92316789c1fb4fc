"""``python -m workflows.demo.erp install|serve|check --data DIR``: the ERP as a program of its own."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from workflows.demo.erp import server


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 1 after a message that names the cure."""
    options = _parser().parse_args(arguments)
    # A stop during preparation ends the programs it started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    layout = server.Layout(options.data.resolve(), options.cache.resolve() if options.cache else None)
    try:
        return COMMANDS[options.command](layout, options.port)
    except server.ErpError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(
            f"The ERP cannot use {layout.root}: {error}. Free space or rights there, then start again.\n"
        )
        return 1
    except KeyboardInterrupt:
        return 130


def _install(layout: server.Layout, port: int) -> int:
    server.prepare(layout, say=_say)
    return 0


def _serve(layout: server.Layout, port: int) -> int:
    server.serve(layout, port=port, say=_say)
    return 0


def _check(layout: server.Layout, port: int) -> int:
    if server.answers({**server.read_keys(layout), "base_url": server.base_url(port)}):
        return 0
    sys.stderr.write(f"The ERP does not answer at {server.base_url(port)}. Start it: make up\n")
    return 1


COMMANDS = {"install": _install, "serve": _serve, "check": _check}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workflows.demo.erp", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AUTONOMY_DATA_DIR", "var")))
    parser.add_argument(
        "--cache", type=Path, default=os.environ.get("ERP_CACHE_DIR"), help="share the empty tables"
    )
    parser.add_argument("--port", type=int, default=int(os.environ.get("ERP_PORT", "8069")))
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"erp: {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
