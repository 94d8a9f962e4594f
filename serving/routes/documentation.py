"""`/docs` (Swagger UI from packaged files), `/openapi.json`, and the redirect from `/`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse

router = APIRouter(include_in_schema=False)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI needs styles in elements and images in `data:` URLs; scripts come from this service only."""

ASSET_HEADERS = {"Cache-Control": "public, max-age=3600"}

Asset = Literal["docs.js", "swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"]

_STATIC = Path(__file__).parents[1] / "static"


@router.get("/")
async def front_page() -> RedirectResponse:
    """Lead to the documentation until there is a page."""
    return RedirectResponse("/docs")


@router.get("/docs")
def documentation() -> FileResponse:
    """The page of Swagger UI."""
    return FileResponse(_STATIC / "docs.html", headers={"Content-Security-Policy": POLICY})


@router.get("/docs/{name}")
def documentation_asset(name: Asset) -> FileResponse:
    """A file that the page loads."""
    folder = _STATIC if name == "docs.js" else _STATIC / "swagger-ui"
    return FileResponse(folder / name, headers=ASSET_HEADERS)


# In a thread: building the document takes some tenths of a second, once in a process.
@router.get("/openapi.json")
def openapi(request: Request) -> JSONResponse:
    """The OpenAPI document."""
    return JSONResponse(request.app.openapi())
