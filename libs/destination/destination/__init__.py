"""How any writer runs: a service that writes to one platform what links have decided."""
