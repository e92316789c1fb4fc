"""Whom to tell and of what, and what is news to somebody."""

from __future__ import annotations

from workflows.notices.selectors.items import address_of, item_of
from workflows.notices.selectors.news import (
    MOST_COUNTED,
    News,
    is_unread,
    news_for,
    reading_of,
    unread_news,
    unread_waiting,
)
from workflows.notices.selectors.telling import (
    channels_of,
    channels_of_agents,
    channels_of_role,
    counts,
    how_of,
    is_anybody_told,
    lines_due,
    mail_is_set_up,
    mails_before,
    may_act_now,
    visible_events,
    who_may_act,
)

__all__ = [
    "MOST_COUNTED",
    "News",
    "address_of",
    "channels_of",
    "channels_of_agents",
    "channels_of_role",
    "counts",
    "how_of",
    "is_anybody_told",
    "is_unread",
    "item_of",
    "lines_due",
    "mail_is_set_up",
    "mails_before",
    "may_act_now",
    "news_for",
    "reading_of",
    "unread_news",
    "unread_waiting",
    "visible_events",
    "who_may_act",
]
