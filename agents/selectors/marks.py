"""Whether the rights of people have changed, without asking what they are: one small statement for many."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import connection
from guardian.models import GroupObjectPermission, UserObjectPermission

from agents.models import Agent, User

_MARKS = """
SELECT u.id, md5(concat_ws('|', u.kind, u.password, u.is_superuser,
  coalesce((SELECT string_agg(of.group_id::text, ',' ORDER BY of.group_id)
              FROM {groups} of WHERE of.user_id = u.id), ''),
  coalesce((SELECT string_agg(own.permission_id::text, ',' ORDER BY own.permission_id)
              FROM {permissions} own WHERE own.user_id = u.id), ''),
  coalesce((SELECT string_agg(has.id::text, ',' ORDER BY has.id)
              FROM {group_permissions} has JOIN {groups} of USING (group_id) WHERE of.user_id = u.id), ''),
  coalesce((SELECT string_agg(one.id::text, ',' ORDER BY one.id)
              FROM {user_objects} one WHERE one.user_id = u.id), ''),
  coalesce((SELECT string_agg(one.id::text, ',' ORDER BY one.id)
              FROM {group_objects} one JOIN {groups} of USING (group_id) WHERE of.user_id = u.id), ''),
  coalesce((SELECT string_agg(agent.id::text, ',' ORDER BY agent.id)
              FROM {agents} agent WHERE agent.sponsor_id = u.id OR agent.deputy_id = u.id), '')))
  FROM {users} u WHERE u.id = ANY(%s) AND u.is_active
"""


def marks_of_rights(users: Collection[UUID]) -> dict[UUID, str]:
    """Return for each active user a text that changes whenever something that their rights come from does.

    These are account and password, groups, permissions of both and on single objects, and whose sponsor and
    deputy they are. Other people's accounts, and what is open for somebody at the moment, are not among it.
    """
    quoted = {name: connection.ops.quote_name(model._meta.db_table) for name, model in _tables().items()}
    with connection.cursor() as cursor:
        cursor.execute(_MARKS.format(**quoted), [list(users)])
        return dict(cursor.fetchall())


def _tables() -> dict[str, Any]:
    return {
        "users": User,
        "groups": User.groups.through,
        "permissions": User.user_permissions.through,
        "group_permissions": Group.permissions.through,
        "user_objects": UserObjectPermission,
        "group_objects": GroupObjectPermission,
        "agents": Agent,
    }
