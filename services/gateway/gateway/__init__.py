"""The gateway: the only service that is reached from outside. It owns merchants, sessions, connections and tokens."""
