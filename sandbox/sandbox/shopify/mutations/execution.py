"""How mutations of the shop's data are executed: once for each idempotency key, not for records that faults name.

All of them are counted and logged.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from graphql import GraphQLEnumType, GraphQLObjectType, GraphQLOutputType, get_named_type

from sandbox.shopify.errors import build_field_error
from sandbox.shopify.fields.context import Args, Context, Resolver
from sandbox.shopify.idempotency import IdempotentCall
from sandbox.shopify.mutations import stock
from sandbox.shopify.mutations.user_errors import UserError, build_user_error

Payload = dict[str, Any]
IDEMPOTENT = frozenset({"inventorySetQuantities", "inventoryAdjustQuantities", "inventoryActivate"})
"""The mutations that need the directive @idempotent since 2026-04."""
_ROWS = {
    "inventorySetQuantities": ("quantities", "InventoryQuantityInput"),
    "inventoryAdjustQuantities": ("changes", "InventoryChangeInput"),
}


def execute_mutation(name: str, resolve: Resolver, context: Context, args: Args, kind: GraphQLOutputType) -> Payload:
    """Execute the mutation `name` with the resolver `resolve`, and return its payload, which has the type `kind`."""
    assert callable(resolve)
    _check_arguments(name, context, args)
    key = context.idempotency_key if name in IDEMPOTENT else None
    fingerprint = orjson.dumps([name, args], option=orjson.OPT_SORT_KEYS)
    attempt = context.attempts.get(key) if key is not None else None
    if key is not None and context.faults.use_up_fault("concurrent_writes"):
        message = "This request is currently in progress, please try again."
        payload = _build_refusal(context, kind, None, message, "IDEMPOTENCY_CONCURRENT_REQUEST")
    elif attempt is not None:
        payload = _repeat(context, attempt, fingerprint, kind)
    else:
        payload = _refuse_poisoned(context, args, kind) or resolve(None, context, args)
        if key is not None:
            context.attempts[key] = IdempotentCall(fingerprint, payload if not _list_errors(payload) else None)
    codes = [str(error["code"] or error["message"]) for error in _list_errors(payload)]
    context.statistics.record_write(name, list_gids(args), codes, key, is_repeated=attempt is not None)
    return payload


def _check_arguments(name: str, context: Context, args: Args) -> None:
    if name in _ROWS:
        field, input_type = _ROWS[name]
        stock.check_required_arguments(context.version, args["input"][field], input_type)
    if name in IDEMPOTENT and context.version >= "2026-04" and context.idempotency_key is None:
        message = "The @idempotent directive is required for this mutation but was not provided."
        raise build_field_error(message, "BAD_REQUEST")


def _list_errors(payload: Payload) -> list[UserError]:
    return payload.get("userErrors") or payload.get("mediaUserErrors") or []


def _repeat(context: Context, attempt: IdempotentCall, fingerprint: bytes, kind: GraphQLOutputType) -> Payload:
    """Return the payload of the attempt with the same key, without any effect; or why it cannot be repeated."""
    if attempt.fingerprint != fingerprint:
        message = "The same idempotency key cannot be used with different operation parameters."
        return _build_refusal(context, kind, None, message, "IDEMPOTENCY_KEY_PARAMETER_MISMATCH")
    if attempt.payload is None:
        message = "A previous request with this idempotency key failed. Retry with a new idempotency key."
        return _build_refusal(context, kind, None, message, "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED")
    return attempt.payload


def _refuse_poisoned(context: Context, args: Args, kind: GraphQLOutputType) -> Payload | None:
    """Return the refusal of a mutation that names a record of the fault `refused_records`, or None."""
    refused = context.faults.refused_records
    if not refused:
        return None
    path = next((path for path, value in _walk(args, ()) if value in refused), None)
    return _build_refusal(context, kind, path, "Record is invalid", "INVALID_INPUT") if path is not None else None


def _build_refusal(
    context: Context, kind: GraphQLOutputType, path: tuple[str | int, ...] | None, message: str, code: str
) -> Payload:
    payload_type = get_named_type(kind)
    assert isinstance(payload_type, GraphQLObjectType)
    payload: Payload = dict.fromkeys(payload_type.fields)
    if "shop" in payload:
        payload["shop"] = context.shop
    for name in ("userErrors", "mediaUserErrors"):
        if name in payload:
            known = _list_codes(payload_type.fields[name].type)
            payload[name] = [build_user_error(path, message, code if code in known else None)]
    return payload


def _list_codes(error_type: GraphQLOutputType) -> Mapping[str, Any]:
    named = get_named_type(error_type)
    field = named.fields.get("code") if isinstance(named, GraphQLObjectType) else None
    codes = get_named_type(field.type) if field is not None else None
    return codes.values if isinstance(codes, GraphQLEnumType) else {}


def list_gids(args: Args) -> list[str]:
    """List the gids in the arguments of a mutation."""
    return [value for _, value in _walk(args, ()) if value.startswith("gid://")]


def _walk(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield all texts in `value`, each with the path to it."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _walk(part, (*path, name))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _walk(part, (*path, index))
