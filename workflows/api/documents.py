"""Documents over HTTP: the bytes are the body as they are, and come back as an attachment, nothing else."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.http import FileResponse
from django.http.request import HttpRequest, UnreadablePostError
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics
from rest_framework.exceptions import APIException, UnsupportedMediaType, ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from workflows.api.serializers import DocumentSerializer, ProblemSerializer
from workflows.documents import selectors, services
from workflows.documents.policies import plain_media_type
from workflows.permissions import IsKnown, caller

problem = OpenApiResponse(ProblemSerializer, description="Refused; the problem says why and what to do next.")
# A browser that opens it all the same shows nothing and runs nothing.
LOCKED_UP = "default-src 'none'; sandbox"
FORMS = re.compile(r"multipart/|application/x-www-form-urlencoded", re.IGNORECASE)


class LengthRequired(APIException):
    """The length of a body has to be said before it comes (RFC 9110 section 15.5.12)."""

    status_code = 411
    default_code = "length_required"
    default_detail = "The document was refused: nobody said how long it is. Send Content-Length."


class Untouched(BaseParser):
    """Leaves the body alone: a session's token is looked for in the form first, and this body is no form."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Return nothing and read nothing."""
        return {}


class Documents(generics.ListAPIView):
    """The documents the caller may see."""

    serializer_class = DocumentSerializer
    parser_classes = [Untouched]
    permission_classes = [IsKnown]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what would be read into memory, or read for nothing, before anything reads the body."""
        if request.method == "POST":
            _require_plain_body(request)
        super().initial(request, *args, **kwargs)

    def get_queryset(self) -> Any:
        """Return what the caller may see, by digest if asked."""
        found = selectors.visible_to(caller(self.request))
        if sha256 := self.request.query_params.get("sha256"):
            if not re.fullmatch(r"[0-9a-f]{64}", sha256):
                raise ValidationError({"sha256": ["A SHA-256 is 64 hexadecimal digits in lower case."]})
            found = found.filter(sha256=sha256)
        return found

    @extend_schema(
        operation_id="list_documents",
        parameters=[OpenApiParameter("sha256", str, description="Only the document with this SHA-256.")],
        responses={200: DocumentSerializer(many=True), 422: problem},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the documents the caller may see, newest first."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="upload_document",
        parameters=[OpenApiParameter("name", str, description="File name; folders in it are dropped.")],
        request={"*/*": OpenApiTypes.BINARY},
        responses={
            200: OpenApiResponse(DocumentSerializer, description="These bytes were known already."),
            201: DocumentSerializer,
            **dict.fromkeys((411, 413, 415, 422), problem),
        },
    )
    def post(self, request: Request) -> Response:
        """Upload a document: its bytes are the whole body. The same bytes twice are the same document."""
        document = services.store_document(
            actor=caller(request).as_actor(),
            name=request.query_params.get("name", ""),
            media_type=request.META.get("CONTENT_TYPE", ""),
            content=_Body(request._request),
            source="upload",
            size=_announced(request),
        )
        response = Response(DocumentSerializer(document).data, status=201 if document.is_new else 200)
        response["Location"] = reverse("workflows-api:document", args=[document.pk])
        return response


class DocumentDetail(generics.RetrieveAPIView):
    """One document, without its bytes."""

    serializer_class = DocumentSerializer
    permission_classes = [IsKnown]
    lookup_url_kwarg = "document_id"

    def get_queryset(self) -> Any:
        """Return what the caller may see; anything else is not found."""
        return selectors.visible_to(caller(self.request))

    @extend_schema(operation_id="read_document", responses={200: DocumentSerializer, 404: problem})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Read what a document is: digest, size, name, and the media type its bringer named."""
        return super().get(request, *args, **kwargs)


class AsItIs(BaseContentNegotiation):
    """Bytes have one form, whatever the caller would accept; refusals are problems."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """Return the renderer of problems."""
        return renderers[0], renderers[0].media_type

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """Return the one parser."""
        return parsers[0]


class DocumentContent(generics.GenericAPIView):
    """The bytes of one document."""

    permission_classes = [IsKnown]
    content_negotiation_class = AsItIs
    lookup_url_kwarg = "document_id"

    def get_queryset(self) -> Any:
        """Return what the caller may see; anything else is not found."""
        return selectors.visible_to(caller(self.request))

    @extend_schema(
        operation_id="read_document_content",
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            **dict.fromkeys((404, 409), problem),
        },
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> FileResponse:
        """Fetch the bytes, checked against the digest before the first one is sent; always an attachment."""
        document = self.get_object()
        file = services.open_document(actor=caller(request).as_actor(), document=document)
        response = FileResponse(
            file, as_attachment=True, filename=document.name, content_type="application/octet-stream"
        )
        response.block_size = services.CHUNK
        response["ETag"] = f'"{document.sha256}"'
        response["X-Content-Type-Options"] = "nosniff"
        response["Content-Security-Policy"] = LOCKED_UP
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        return response


class _Body:
    """The body of a request, a piece at a time; one that breaks off simply ends, and is too short then."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    def read(self, size: int, /) -> bytes:
        try:
            return self._request.read(size)
        except UnreadablePostError:
            return b""


def _require_plain_body(request: Request) -> None:
    """A form would be read into memory by whoever looks for a field in it, before any limit of ours."""
    kind = request.META.get("CONTENT_TYPE", "")
    if FORMS.match(kind.strip()):
        raise UnsupportedMediaType(
            plain_media_type(kind),
            "The document was refused: it came in a form. Send its bytes as the whole body, with its own type.",
        )
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        raise LengthRequired
    size = _announced(request)
    if size > settings.DOCUMENT_MOST_BYTES:
        raise services.too_large(size)


def _announced(request: Request) -> int:
    """Return how many bytes were announced; what is no number announces none, as the server reads it."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isascii() and length.isdigit() and len(length) < 19 else 0
