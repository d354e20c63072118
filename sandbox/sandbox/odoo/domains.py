"""Domains: the conditions of searches, in Polish notation, compiled to functions over rows."""

import operator
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sandbox.odoo.errors import build_value_error
from sandbox.odoo.fields import NUMERIC, TO_MANY, FieldDefinition, Row

if TYPE_CHECKING:
    from sandbox.odoo.environment import OdooEnvironment

Predicate = Callable[[Row], bool]
_COMPARISONS = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
_NEGATED = {"!=": "=", "<>": "=", "not in": "in", "not like": "like", "not ilike": "ilike", "not any": "any",
            "not =like": "=like", "not =ilike": "=ilike"}  # fmt: skip
_PLAIN = {"=", "==", "in", "like", "ilike", "=like", "=ilike", "=?", "child_of", "parent_of", "any", *_COMPARISONS}
_NEWER_THAN_18 = {"not =like", "not =ilike"}


def compile_domain(env: "OdooEnvironment", model: str, domain: Sequence[Any]) -> Predicate:
    """Compile a domain to a function that says of a row whether it matches.

    Raises ServerFault for a domain that is not well formed, and for fields that the model does not have.
    """
    stack: list[Predicate] = []
    expected = 0
    for item in reversed(list(domain)):
        if isinstance(item, str) and item in "&|!":
            if len(stack) < (1 if item == "!" else 2):
                raise build_value_error(f"Invalid domain term {item!r}: the domain {domain!r} is not well formed")
            stack.append(_negate(stack.pop()) if item == "!" else _join(item, stack.pop(), stack.pop()))
            continue
        if not isinstance(item, list | tuple) or len(item) != 3:
            raise build_value_error(f"Invalid leaf {item!r}")
        stack.append(compile_leaf(env, model, *item))
        expected += 1
    return lambda row: all(predicate(row) for predicate in reversed(stack))


def compile_leaf(env: "OdooEnvironment", model: str, path: Any, relation: str, value: Any) -> Predicate:
    """Compile one condition: a field or a path of fields, an operator and a value."""
    if isinstance(path, int) and path in (0, 1):
        return lambda _: path == (1 if relation == "=" else 0)
    name, _, rest = str(path).partition(".")
    if relation not in _PLAIN | _NEGATED.keys() or (relation in _NEWER_THAN_18 and env.version < 19):
        raise build_value_error(f"Invalid operator {relation!r} in domain term {(path, relation, value)!r}")
    field = env.get_fields(model).get(name)
    if field is None:
        raise build_value_error(f"Invalid field {model}.{name} in leaf {(path, relation, value)!r}")
    if rest:
        return _compile_path(env, model, field, rest, relation, value)
    if field.name == "display_name":
        return compile_leaf(env, model, env.models[model].rec_name, relation, value)
    if not field.searchable and field.compute:
        # The server only logs that the field cannot be searched, and then all records match.
        return lambda _: True
    if relation in _NEGATED:
        return _negate(_compile_plain(env, model, field, _NEGATED[relation], value))
    return _compile_plain(env, model, field, relation, value)


def _negate(predicate: Predicate) -> Predicate:
    return lambda row: not predicate(row)


def _join(sign: str, left: Predicate, right: Predicate) -> Predicate:
    if sign == "&":
        return lambda row: left(row) and right(row)
    return lambda row: left(row) or right(row)


def _compile_path(
    env: "OdooEnvironment", model: str, field: FieldDefinition, rest: str, relation: str, value: Any
) -> Predicate:
    if not field.relation:
        raise build_value_error(f"Invalid field {model}.{field.name} in leaf {(f'{field.name}.{rest}', relation)!r}")
    # A record is found through an archived one that a many2one leads to, but not through an archived member of a list.
    inner = env.extend_context(active_test=False) if field.type == "many2one" else env
    if relation in _NEGATED and field.type in TO_MANY:
        matching = set(inner.search(field.relation, [(rest, relation, value)]))
        return lambda row: not matching.isdisjoint(env.get_value(model, row, field.name) or ())
    matching = set(inner.search(field.relation, [(rest, relation, value)]))
    return _compile_members(env, model, field, matching)


