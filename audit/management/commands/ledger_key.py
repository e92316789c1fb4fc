"""The keys that sign the ledger: make one, show them, change them, go on after a restore."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from audit.notes import KeyFile, UnusableKey
from audit.services import ledger_keys
from audit.vocabulary import Refusal


class Command(BaseCommand):
    """Works on the file that LEDGER_KEY_FILE names, as the user who owns it. Prints public halves only."""

    help = "Make, show, add or retire the keys that sign the ledger, or go on after a restore."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--file", default="", help="The key file, instead of LEDGER_KEY_FILE.")
        verbs = parser.add_subparsers(dest="verb", required=True)
        new = verbs.add_parser("new", help="Make the first key.")
        new.add_argument("--name", required=True, help="The name of the ledger, such as example.com/ledger.")
        verbs.add_parser("show", help="Print the verifier keys.")
        verbs.add_parser("add", help="Add a second key: from then on both sign every checkpoint.")
        retire = verbs.add_parser("retire", help="Retire one of two keys, the older one.")
        retire.add_argument("--key", default="", help="Another one, by its eight hex digits.")
        restored = verbs.add_parser("restored", help="Go on under a new name after a restore on purpose.")
        restored.add_argument("--reason", required=True, help="Why, for the ledger.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it and print which keys there are."""
        named = options["file"] or os.environ.get("LEDGER_KEY_FILE", "")
        if not named:
            raise CommandError(
                "Which key file? Set LEDGER_KEY_FILE, or give --file before the verb. make up keeps it as"
                " ledger.key in its data folder; the public half alone is on the page Seals, too."
            )
        file = KeyFile(Path(named))
        try:
            self._do(options["verb"], file, options)
            keys = [str(signer.verifier) for signer in file.signers()]
        except Refusal as refusal:
            raise CommandError(refusal.in_full()) from refusal
        except UnusableKey as error:
            raise CommandError(str(error)) from error
        except OperationalError as error:
            raise CommandError(
                f"The database does not answer: {error}. Run the same again once it does: what was begun is"
                " finished or dropped then."
            ) from error
        except OSError as error:
            raise CommandError(f"{named} cannot be worked with: {error.strerror or error}.") from error
        for key in keys:
            self.stdout.write(key)

    def _do(self, verb: str, file: KeyFile, options: dict[str, Any]) -> None:
        if verb == "new":
            ledger_keys.make_key(file, options["name"])
            self.stderr.write(f"Made {file.path} (mode 0600). Keep a copy of it away from this machine.")
        elif verb == "add":
            ledger_keys.add_key(file)
            self.stderr.write("Both keys sign from the next checkpoint on. Give the new one to who verifies.")
        elif verb == "retire":
            gone = ledger_keys.retire_key(file, options["key"])
            self.stderr.write(f"Retired {gone}.")
        elif verb == "restored":
            key = ledger_keys.go_on_restored(file, options["reason"])
            self.stderr.write(f"The ledger goes on as {key.name}. Give its key to who verifies.")
