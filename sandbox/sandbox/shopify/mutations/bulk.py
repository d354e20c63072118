"""The mutations of bulk operations and of staged uploads, and the queries of bulk operations."""

import uuid
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    parse,
    validate,
    visit,
)

from sandbox.shopify.bulk_operations import CONCURRENT_OPERATIONS, MAXIMUM_UPLOAD_BYTES, BulkOperation
from sandbox.shopify.fields.context import Args, Context, Resolver, parse_gid_number
from sandbox.shopify.gids import build_gid
from sandbox.shopify.mutations.user_errors import UserError, build_user_error
from sandbox.shopify.pagination import NodePage, build_page
from sandbox.shopify.search import Reader, parse_search

_MAXIMUM_TEXT_BYTES = 65_535
_IDENTIFIER_LENGTHS = (10, 255)
_INVALID = "INVALID_MUTATION"
_NOT_FOUND = (
    "The JSONL file could not be found. Try uploading the file again, and check that you've entered the URL correctly "
    "for the stagedUploadPath mutation argument."
)
_SEARCHABLE: dict[str, Reader] = {
    "status": lambda o: o.status,
    "operation_type": lambda _: "mutation",
    "created_at": lambda o: o.created_at,
}


def _run_mutation(_: Any, context: Context, args: Args) -> dict[str, Any]:
    upload = context.bulk.uploads.get(args["stagedUploadPath"])
    error = (
        _find_document_error(context.schema, args["mutation"])
        or _find_identifier_error(args.get("clientIdentifier"))
        or _find_upload_error(upload)
        or _find_place_error(context)
    )
    if error is not None or upload is None:
        return {"bulkOperation": None, "userErrors": [error]}
    lines = [line for line in upload.split(b"\n") if line.strip()]
    operation = BulkOperation(
        context.shop.allocate_number(), args["mutation"], lines, context.now, context.scopes, context.api_key,
        context.version,
    )  # fmt: skip
    context.bulk.put([operation])
    return {"bulkOperation": operation, "userErrors": []}


def _find_document_error(schema: GraphQLSchema, text: str) -> UserError | None:
    size = len(text.encode())
    if size > _MAXIMUM_TEXT_BYTES:
        message = f"is too large ({size} bytes; maximum is {_MAXIMUM_TEXT_BYTES} bytes)"
        return build_user_error(["query"], message, _INVALID)
    try:
        document = parse(text)
    except GraphQLError as error:
        return build_user_error(None, f"Failed to parse the mutation - {error.message}", _INVALID)
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) != 1 or operations[0].operation is not OperationType.MUTATION:
        message = "Invalid operation type. Only `mutation` operations are supported."
        return build_user_error(None, message, _INVALID)
    fields = [node for node in operations[0].selection_set.selections if isinstance(node, FieldNode)]
    if len(fields) != 1:
        return build_user_error(["mutation"], "You must specify a single top level mutation.")
    if fields[0].name.value.startswith("bulkOperationRun"):
        return build_user_error(["mutation"], "You must use an allowed mutation name.")
    problems = validate(schema, document, max_errors=1, hide_suggestions=True)
    if problems:
        return build_user_error(["mutation"], problems[0].message, _INVALID)
    if _count_connections(schema, document) > 1:
        return build_user_error(["mutation"], "Bulk mutations cannot contain more than 1 connection.")
    return None


def _count_connections(schema: GraphQLSchema, document: DocumentNode) -> int:
    count = 0
    types = TypeInfo(schema)

    class Counter(Visitor):
        def enter_field(self, *_: Any) -> None:
            nonlocal count
            kind = types.get_type()
            count += kind is not None and get_named_type(kind).name.endswith("Connection")

    visit(document, TypeInfoVisitor(types, Counter()))
    return count


def _find_identifier_error(identifier: str | None) -> UserError | None:
    if identifier is None:
        return None
    shortest, longest = _IDENTIFIER_LENGTHS
    if len(identifier) < shortest:
        return build_user_error(["clientIdentifier"], f"is too short (minimum is {shortest} characters)", _INVALID)
    if len(identifier) > longest:
        return build_user_error(["clientIdentifier"], f"is too long (maximum is {longest} characters)", _INVALID)
    return None


def _find_upload_error(upload: bytes | None) -> UserError | None:
    if upload is None:
        return build_user_error(None, _NOT_FOUND, "NO_SUCH_FILE")
    if not upload.strip():
        return build_user_error(None, "The input file is empty.", "INVALID_STAGED_UPLOAD_FILE")
    if len(upload) > MAXIMUM_UPLOAD_BYTES:
        message = "The input file size exceeds the maximum allowed size of 100 MB."
        return build_user_error(None, message, "INVALID_STAGED_UPLOAD_FILE")
    return None


