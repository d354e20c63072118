"""What can be wrong with an answer of a phpMyAdmin. Nothing is recognised by words of a page, which are translated."""

from platform_sdk.errors import PermanentError, TokenRejectedError, TransientError

ACCESS_DENIED_CODES = frozenset({1044, 1045, 1251, 1698, 1820, 1862, 3118, 4151})
"""The numbers with which MySQL and MariaDB refuse a user or a password: wrong, expired, locked, or of another kind."""
NO_RIGHT_CODES = frozenset({1142, 1143, 1227, 1370})
NO_TABLE_CODES = frozenset({1049, 1146})
NO_COLUMN_CODE = 1054
TIME_CODES = frozenset({1969, 3024})
"""A statement has taken longer than the database allows."""
INTERRUPTED_CODES = frozenset({1053, 1205, 1213, 1317, 1927, 2006, 2013})
"""A statement was killed, or its connection, or the database shuts down; or it has waited too long for a lock."""


class SignInRefusedError(TokenRejectedError):
    """The phpMyAdmin or its database does not accept the user or the password."""


class SignInUnclearError(PermanentError):
    """A phpMyAdmin with HTTP Basic answers 401, which it also does when its database is away. It is not asked again."""

    def __init__(self) -> None:
        super().__init__("the phpMyAdmin does not accept the user and password, or its database does not answer")


class SignInImpossibleError(PermanentError):
    """A program cannot sign in at this phpMyAdmin. `reason` says why, and what to ask its host for."""


class NotPhpMyAdminError(PermanentError):
    """There is no phpMyAdmin at the address, or it leads elsewhere. `reason` says what to correct."""


class SignedOutError(TransientError):
    """The session has ended: instead of what was asked for, the form for signing in has come."""


class JsonUnavailableError(TransientError):
    """The host has removed the export as JSON."""


class CutAnswerError(TransientError):
    """An answer is not whole: it is cut off, or something else stands in it. No row of it counts as the last one."""


class SlowAnswerError(TransientError):
    """No whole answer has come in time."""


class StatementRefusedError(PermanentError):
    """The database refuses a statement. `code` is its number for the error; 0 where none is given."""

    def __init__(self, code: int) -> None:
        super().__init__(_describe(code), retryable=code not in NO_RIGHT_CODES | NO_TABLE_CODES)
        self.code = code


def build_statement_error(code: int) -> PermanentError | TransientError:
    """Return what follows from the number of the database's error: some say nothing about the statement itself."""
    if code in TIME_CODES:
        return SlowAnswerError(f"the statement takes longer than the database allows (error {code})")
    if code in INTERRUPTED_CODES:
        return CutAnswerError(f"the database has broken off the statement (error {code})")
    return StatementRefusedError(code)


def _describe(code: int) -> str:
    if code in NO_RIGHT_CODES:
        return f"the user may not read this table (error {code}): the right to SELECT is missing"
    if code in NO_TABLE_CODES:
        return f"the table does not exist any more (error {code})"
    return (
        f"the database refuses to read the table (error {code})" if code else "the database refuses to read the table"
    )
