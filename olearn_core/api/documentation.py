"""What describes the API to people and programs: /openapi.json, /docs and /docs/problems."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from olearn_core.api.operation import versioned
from olearn_core.api.problem_types import PROBLEM_TYPES, PROBLEMS_PAGE, ProblemType

OPENAPI_PATH = "/openapi.json"
DOCS_PATH = "/docs"
FILES_PATH = "/docs/files"
FILES = Path(__file__).parent / "static"
# Swagger UI writes styles into its elements; all else comes from files of ours.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
GUARDED: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

DOCS = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>olearn: HTTP API</title>
<link rel="icon" type="image/png" href="docs/files/swagger-ui/favicon-32x32.png">
<link rel="stylesheet" href="docs/files/swagger-ui/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/files/swagger-ui/swagger-ui-bundle.js"></script>
<script src="docs/files/start.js"></script>
</body>
</html>
"""
PROBLEMS = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>olearn: problems</title>
<link rel="icon" type="image/png" href="files/swagger-ui/favicon-32x32.png">
<link rel="stylesheet" href="files/problems.css">
</head>
<body>
<h1>Problems</h1>
<p>An error is answered with a problem document (RFC 9457, <code>application/problem+json</code>).
Its <code>type</code> leads to a paragraph of this page.</p>
{paragraphs}
</body>
</html>
"""


class _GuardedFiles(StaticFiles):
    """Files that a browser must not take for anything else."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(GUARDED)
        return response


def documentation(document: Mapping[str, Any]) -> list[BaseRoute]:
    """Return the routes that show an OpenAPI document and what belongs to it."""
    content = msgspec.json.encode(document)
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    problems = PROBLEMS.format(paragraphs="\n".join(map(_paragraph, PROBLEM_TYPES.values())))

    async def show_openapi(request: Request) -> Response:
        return versioned(request, content, etag)

    async def show_docs(_: Request) -> Response:
        return HTMLResponse(DOCS, headers=GUARDED)

    async def show_problems(_: Request) -> Response:
        return HTMLResponse(problems, headers=GUARDED)

    return [
        Route(OPENAPI_PATH, show_openapi),
        Route(DOCS_PATH, show_docs),
        Route(PROBLEMS_PAGE, show_problems),
        Mount(FILES_PATH, _GuardedFiles(directory=FILES)),
    ]


def _paragraph(kind: ProblemType) -> str:
    text = escape(f"{kind.means} {kind.remedy}")
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return f'<h2 id="{kind.slug}">{kind.status} {kind.title}</h2>\n<p>{marked}</p>'
