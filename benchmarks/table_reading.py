"""Measure how a table behind a real phpMyAdmin is read: time, CPU, requests, memory, and what an unchanged one costs.

`python -m benchmarks.table_reading [--rows 1000000] [--texts 200000] [--no-pauses]`

One table has a number as its key, the other one a text. Each is read by the product's source, with and without the
pauses that it makes for the host, and by a script that exports the table as CSV into memory. It needs Debian's packages
that `services/phpmyadmin-fetcher/tests/debian-packages.txt` lists.

The exit code is 1 when rows are missing or the source takes more than 200 MB.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.formatting import format_megabytes, format_table
from benchmarks.resource_usage import measure_other_load
from benchmarks.table_reader import TableRead
from benchmarks.workers import build_command

MAX_BYTES = 200 * 1000 * 1000
_HARNESS = Path(__file__).parents[1] / "services" / "phpmyadmin-fetcher" / "tests"
_LOGIN = {"username": "reading", "password": "a-password", "server": "1", "database": "shop"}
_NUMBERS, _TEXTS = "orders", "visits"


class MeasuredTables:
    """Two tables of a MariaDB behind a phpMyAdmin. `login` reads them."""

    def __init__(self, mariadb: Any, url: str) -> None:
        self._mariadb = mariadb
        self.login = {**_LOGIN, "url": url}

    def fill(self, rows: int, texts: int) -> None:
        """Make the tables, and a user who may read them."""
        self._mariadb.execute(
            "CREATE DATABASE shop",
            f"CREATE TABLE shop.{_NUMBERS} (id INT PRIMARY KEY, first_name VARCHAR(50), last_name VARCHAR(50),"
            " total DECIMAL(10,2), status ENUM('new','paid','shipped'), created TIMESTAMP NULL, note TEXT)",
            f"INSERT INTO shop.{_NUMBERS} SELECT seq, CONCAT('First', seq % 977), CONCAT('Last', seq % 7919),"
            " seq % 99991 / 100, 1 + seq % 3, FROM_UNIXTIME(1700000000 + seq), IF(seq % 5, NULL,"
            f" CONCAT('a note, \"with\" quotes ', MD5(seq))) FROM shop.seq_1_to_{rows}",
            f"CREATE TABLE shop.{_TEXTS} (code CHAR(36) PRIMARY KEY, page VARCHAR(100), at DATETIME)",
            f"INSERT INTO shop.{_TEXTS} SELECT INSERT(INSERT(INSERT(INSERT(MD5(seq), 21, 0, '-'), 17, 0, '-'), 13, 0,"
            f" '-'), 9, 0, '-'), CONCAT('/page/', seq), '2026-01-01' FROM shop.seq_1_to_{texts}",
        )
        self._mariadb.create_user(_LOGIN["username"], _LOGIN["password"], "SELECT ON shop.*")

    def compute_truth(self, table: str) -> tuple[int, int]:
        """Return the number of rows, and the sum of the CRC-32 of their keys."""
        key = "id" if table == _NUMBERS else "code"
        ((rows, checksum),) = self._mariadb.execute(f"SELECT COUNT(*), SUM(CRC32({key})) FROM shop.{table}")
        return int(rows), int(checksum)

    def forget_update_times(self) -> None:
        """Restart the database, which does not know afterwards when tables were changed."""
        self._mariadb.stop()
        self._mariadb.start()

    def read(self, table: str, how: str, previous: TableRead | None = None) -> TableRead:
        """Read a table in a process of its own. `previous` is the read that the next full sync knows of."""
        known = {"sync_id": previous.sync_id, "state": previous.state} if previous else None
        asked = json.dumps({"login": self.login, "table": table, "how": how, "previous": known})
        command = build_command("table_reader")
        done = subprocess.run(command, input=f"{asked}\n", capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
        return TableRead(**json.loads(done.stdout))


@contextmanager
def run_measured_tables() -> Iterator[MeasuredTables]:
    """Run a MariaDB and a phpMyAdmin while the context lasts."""
    sys.path.append(str(_HARNESS))
    harness = import_module("real_phpmyadmin")
    harness.require_packages()
    with harness.open_folder() as folder:
        mariadb = harness.MariaDb(folder)
        mariadb.install()
        mariadb.start()
        place = folder / "phpmyadmin"
        place.mkdir()
        server = harness.PhpMyAdmin(place, mariadb.port, harness.Configuration())
        try:
            server.install()
            server.start()
            yield MeasuredTables(mariadb, server.url)
        finally:
            server.stop()
            mariadb.kill()


def measure_table(tables: MeasuredTables, table: str, hows: list[str]) -> tuple[list[tuple[str, TableRead]], bool]:
    """Read a table in all ways, and once more when nothing has changed. Return the reads, and whether all is well."""
    truth, reads = tables.compute_truth(table), list[tuple[str, TableRead]]()
    is_right = True
    for how in hows:
        read = tables.read(table, how)
        reads.append((how, read))
        is_right &= (read.rows, read.checksum) == truth and (how == "script" or read.peak_bytes <= MAX_BYTES)
    source = next(read for how, read in reads if how != "script")
    unchanged = [("unchanged, by its time", tables.read(table, "source", source))]
    tables.forget_update_times()
    unchanged.append(("unchanged, by sums", tables.read(table, "source", source)))
    return reads + unchanged, is_right and all(read.rows == 0 for _, read in unchanged)


def format_report(table: str, reads: list[tuple[str, TableRead]]) -> str:
    """Format the reads of one table."""
    rows = [
        (
            *(how, f"{read.rows:,}", f"{read.seconds:.1f} s", f"{read.cpu_seconds:.1f} s", read.requests),
            *(format_megabytes(read.received_bytes), format_megabytes(read.peak_bytes)),
        )
        for how, read in reads
    ]
    return format_table([table, "rows", "time", "CPU", "requests", "received", "VmHWM"], rows)


def main() -> int:
    """Run the benchmark, and print its report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--texts", type=int, default=200_000)
    parser.add_argument("--no-pauses", action="store_true", help="leave out the reads with pauses")
    options = parser.parse_args()
    hows = ["source", *([] if options.no_pauses else ["source with pauses"]), "script"]
    is_right = True
    with run_measured_tables() as tables:
        tables.fill(options.rows, options.texts)
        for table in (_NUMBERS, _TEXTS):
            with measure_other_load() as describe_other_load:
                reads, is_table_right = measure_table(tables, table, hows)
            print(format_report(table, reads))
            print(f"  {describe_other_load()}", flush=True)
            is_right &= is_table_right
    if not is_right:
        print("  rows are missing, or the source takes too much memory", file=sys.stderr)
    return int(not is_right)


if __name__ == "__main__":
    sys.exit(main())
