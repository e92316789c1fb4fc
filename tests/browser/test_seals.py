"""The page of the seals in a real browser, well and red, with sealed events of a real sequencer."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from audit import seals
from audit.models import Outlet
from audit.services import record_refusal
from audit.services.sealing_turns import tell_outlet
from audit.vocabulary import Ref, Refusal
from tests.audit.conftest import role
from tests.audit.test_sequencing import eventually
from tests.browser.conftest import check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.full]


def test_auditors_see_how_the_ledger_is_sealed(page: Page, portal, live_db, carol):
    for n in range(3):
        record_refusal(
            actor=carol.as_actor(),
            verb="audit.change_refused",
            subject=Ref("tests.thing", str(n)),
            refusal=Refusal("no", "It was refused."),
        )
    portal.start("sequencer")
    eventually(lambda: seals.standing().size == 3, seconds=60)
    sign_in(page, portal, carol)
    page.goto(f"{portal.url}/admin/audit/event/seals/")
    expect(page.get_by_text("Checkpoints stay in this house")).to_be_visible()
    expect(page.get_by_label("The checkpoint, as it was signed")).to_have_value(seals.newest_checkpoint().note)
    check_page(page)
    shoot(page, "well")
    portal.kill("sequencer")
    with role(live_db, "sequencer"):
        tell_outlet("The ledger has 3 sealed events, and 7 were signed for before.")
        Outlet.objects.create(
            name="witness+https://witness.example.com/a-long-prefix/of-an-address",
            kind="witness",
            reached=1,
            failing_since=timezone.now() - timedelta(minutes=5),
            last_error="No answer within 5 seconds.",
        )
        Outlet.objects.create(name="folder:/copies", kind="folder", reached=3, last_ok_at=timezone.now())
    page.goto(f"{portal.url}/admin/audit/event/seals/")
    expect(page.get_by_text("The ledger is not sealed")).to_be_visible()
    check_page(page)
    shoot(page, "red")
    page.goto(portal.url)
    expect(page.get_by_text("The ledger is not sealed")).to_be_visible()
    page.get_by_role("link", name="The ledger is not sealed").click()
    expect(page).to_have_url(f"{portal.url}/admin/audit/event/seals/")


def shoot(page: Page, name: str) -> None:
    """Keep pictures where ``SHOTS`` names a folder, for somebody to look at."""
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=Path(folder) / f"seals-{name}.png", full_page=True)
        page.set_viewport_size({"width": 390, "height": 844})
        page.emulate_media(color_scheme="dark")
        page.screenshot(path=Path(folder) / f"seals-{name}-phone.png", full_page=True)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1440, "height": 900})
