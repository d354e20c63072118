"""HTTP for the data API: a dispatcher over a table of declared operations, and the OpenAPI document of the same table.

It is ASGI without a framework, because a request is to cost little more than the server itself.
"""