def _find_place_error(context: Context) -> UserError | None:
    """Return the error of an operation that finds no place, because five of the app are open in the shop."""
    running = context.bulk.list_open()
    if len(running) < CONCURRENT_OPERATIONS:
        return None
    gids = ", ".join(build_gid("BulkOperation", operation.number) for operation in running)
    message = f"A bulk mutation operation for this app and shop is already in progress: {gids}."
    return build_user_error(None, message, "OPERATION_IN_PROGRESS")


def _cancel(_: Any, context: Context, args: Args) -> dict[str, Any]:
    operation = _find_operation(_, context, args)
    if operation is None:
        error = build_user_error(["id"], "Bulk operation does not exist")
        return {"bulkOperation": None, "userErrors": [error]}
    if not operation.is_open:
        message = f"A bulk operation cannot be canceled when it is {operation.status.lower()}"
        return {"bulkOperation": operation, "userErrors": [build_user_error(None, message)]}
    operation.status = "CANCELING"
    return {"bulkOperation": operation, "userErrors": []}


def _create_uploads(_: Any, context: Context, args: Args) -> dict[str, Any]:
    targets = [_create_upload(context, fields) for fields in args["input"]]
    return {"stagedTargets": targets, "userErrors": []}


def _create_upload(context: Context, fields: dict[str, Any]) -> dict[str, Any]:
    """Return where a file is uploaded to, and the form fields that go before it."""
    is_bulk = fields["resource"] == "BULK_MUTATION_VARIABLES"
    folder = "bulk" if is_bulk else "files"
    key = f"tmp/{context.shop.profile.number}/{folder}/{uuid.uuid4()}/{fields['filename']}"
    context.bulk.uploads[key] = None
    url = f"{context.public_url}/shops/{context.shop.domain}/staged-uploads/"
    parameters = {"Content-Type": fields["mimeType"], "success_action_status": "201", "acl": "private", "key": key}
    return {
        "url": url,
        "resourceUrl": url if is_bulk else url + key,
        "parameters": [{"name": name, "value": value} for name, value in parameters.items()],
    }


def _find_operation(_: Any, context: Context, args: Args) -> BulkOperation | None:
    return context.bulk.by_number.get(parse_gid_number(args["id"], "BulkOperation"))


def _list_operations(_: Any, context: Context, args: Args) -> NodePage:
    search = parse_search(args.get("query"), _SEARCHABLE)
    if search.warnings:
        context.search.append({"path": ["bulkOperations"], "query": args.get("query"), "warnings": search.warnings})
    matches = [operation for operation in context.bulk.by_number.values() if search.has_matching_fields(operation)]
    return build_page(sorted(matches, key=_get_key), _get_key, args)


def _get_key(operation: BulkOperation) -> tuple[str, int]:
    return operation.created_at, operation.number


def _find_current(_: Any, context: Context, args: Args) -> BulkOperation | None:
    is_wanted = args.get("type") == "MUTATION"
    return max(context.bulk.by_number.values(), key=_get_key, default=None) if is_wanted else None


def _build_url(operation: BulkOperation, context: Context, status: str) -> str | None:
    """Return the URL of the result of an operation that has come to the end `status`; None without a result."""
    if operation.is_open or not operation.results or (operation.status == "COMPLETED") != (status == "COMPLETED"):
        return None
    return f"{context.public_url}/shops/{context.shop.domain}/bulk-operation-outputs/{operation.number}.jsonl"


MUTATIONS: dict[str, Resolver] = {
    "bulkOperationRunMutation": _run_mutation,
    "bulkOperationCancel": _cancel,
    "stagedUploadsCreate": _create_uploads,
}
QUERIES: dict[str, Resolver] = {
    "bulkOperation": _find_operation,
    "bulkOperations": _list_operations,
    "currentBulkOperation": _find_current,
}
FIELDS: dict[str, dict[str, Resolver]] = {
    "BulkOperation": {
        "id": lambda o, _: build_gid("BulkOperation", o.number),
        "type": lambda _, __: "MUTATION",
        "objectCount": lambda o, _: str(o.position),
        "rootObjectCount": lambda o, _: str(o.position),
        "fileSize": lambda o, _: str(o.file_size) if o.status == "COMPLETED" else None,
        "url": lambda o, context: _build_url(o, context, "COMPLETED"),
        "partialDataUrl": lambda o, context: _build_url(o, context, "FAILED"),
    },
    "BulkOperationConnection": {"pageInfo": lambda o, _: o},
}