def _compile_members(env: "OdooEnvironment", model: str, field: FieldDefinition, matching: set[Any]) -> Predicate:
    get = build_getter(env, model, field)
    if field.type in TO_MANY:
        return lambda row: not matching.isdisjoint(get(row) or ())
    return lambda row: get(row) in matching


def build_getter(env: "OdooEnvironment", model: str, field: FieldDefinition) -> Callable[[Row], Any]:
    """Return the function that returns the value of a field of a row."""
    if field.is_stored and not field.compute and not field.through and field.type != "one2many" and not field.translate:
        name = field.name
        return lambda row: row.get(name)
    everything = env.extend_context(active_test=False) if field.type in TO_MANY else env
    return lambda row: everything.get_value(model, row, field.name)


def _compile_plain(env: "OdooEnvironment", model: str, field: FieldDefinition, relation: str, value: Any) -> Predicate:
    if relation == "=?":
        return (lambda _: True) if value in (None, False) else _compile_plain(env, model, field, "=", value)
    if relation == "any":
        return _compile_members(env, model, field, set(env.search(field.relation, value)))
    if relation in ("child_of", "parent_of"):
        return _compile_hierarchy(env, model, field, relation, value)
    if relation in ("like", "ilike", "=like", "=ilike"):
        return _compile_text(env, model, field, relation, value)
    get = build_getter(env, model, field)
    if relation in _COMPARISONS:
        compare, bound = _COMPARISONS[relation], _prepare(field, value)
        if bound is None:
            return lambda _: False
        if field.type in NUMERIC:
            return lambda row: compare(get(row) or 0, bound)
        return lambda row: (found := get(row)) is not None and compare(found, bound)
    values = value if isinstance(value, list | tuple | set) else [value]
    if field.relation and any(isinstance(v, str) for v in values):
        named = [env.search_by_name(field.relation, v, "=") for v in values if isinstance(v, str)]
        values = [v for v in values if not isinstance(v, str)] + [number for numbers in named for number in numbers]
    wanted = {_prepare(field, v) for v in values}
    if field.type in TO_MANY:
        is_empty_wanted = None in wanted
        return lambda row: not wanted.isdisjoint(found) if (found := get(row)) else is_empty_wanted
    if field.type in NUMERIC or field.type == "boolean":
        empty = False if field.type == "boolean" else 0
        return lambda row: (get(row) or empty) in wanted
    return lambda row: get(row) in wanted


def _prepare(field: FieldDefinition, value: Any) -> Any:
    if field.type == "boolean":
        return bool(value)
    if field.type in NUMERIC:
        return float(value or 0)
    if value is None or value is False or value == "":
        return None
    if field.type == "datetime" and len(str(value)) == 10:
        return f"{value} 00:00:00"
    return int(value) if field.relation and value is not True else value


def _compile_text(env: "OdooEnvironment", model: str, field: FieldDefinition, relation: str, value: Any) -> Predicate:
    if field.relation:
        return _compile_members(env, model, field, set(env.search_by_name(field.relation, str(value), relation)))
    get = build_getter(env, model, field)
    if not value:
        return lambda _: True
    wanted = str(value) if relation.startswith("=") else f"%{value}%"
    parts = re.split(r"(\\.|[%_])", wanted)
    pattern = "".join({"%": ".*", "_": "."}.get(part) or re.escape(part.removeprefix("\\")) for part in parts)
    compiled = re.compile(pattern, re.DOTALL | (re.IGNORECASE if "ilike" in relation else 0))
    return lambda row: (found := get(row)) is not None and compiled.fullmatch(str(found)) is not None


def _compile_hierarchy(
    env: "OdooEnvironment", model: str, field: FieldDefinition, relation: str, value: Any
) -> Predicate:
    target = field.relation or model
    values = value if isinstance(value, list | tuple) else [value]
    found: set[int] = set()
    for item in values:
        found.update(env.search_by_name(target, item, "ilike") if isinstance(item, str) else [int(item)])
    parent = "location_id" if target == "stock.location" else "parent_id"
    while True:
        if relation == "child_of":
            more = {child for number in found for child in env.database.find_referring(target, parent, number)}
        else:
            rows = [env.database.find(target, number) for number in found]
            more = {row[parent] for row in rows if row and row.get(parent)}
        if more <= found:
            break
        found |= more
    if not field.relation:
        return lambda row: row["id"] in found
    return _compile_members(env, model, field, found)
