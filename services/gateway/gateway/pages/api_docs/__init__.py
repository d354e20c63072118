"""The description of the public routes and of the topics. `python -m gateway.pages.api_docs FOLDER` writes both."""
