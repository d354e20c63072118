"""The baseline for the data API: FastAPI as its documentation shows it, with a document as a dict in memory.

The file of the document is named by the environment variable `DOCUMENT`.
"""

import json
import os
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

DOCUMENT: dict[str, Any] = json.loads(Path(os.environ["DOCUMENT"]).read_bytes()) if "DOCUMENT" in os.environ else {}

app = FastAPI()


@app.get("/snapshot", response_model=None)
async def get_snapshot() -> dict[str, Any]:
    """Return the document, as in the first steps of the documentation: FastAPI knows no type of it."""
    return DOCUMENT


@app.get("/typed-snapshot")
async def get_typed_snapshot() -> dict[str, Any]:
    """Return the document with a declared type, with which pydantic writes the JSON at once."""
    return DOCUMENT


@app.get("/health")
async def report_health() -> dict[str, str]:
    """Answer that the process runs."""
    return {"status": "ok"}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), access_log=False)
