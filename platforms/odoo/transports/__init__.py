"""The external APIs of Odoo: one interface, an adapter for each."""

from platforms.odoo.http import OdooHttp
from platforms.odoo.logins import OdooLogin, TransportName
from platforms.odoo.transports.interface import Transport
from platforms.odoo.transports.json2 import Json2Transport
from platforms.odoo.transports.jsonrpc import JsonRpcTransport
from platforms.odoo.transports.xmlrpc import XmlRpcTransport

__all__ = ["Transport", "create_transport"]


def create_transport(name: TransportName, http: OdooHttp, login: OdooLogin) -> Transport:
    """Return the adapter of this API for a login."""
    if name is TransportName.JSON2:
        return Json2Transport(http, login)
    return JsonRpcTransport(http, login) if name is TransportName.JSONRPC else XmlRpcTransport(http, login)
