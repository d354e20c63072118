"""HTML pages and JSON for merchants, the API documents, and the responses that all routes share."""
