"""The HTTP routes of files: those that apps upload before a mutation names them, and the results of bulk operations.

As at Shopify, neither takes an access token: what allows a call is the address that only the app was told.
"""

from collections.abc import Iterable

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.shopify.bulk_operations import MAXIMUM_UPLOAD_BYTES
from sandbox.shopify.shop_registry import ShopRegistry

_XML = "application/xml"


def build_routes(registry: ShopRegistry) -> list[Route]:
    """Build the routes under `/shops/{shop}/staged-uploads` and `/shops/{shop}/bulk-operation-outputs`."""
    files = _Files(registry)
    return [
        Route("/shops/{shop}/staged-uploads/", files.save_upload, methods=["POST"]),
        Route("/shops/{shop}/bulk-operation-outputs/{number:int}.jsonl", files.show_result, methods=["GET"]),
    ]


class _Files:
    def __init__(self, registry: ShopRegistry) -> None:
        self._registry = registry

    async def save_upload(self, request: Request) -> Response:
        """Store the file in a form whose fields are all parameters of an upload target, followed by the file."""
        tenant = self._registry.find_shop(request.path_params["shop"])
        form = await request.form(max_part_size=MAXIMUM_UPLOAD_BYTES)
        *parameters, last = form.multi_items() or [("", "")]
        key = str(dict(parameters).get("key", ""))
        if tenant is None or key not in tenant.bulk.uploads:
            return _refuse(403, "AccessDenied", "The policy does not allow this key.")
        if last[0] != "file" or not isinstance(last[1], UploadFile):
            return _refuse(400, "InvalidArgument", "The file must be the last field of the form.")
        body = await last[1].read()
        if len(body) > MAXIMUM_UPLOAD_BYTES:
            return _refuse(400, "EntityTooLarge", "The file is too large.")
        tenant.bulk.uploads[key] = body
        return Response(f"<PostResponse><Key>{key}</Key></PostResponse>", 201, media_type=_XML)

    async def show_result(self, request: Request) -> Response:
        """Return the result of a bulk operation, whole or as far as the operation came."""
        tenant = self._registry.find_shop(request.path_params["shop"])
        operation = tenant.bulk.by_number.get(request.path_params["number"]) if tenant is not None else None
        if operation is None or operation.is_open:
            return _refuse(404, "NoSuchKey", "The specified key does not exist.")
        return Response(_join_lines(operation.results), media_type="application/jsonl")


def _join_lines(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _refuse(status: int, code: str, message: str) -> Response:
    return Response(f"<Error><Code>{code}</Code><Message>{message}</Message></Error>", status, media_type=_XML)
