from __future__ import annotations

from django.apps import AppConfig

READERS = ("Managers", "Operators", "Auditors")


class DocumentsConfig(AppConfig):
    name = "workflows.documents"
    label = "documents"
    verbose_name = "Documents"

    def ready(self) -> None:
        from agents.registry import register_role_permissions
        from audit import evidence
        from audit.registry import register_verbs
        from workflows.documents import services

        services.register_classes()
        for group in READERS:
            register_role_permissions(group, ["documents.view_document", "documents.view_delivery"])
        register_verbs(
            {
                "documents.document_stored": "Somebody brought a document.",
                "documents.document_read": "An agent read a document.",
                "documents.document_damaged": "The bytes of a document are missing or altered.",
            }
        )
        evidence.register(
            evidence.event_table(
                "incidents.documents",
                "Documents that were damaged",
                "Documents whose bytes were found missing or altered.",
                ("documents.document_damaged",),
                empty="No document was found damaged in this period.",
            )
        )
