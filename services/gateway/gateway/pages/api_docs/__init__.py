"""The OpenAPI document of the public routes and the AsyncAPI document of the Kafka topics.

`python -m gateway.pages.api_docs FOLDER` writes both documents.
"""
