"""Mail to people: what came for one goes into one mail, at most one in five minutes."""

from __future__ import annotations

import smtplib
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.validators import validate_email
from django.db import connection, transaction
from django.urls import reverse

from agents.models import User
from audit.wording import language_written_to, zone_of
from workflows.notices import selectors
from workflows.notices.models import Line, Mail, Notice
from workflows.notices.policies import Reader, letter_of
from workflows.notices.services import outgoing
from workflows.tasks.selectors import database_now

# Which advisory lock is held while lines are put into mails: two at once would make two mails of one.
BUNDLING = 0x4E4F5449
MOST_LINES = 1000
MOST_REFERENCES = 20
# Of how much a mail says more than that it waits, too.
MOST_SHOWN = 50


@transaction.atomic
def bundle_lines() -> int:
    """Put what is due for each person into one mail; return how many mails that makes."""
    if not selectors.mail_is_set_up() or not _alone():
        return 0
    due = selectors.lines_due(database_now())[:MOST_LINES]
    by_person = groupby(sorted(due, key=lambda line: str(line.person_id)), key=lambda line: line.person_id)
    return sum(_bundle(person_id, list(lines)) for person_id, lines in by_person)


def send_mail(mail_id: UUID) -> None:
    """Send one mail, if it is due and any of it still waits for its person."""
    mail = outgoing.claim(Mail, mail_id)
    if mail is None:
        return
    person = User.objects.get(pk=mail.person_id)
    notices = _still_needed(mail, person)
    if not notices:
        outgoing.dropped(mail, "Nothing of it waits for this person any more.")
        return
    try:
        message = written(mail, person, notices)
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        refusals = [code for code, _ in error.recipients.values()]
        outgoing.failed(mail, f"The address was refused: {refusals}", for_good=min(refusals, default=0) >= 500)
    except ValidationError:
        outgoing.failed(mail, "The address of this person is no address of mail.", for_good=True)
    except (smtplib.SMTPException, OSError, ValueError) as error:
        outgoing.failed(mail, f"{type(error).__name__}: {error}")
    else:
        outgoing.arrived(mail)


def written(mail: Mail, person: User, notices: Sequence[Notice]) -> EmailMultiAlternatives:
    """Return the mail as it is sent, in the language of its person, as plain text and as HTML.

    Raises ValidationError for an address that is none. Its Message-ID follows from its key: a mail that comes
    twice is seen to be one. What comes later about the same task refers to it, so that they stand together.
    """
    validate_email(person.email)
    letter = letter_of(
        [selectors.item_of(notice) for notice in notices[:MOST_SHOWN]],
        Reader(language_written_to(person), zone_of(person)),
        inbox=selectors.address_of(reverse("inbox")),
        settings=selectors.address_of(reverse("notifications")),
        more=len(notices[MOST_SHOWN:]),
    )
    message = EmailMultiAlternatives(
        subject=letter.subject,
        body=letter.text,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[person.email],
        headers={
            "Message-ID": _message_id(mail.pk),
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            **_thread_of(mail),
        },
    )
    message.attach_alternative(letter.html, "text/html")
    return message


def _message_id(key: UUID) -> str:
    return f"<{key}@{urlsplit(settings.PUBLIC_URL).hostname or 'localhost'}>"


def _thread_of(mail: Mail) -> dict[str, str]:
    """Return the headers that put a mail under the earlier ones about its task (RFC 5322 section 3.6.4)."""
    before = [_message_id(key) for key in selectors.mails_before(mail)][-MOST_REFERENCES:]
    return {"In-Reply-To": before[-1], "References": " ".join(before)} if before else {}


def due_mails(now: datetime) -> Iterable[UUID]:
    """Return which mails are to be tried now, the oldest first."""
    return outgoing.due(Mail, now) if selectors.mail_is_set_up() else []


def _alone() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [BUNDLING])
        return bool(cursor.fetchone()[0])


def _bundle(person_id: UUID, lines: list[Line]) -> int:
    mail = Mail.objects.create(person_id=person_id)
    for line in lines:
        line.mail = mail
        line.save(update_fields=["mail"])
    return 1


def _still_needed(mail: Mail, person: User) -> list[Notice]:
    """Return what of a mail is told: each task once, and only what this person may act on now."""
    found: dict[UUID, Line] = {}
    for line in mail.lines.select_related("notice__task").order_by("pk"):
        found[line.notice.task_id] = line
    return [
        line.notice
        for line in found.values()
        if person.email and selectors.may_act_now(person, line.notice.task)
    ]
