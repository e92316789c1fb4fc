#!/usr/bin/env python
"""Django's command line for Autonomy OS."""

from __future__ import annotations

import gc
import os
import sys

# The schema belongs to the owner role and positions to the sequencer role; every other command runs as the
# application role, which cannot change a ledger row.
ROLE_OF_COMMAND = {"migrate": "owner", "makemigrations": "owner", "run_sequencer": "sequencer"}


def main() -> None:
    """Run one management command under the database role it is meant for."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "autonomy.settings")
    if len(sys.argv) > 1:
        os.environ.setdefault("DATABASE_ROLE", ROLE_OF_COMMAND.get(sys.argv[1], "app"))
        if sys.argv[1] == "migrate":
            # A hundred migrations make millions of objects that live on: to look through them for what does not
            # is a fifth of the time. It costs 150 MiB meanwhile.
            gc.set_threshold(200_000, 20, 50)
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - settings come first
    from environs import EnvError  # noqa: PLC0415

    from audit.cause import one_cause  # noqa: PLC0415

    try:
        with one_cause():
            execute_from_command_line(sys.argv)
    except EnvError as error:
        sys.exit(
            f"A setting is missing: {error}. `make up` makes them in var/portal.env; or set them yourself."
        )


if __name__ == "__main__":
    main()
