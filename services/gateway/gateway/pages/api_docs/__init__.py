"""The API documents: the gateway's routes and the topics. `python -m gateway.pages.api_docs FOLDER` writes them."""
