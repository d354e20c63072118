"""Errors of the simulated database, with the numbers and texts of MariaDB."""


class DatabaseError(Exception):
    """The database refuses a statement. `code` is MariaDB's number for the error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ConnectionRefusedByDatabaseError(Exception):
    """The database accepts no connection. `state` is the SQL state and `code` the number, e.g. `HY000` and 1045."""

    def __init__(self, code: int, message: str, state: str = "HY000") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.state = state


def build_syntax_error(near: str) -> DatabaseError:
    """Build the error for a statement that is not understood. `near` is where it stops to be."""
    return DatabaseError(
        1064,
        "You have an error in your SQL syntax; check the manual that corresponds to your MariaDB server version for"
        f" the right syntax to use near '{near[:80]}' at line 1",
    )


def build_missing_table_error(database: str, table: str) -> DatabaseError:
    """Build the error for a table that does not exist."""
    return DatabaseError(1146, f"Table '{database}.{table}' doesn't exist")


def build_denied_error(command: str, username: str, database: str, table: str) -> DatabaseError:
    """Build the error for a command for which the user has no right."""
    return DatabaseError(
        1142, f"{command} command denied to user '{username}'@'localhost' for table `{database}`.`{table}`"
    )
