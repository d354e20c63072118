"""How models and their fields are defined."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.odoo.environment import OdooEnvironment

Row = dict[str, Any]
"""A stored record. An empty value is None, a many2one the id, a many2many a list of ids. A one2many is not stored."""

Compute = Callable[["OdooEnvironment", Row], Any]
"""Returns the value of a computed field in the form in which rows have values."""

Inverse = Callable[["OdooEnvironment", Row, Any], None]
"""Writes the value of a computed field to the records that it is computed from."""

NUMERIC = frozenset({"integer", "float", "monetary"})
TO_MANY = frozenset({"one2many", "many2many"})
OLDEST, NEWEST = 17, 19
"""The oldest and the newest version of Odoo that is simulated."""


def round_half_up(value: float, digits: int) -> float:
    """Return a number rounded to so many decimals; a half is rounded away from zero."""
    return float(Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


@dataclass(frozen=True, slots=True)
class FieldDefinition:
    """A field of a model.

    - `relation` and `inverse_name`: the other model, and for a one2many its many2one that leads back.
    - `ondelete`: what happens to this record when the record of a many2one is deleted.
    - `compute`, `inverse`: make a computed field. One without `inverse` is read-only; one that is not `searchable` is
      ignored in domains.
    - `is_stored`: whether the server stores it, computed or not: records can be ordered by it.
    - `digits`: the decimals that numbers are rounded to; 0: all are kept.
    - `through`: the many2one to the record that really has the field.
    - `app`: the app that adds the field; "" for one that is always there.
    - `is_internal`: a part of how this server keeps its state, which clients do not see.
    - `since`, `until`: the versions of Odoo that have the field.
    """

    name: str
    type: str
    string: str
    relation: str = ""
    inverse_name: str = ""
    selection: tuple[tuple[str, str], ...] = ()
    ondelete: str = "set null"
    required: bool = False
    readonly: bool = False
    translate: bool = False
    default: Any = None
    compute: Compute | None = None
    inverse: Inverse | None = None
    searchable: bool = True
    is_stored: bool = True
    through: str = ""
    company_dependent: bool = False
    digits: int = 0
    app: str = ""
    is_internal: bool = False
    since: int = OLDEST
    until: int = NEWEST

    def convert(self, value: Any) -> Any:
        """Return a value that a client sent as rows have it. Raises ValueError for one that the field cannot have."""
        if self.type == "boolean":
            return bool(value)
        if self.type == "integer":
            return int(value or 0)
        if self.type in NUMERIC:
            return round_half_up(float(value or 0), self.digits) if self.digits else float(value or 0)
        if value is None or value is False or value == "":
            return None
        match self.type:
            case "many2one":
                return int(value[0] if isinstance(value, list | tuple) else value)
            case "selection":
                if value not in dict(self.selection):
                    raise ValueError(value)
                return value
            case "datetime":
                return f"{value!s:.19}" if len(str(value)) > 10 else f"{value} 00:00:00"
            case "date":
                return str(value)[:10]
            case "char" | "text":
                return str(value)
            case "html":
                return str(value) if str(value).startswith("<") else f"<p>{escape(str(value), quote=False)}</p>"
            case "many2one_reference":
                return int(value)
        return value


@dataclass(frozen=True, slots=True)
class ModelDefinition:
    """A model: its fields, how its records are ordered and named, and what happens when they change.

    - `name_record`: returns the display name; without it, that is the value of `rec_name`.
    - `inherits`: the model whose fields this one has too, and the many2one that leads to its record.
    - `after_create` gets the ids, `before_write` and `after_write` the ids and the values, `before_unlink` the ids.
    - `unique`: fields of which no two records have the same values, with the message for those who try.
    """

    name: str
    description: str
    fields: Mapping[str, FieldDefinition]
    order: str = "id"
    rec_name: str = "name"
    name_record: "Callable[[OdooEnvironment, Row], str] | None" = None
    inherits: tuple[str, str] | None = None
    before_create: "Callable[[OdooEnvironment, Row], Row] | None" = None
    after_create: "Callable[[OdooEnvironment, list[int]], None] | None" = None
    before_write: "Callable[[OdooEnvironment, list[int], Row], None] | None" = None
    after_write: "Callable[[OdooEnvironment, list[int], Row], None] | None" = None
    before_unlink: "Callable[[OdooEnvironment, list[int]], None] | None" = None
    search_filter: "Callable[[OdooEnvironment, list[Any]], list[Any]] | None" = None
    since: int = OLDEST
    app: str = ""
    unique: "tuple[tuple[tuple[str, ...], str], ...]" = ()
    indexed: tuple[str, ...] = ()
    """Further stored fields by whose values records are found without looking at all."""
    links: tuple[str, ...] = ()
    """The stored many2ones, by which referring records are found."""


Fields = Sequence[FieldDefinition]


def define_field(
    kind: str, name: str, string: str, relation: str = "", inverse_name: str = "", **options: Any
) -> FieldDefinition:
    """Define a field of a kind, e.g. `char`. `string` is what people call it; the options are those of the class."""
    return FieldDefinition(name, kind, string, relation, inverse_name, **options)


char = partial(define_field, "char")
text = partial(define_field, "text")
html = partial(define_field, "html")
integer = partial(define_field, "integer")
number = partial(define_field, "float")
boolean = partial(define_field, "boolean")
moment = partial(define_field, "datetime")
day = partial(define_field, "date")
binary = partial(define_field, "binary")
reference = partial(define_field, "many2one_reference")
many2one = partial(define_field, "many2one")
one2many = partial(define_field, "one2many")
many2many = partial(define_field, "many2many")


def define_choice(name: str, string: str, selection: Mapping[str, str], **options: Any) -> FieldDefinition:
    """Define a field with one of several values. `selection` has their labels."""
    return FieldDefinition(name, "selection", string, selection=tuple(selection.items()), **options)


def define_computed(definition: FieldDefinition, compute: Compute, **options: Any) -> FieldDefinition:
    """Define a field that is computed. It is stored only if the options say `is_stored`."""
    return replace(
        definition,
        compute=compute,
        **{"is_stored": False, "readonly": "inverse" not in options, "searchable": False, **options},
    )


@dataclass(slots=True)
class ModelList:
    """The models of one version of Odoo with its installed apps, by name."""

    version: int
    apps: frozenset[str]
    models: dict[str, ModelDefinition] = field(default_factory=dict)

    def add(self, definition: ModelDefinition, fields: Fields) -> None:
        """Add a model with those of the fields that the version has, and with the fields that every model has."""
        if definition.since > self.version or (definition.app and definition.app not in self.apps):
            return
        chosen = {f.name: f for f in (*fields, *LOG_FIELDS) if self._has(f)}
        if definition.inherits:
            parent, link = definition.inherits
            for name, inherited in self.models[parent].fields.items():
                if name not in chosen:
                    chosen[name] = replace(inherited, through=link, is_stored=False, compute=None, inverse=None)
        links = tuple(f.name for f in chosen.values() if f.type == "many2one" and f.is_stored and not f.through)
        self.models[definition.name] = replace(definition, fields=chosen, links=links)

    def _has(self, field: FieldDefinition) -> bool:
        return field.since <= self.version <= field.until and (not field.app or field.app in self.apps)


LOG_FIELDS: Fields = (
    integer("id", "ID", readonly=True),
    char("display_name", "Display Name", readonly=True, is_stored=False),
    moment("create_date", "Created on", readonly=True),
    many2one("create_uid", "Created by", "res.users", readonly=True),
    moment("write_date", "Last Updated on", readonly=True),
    many2one("write_uid", "Last Updated by", "res.users", readonly=True),
)
"""The fields that every model has."""
