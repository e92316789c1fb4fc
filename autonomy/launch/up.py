"""``make up``: the whole house on one machine, until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import textwrap
from pathlib import Path

from autonomy.launch import failure, programs
from autonomy.launch.console import Console
from autonomy.launch.failure import LaunchFailure
from autonomy.launch.installation import Installation, Stopped
from autonomy.launch.options import read_options

FIRST_LOOK = """\
What to look at first
  {address}/                     as alice: agents at work, their contracts, limits and stops
  {address}/inbox/               as bob: what waits for a person, why, approve or reject
  {address}/admin/audit/event/   as carol: the ledger, everything that happened
  {incoming}   drop an invoice (UBL) here and follow its run
  README.md has a tour of five minutes, and how to connect an agent of your own with curl.
"""
FIRST_STEPS = """\
What to do first
  {address}/admin/agents/user/add/   sign in; add a second person in the group Approvers
  {address}/guides/                  four guides: a system, an agent, a contract, a workflow
  docs/first-hour.md goes through them.
"""


def main() -> int:
    """Start everything, run until asked to stop, and return the exit code."""
    console = Console()
    try:
        options = read_options()
        console.say(f"\nAutonomy OS, data in {options.data}\n")
        installation = Installation(options, console)
        with installation.started() as manager:
            _run(installation, manager)
    except LaunchFailure as problem:
        console.fail(problem)
        return 1
    except Stopped:
        console.say("\n  Stopped before everything ran.")
        return 130
    console.say("  Stopped. Your data stays where it is; `make up` continues with it.")
    return 0


def _run(installation: Installation, manager: programs.Manager) -> None:
    problems: list[LaunchFailure] = []

    def greet() -> None:
        try:
            installation.wait_until_ready(manager)
        except LaunchFailure as problem:
            problems.append(problem)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        if not manager.ending:
            installation.console.say(summary(installation))

    signal.signal(signal.SIGHUP, lambda *_: manager.terminate())
    manager.run(greet)
    if problems:
        raise problems[0]
    if manager.dead:
        log = manager.log_of(manager.dead)
        raise LaunchFailure(
            f"The process `{manager.dead}` ended by itself, so all were stopped.\n{failure.tail(log)}".rstrip(),
            f"The whole log is in {log}. Correct what it says and start again: nothing committed is lost.",
        )
    with contextlib.suppress(ValueError):
        installation.console.say("\n  Stopping ...")


def summary(installation: Installation) -> str:
    """Return what a person needs to know once everything runs."""
    options = installation.options
    parts = [f"\nReady in {installation.console.seconds:.0f} s: {options.address}\n"]
    if installation.sign_ins:
        parts.append("Sign-ins\n" + textwrap.indent(installation.sign_ins.strip("\n"), "  ") + "\n")
    else:
        parts.append("Make the first sign-in in another terminal: .venv/bin/python manage.py createsuperuser\n")
    incoming = Path(os.environ.get("INCOMING_DIR") or options.data / "incoming") / "invoices"
    look = FIRST_LOOK if options.demo_company else FIRST_STEPS
    parts.append(look.format(address=options.address, incoming=incoming))
    parts.append(f"Logs are in {installation.place.logs}. Stop with Ctrl-C.\n")
    return "\n".join(parts)
