"""`/openapi.json`, and `/`: the documentation of the API, as one page that loads nothing from anywhere."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse

from serving.documentation import render_documentation

router = APIRouter(include_in_schema=False)

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)


# In threads: the document takes some tenths of a second when it is made, once a process.
@router.get("/openapi.json")
def openapi(request: Request) -> JSONResponse:
    """The document."""
    return JSONResponse(request.app.openapi())


@router.get("/")
def documentation(request: Request) -> HTMLResponse:
    """The page."""
    return HTMLResponse(
        render_documentation(request.app.openapi()), headers={"Content-Security-Policy": POLICY}
    )
