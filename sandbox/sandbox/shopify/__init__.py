"""A simulated Shopify: OAuth, the Admin GraphQL API, signed webhooks, pages for merchants, a control API for tests."""
