"""What answers by TLS in test_production.py: a shop of the sandbox under each name of a shop, otherwise the gateway."""

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

GATEWAY, SANDBOX = "http://gateway:5000", "http://platform:8090"
OWN_HEADERS = ("content-encoding", "content-length", "transfer-encoding", "connection")
"""Headers of a response that concern the connection to what is behind."""

client = httpx.AsyncClient(timeout=60)


async def forward(request: Request) -> Response:
    """Forward a request to what is behind its host's name, and return the response."""
    host = request.url.hostname or ""
    behind = f"{SANDBOX}/shops/{host}" if host.endswith(".myshopify.com") else GATEWAY
    answer = await client.request(
        request.method,
        f"{behind}{request.url.path}?{request.url.query}",
        headers=request.headers.raw,
        content=await request.body(),
    )
    response = Response(answer.content, answer.status_code)
    response.raw_headers += [(n, v) for n, v in answer.headers.raw if n.decode().lower() not in OWN_HEADERS]
    return response


app = Starlette(routes=[Route("/{path:path}", forward, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])])
