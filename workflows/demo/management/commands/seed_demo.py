"""Fill the demo company: people, systems, agents. Doing it again adds only what is missing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.vocabulary import Actor
from workflows.demo import company, processes, systems, workforce
from workflows.demo.erp import server
from workflows.notices.services import reading
from workflows.runs.services import install_portal


class Command(BaseCommand):
    """``manage.py seed_demo``: prints the new sign-ins, and nothing when everybody is there already."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """Say which ERP it is."""
        parser.add_argument("--erp-port", type=int, default=int(os.environ.get("ERP_PORT", "8069")))

    def handle(self, *args: Any, **options: Any) -> None:
        """Set up the company, its ERP as a system, and its agents."""
        layout = server.Layout(Path(settings.DATA_DIR))
        if not layout.keys.exists():
            raise CommandError(
                f"The ERP is not prepared: {layout.keys} is missing. "
                f"Run: python -m workflows.demo.erp install --data {layout.data}"
            )
        actor = Actor.system("demo company")
        passwords = company.set_up_company(actor=actor)
        keep_sign_ins(layout.data, passwords)
        install_portal(actor=actor)
        systems.set_up_erp(actor=actor, keys=server.read_keys(layout), port=options["erp_port"])
        workforce.set_up_workforce(actor=actor, data=layout.data)
        processes.set_up_workflows()
        for person in company.PEOPLE:
            if password := passwords.get(person.username):
                # How their company was set up is no news to them.
                reading.read_all(actor=company.person(person.username).as_actor())
                self.stdout.write(f"{person.username:8} {password}   {person.does}")


def keep_sign_ins(data: Path, passwords: dict[str, str]) -> None:
    """Add new passwords to sign-ins.json (mode 0600); those of people who were there stay."""
    if not passwords:
        return
    path = data / "sign-ins.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    server.write_private(path, json.dumps({**known, **passwords}, indent=1))
