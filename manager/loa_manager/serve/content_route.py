"""The content tree over HTTP: the same static files that any web server may serve.

A path is one of the few forms of the tree, or it is not there: no listing, no way out of the tree.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from loa_protocol.scope import is_scope

_DIGEST: Final = re.compile(r"(?:objects|media)/([0-9a-f]{64})")
_STATE: Final = re.compile(r"state/(.+)/(?:settings|assignment|standing)")
_ROOT: Final = re.compile(r"root/[1-9][0-9]{0,9}")
_PROOF: Final = re.compile(r"proof/(.+)/_")
_MAX_SMALL: Final = 1 << 20  # bundles and proofs are far below; media are never read whole
_FOREVER: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"


@dataclass(frozen=True, slots=True)
class Place:
    """A file of the tree: its path below the tree, and its digest where the name is one."""

    path: str
    digest: str


def locate(path: str) -> Place | None:
    """Return the place that the URL *path* (decoded, without a leading slash) names, if any."""
    if path in ("head", "bulletins") or _ROOT.fullmatch(path):
        return Place(path, "")
    if named := _DIGEST.fullmatch(path):
        return Place(path, named[1])
    scoped = _STATE.fullmatch(path) or _PROOF.fullmatch(path)
    return Place(path, "") if scoped and is_scope(scoped[1]) else None


def serve_content(root: Path, request: Request) -> Response:
    """Answer a GET or HEAD for a file below *root*.

    Raises:
        HTTPException: 404 when there is no such file.
    """
    place = locate(request.path_params["path"])
    file = None if place is None else root / place.path
    if place is None or file is None or not file.is_file():
        raise HTTPException(404, "not_here")
    if place.digest:
        return _serve_for_ever(file, place.digest, request)
    try:
        with file.open("rb") as stream:
            data = stream.read(_MAX_SMALL)
    except OSError:
        raise HTTPException(404, "not_here") from None
    headers = _headers(hashlib.sha256(data).hexdigest(), _ASK_AGAIN)
    if _is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type="application/octet-stream")


def _serve_for_ever(file: Path, digest: str, request: Request) -> Response:
    headers = _headers(digest, _FOREVER)
    if _is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return FileResponse(file, headers=headers, media_type="application/octet-stream")


def _headers(digest: str, cache: str) -> dict[str, str]:
    return {
        "ETag": f'"{digest}"',
        "Cache-Control": cache,
        "X-Content-Type-Options": "nosniff",
    }


def _is_known(request: Request, etag: str) -> bool:
    known = request.headers.get("if-none-match", "")
    return etag in {each.strip().removeprefix("W/") for each in known.split(",")} or known == "*"
