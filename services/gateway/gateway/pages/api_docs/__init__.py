"""The API documents: the routes of the gateway and the topics. `python -m gateway.pages.api_docs FOLDER` writes them."""
