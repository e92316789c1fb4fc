"""Hints to workers that somebody is to be told. Losing one costs seconds: the clock asks, too."""

from __future__ import annotations

import logging

from celery import current_app

from workflows.notices.choices import WINDOW_MINUTES

TELL = "workflows.notices.jobs.tell"
TELL_WHEN = f"""
EXISTS (SELECT FROM notices_notice WHERE spread_at IS NULL)
OR EXISTS (SELECT FROM notices_mail WHERE state = 'waiting' AND next_at <= statement_timestamp())
OR EXISTS (SELECT FROM notices_post WHERE state = 'waiting' AND next_at <= statement_timestamp())
OR EXISTS (
    SELECT FROM notices_line AS line
     WHERE line.mail_id IS NULL AND NOT line.is_dropped AND line.due_at <= statement_timestamp()
       AND NOT EXISTS (
           SELECT FROM notices_mail AS mail
            WHERE mail.person_id = line.person_id
              AND (mail.state = 'waiting'
                   OR mail.created_at > statement_timestamp() - interval '{WINDOW_MINUTES} minutes')))
"""

logger = logging.getLogger(__name__)


def hint_tell() -> None:
    """Ask a worker to tell whoever is to be told; without a broker the clock does it."""
    try:
        current_app.send_task(TELL, retry=False, expires=60)
    except Exception:  # noqa: BLE001 - the broker is not needed for the truth, only for speed
        logger.warning("Nobody could be told now that people are to be told of something.")
