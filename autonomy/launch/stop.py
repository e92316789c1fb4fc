"""``make stop``: end a start that runs in another terminal, and whatever a crash has left behind."""

from __future__ import annotations

import contextlib

import psutil

from autonomy.launch.children import Register
from autonomy.launch.console import Console
from autonomy.launch.failure import LaunchFailure
from autonomy.launch.options import read_options


def main() -> int:
    """Ask the running start to end, wait for it, and return 0."""
    console = Console()
    try:
        data = read_options().data
    except LaunchFailure as problem:
        console.fail(problem)
        return 1
    with contextlib.suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
        process = psutil.Process(int((data / "run" / "start.pid").read_text()))
        if "autonomy.launch" in process.cmdline():
            process.terminate()
            with contextlib.suppress(psutil.TimeoutExpired):
                process.wait(60)
    left = Register(data / "run" / "processes.json").end_left_overs()
    console.say(f"Stopped{': ' + ', '.join(left) if left else ''}. Nothing of {data} runs any more.")
    return 0
