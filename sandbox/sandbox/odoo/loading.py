"""`load`: creates or changes records from rows of text, by external ids, all or none."""

from typing import Any

from sandbox.odoo.environment import Environment


def load_rows(env: Environment, model: str, fields: list[str], rows: list[list[Any]]) -> dict[str, Any]:
    """Create or change records from rows of text."""
    raise NotImplementedError
