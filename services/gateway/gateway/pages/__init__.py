"""Pages and JSON for merchants, the description of the API, and what all routes need to answer with."""
