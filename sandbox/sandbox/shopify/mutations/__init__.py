"""The mutations of a shop's data, as the Admin API has them. `tables` lists them, `execution` executes one."""
