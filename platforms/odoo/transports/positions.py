"""The parameters of `execute_kw`: positions for what cannot be named there, names for all others."""

from platforms.odoo.calls import OdooCall


def build_arguments(call: OdooCall) -> tuple[list[object], dict[str, object]]:
    """Return the positional and the named arguments of a call.

    The ids come first. The values of `create` have no name that all versions know.
    """
    named = dict(call.parameters)
    positional: list[object] = [] if call.ids is None else [list(call.ids)]
    if call.method == "create":
        positional.append(named.pop("vals_list"))
    if call.context:
        named["context"] = dict(call.context)
    return positional, named
