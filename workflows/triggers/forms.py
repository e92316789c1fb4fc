"""What people fill in about what starts workflows."""

from __future__ import annotations

from audit.adminkit import ReasonModelForm
from workflows.triggers.models import WatchedFolder


class WatchedFolderForm(ReasonModelForm):
    """A folder whose files start runs."""

    class Meta:
        model = WatchedFolder
        fields = ["name", "folder", "workflow", "input_member", "is_enabled"]
