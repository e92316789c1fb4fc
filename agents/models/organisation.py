from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from agents.models.tracked import KeyedModel, label_form, tracked


class Department(KeyedModel):
    """A part of the company; departments form a tree, and people and agents belong to one."""

    code = models.SlugField(max_length=60, unique=True, help_text="Short stable name, e.g. finance.")
    name = models.CharField(max_length=120, help_text="The name people use.")
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="children",
        help_text="The department above. Its policies and stops bind this one too.",
    )
    manager = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="managed_departments",
        help_text="The person who answers for this department.",
    )

    calendar = models.ForeignKey(
        "agents.Calendar",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="departments",
        help_text="When this department works. Empty: as the department above, or the company.",
    )

    history = tracked()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(parent__isnull=True) | ~Q(parent=F("id")),
                name="agents_department_not_its_own_parent",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        above, seen = self.parent, {self.pk}
        while above is not None:
            if above.pk in seen:
                raise ValidationError(
                    {"parent": "A department cannot lie below itself. Choose another parent."}
                )
            seen.add(above.pk)
            above = above.parent


class Role(KeyedModel):
    """A job that agents are given: what it is for, what is expected, and the group that carries its rights."""

    code = models.SlugField(max_length=60, unique=True, help_text="Short stable name, e.g. bookkeeper.")
    name = models.CharField(max_length=120, help_text="The job title.")
    job_description = models.TextField(blank=True, help_text="What somebody in this job does, in plain words.")
    responsibilities = models.TextField(blank=True, help_text="What this job answers for, one line each.")
    expected_performance = models.TextField(
        blank=True, help_text="What good work looks like: quality, speed, volume, in plain words."
    )
    performance = models.JSONField(
        default=list,
        blank=True,
        help_text="The same as named figures: code, name, better (higher or lower), target and unit.",
    )
    labels = ArrayField(
        models.CharField(max_length=60, validators=[label_form]),
        default=list,
        blank=True,
        size=50,
        help_text="What an agent in this job should be able to do, e.g. german, scans. It gives no right.",
    )
    template = models.JSONField(
        default=dict,
        blank=True,
        editable=False,
        help_text="From which template it was taken, and what that suggests: grants, who approves.",
    )
    group = models.OneToOneField(
        "auth.Group",
        on_delete=models.PROTECT,
        related_name="role",
        help_text="The permission group of this role. What is granted to it, every agent of the role may use.",
    )

    history = tracked()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
