"""Base classes for every admin page: read-only records, governed objects, verbs that ask for a reason.

Three rules live here so that no page can forget them. A state changes only by POST, with a reason, through
a service. A person sees exactly the objects some permission of theirs names. A refusal leaves no trace of
success: nothing saved, nothing logged as done, and the words of the rule on the screen.
"""

from __future__ import annotations

from audit.adminkit.inlines import (
    GovernedStackedInline,
    GovernedTabularInline,
    LabelledFieldsMixin,
    ParentPermissionInlineMixin,
    ReadOnlyInlineMixin,
    ReadOnlyStackedInline,
    ReadOnlyTabularInline,
)
from audit.adminkit.pages import GovernedAdmin, ReadOnlyAdmin, ServiceAdmin
from audit.adminkit.rights import ObjectPermissionAdminMixin
from audit.adminkit.verbs import (
    REASON_HELP,
    REASON_MAX_LENGTH,
    REASON_MIN_LENGTH,
    ActingUser,
    Data,
    ReasonActionsMixin,
    ReasonForm,
    ReasonModelForm,
    Verb,
    actor_of,
    holds,
    reason_action,
    reason_field,
)

__all__ = [
    "REASON_HELP",
    "REASON_MAX_LENGTH",
    "REASON_MIN_LENGTH",
    "ActingUser",
    "Data",
    "GovernedAdmin",
    "GovernedStackedInline",
    "GovernedTabularInline",
    "LabelledFieldsMixin",
    "ObjectPermissionAdminMixin",
    "ParentPermissionInlineMixin",
    "ReadOnlyAdmin",
    "ReadOnlyInlineMixin",
    "ReadOnlyStackedInline",
    "ReadOnlyTabularInline",
    "ReasonActionsMixin",
    "ReasonForm",
    "ReasonModelForm",
    "ServiceAdmin",
    "Verb",
    "actor_of",
    "holds",
    "reason_action",
    "reason_field",
]
