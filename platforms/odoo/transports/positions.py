"""The parameters of `execute_kw`: positions for what cannot be named there, names for all others."""

from platforms.odoo.calls import OdooCall

_VALUES = {"create": "vals_list", "write": "vals"}
"""The name of the values of a method, which it takes by position."""


def build_arguments(call: OdooCall) -> tuple[list[object], dict[str, object]]:
    """Return the positional and the named arguments of a call.

    The ids come first, then the values of `create` and `write`, which have other names at other models.
    """
    named = dict(call.parameters)
    positional: list[object] = [] if call.ids is None else [list(call.ids)]
    if call.method in _VALUES:
        positional.append(named.pop(_VALUES[call.method]))
    if call.context:
        named["context"] = dict(call.context)
    return positional, named
