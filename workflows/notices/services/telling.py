"""One round of telling: find whom, bundle, send what is due. Any number may do it at the same time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from workflows.notices.models import Post
from workflows.notices.services import outgoing
from workflows.notices.services.mailing import bundle_lines, due_mails, send_mail
from workflows.notices.services.outbox import spread_notices
from workflows.notices.services.posting import send_post
from workflows.tasks.selectors import database_now

# A round ends before its job would be killed; what is left is for the next one.
MOST_SECONDS = 25.0

logger = logging.getLogger(__name__)


def tell() -> None:
    """Tell whoever is to be told now. One that fails keeps nobody else from being told."""
    until = time.monotonic() + MOST_SECONDS
    _guarded(spread_notices)
    _guarded(bundle_lines)
    now = database_now()
    for duty in (*(partial(send_mail, key) for key in due_mails(now)),
                 *(partial(send_post, key) for key in outgoing.due(Post, now))):  # fmt: skip
        if time.monotonic() > until:
            return
        _guarded(duty)


def _guarded(duty: Callable[[], object]) -> None:
    try:
        duty()
    except Exception:
        logger.exception("Somebody could not be told.")
