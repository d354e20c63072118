"""A simulated Shopify: OAuth, Admin GraphQL API, signed webhooks, HTML pages for merchants, a control API for tests."""
