"""A real MariaDB and real phpMyAdmins in front of it; and a source on a database that is simulated."""

from collections.abc import Callable, Iterator

import pytest

from fake_database import Bench, Clock
from real_phpmyadmin import Configuration, MariaDb, PhpMyAdmin, StartPhpMyAdmin, open_folder, require_packages
from table_worlds import RealWorld, SimulatedWorld, TableWorld, run_sandbox


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """Run an empty MariaDB for the test session. A test that stops it starts it again."""
    require_packages()
    with open_folder() as folder:
        server = MariaDb(folder)
        server.install()
        server.start()
        yield server
        server.kill()


@pytest.fixture(scope="session")
def start_phpmyadmin(mariadb: MariaDb) -> Iterator[StartPhpMyAdmin]:
    """Return what starts a phpMyAdmin of a configuration, once for the test session, in front of the MariaDB."""
    started: dict[str, PhpMyAdmin] = {}
    with open_folder() as folder:

        def start(configuration: Configuration) -> PhpMyAdmin:
            key = repr(configuration)
            if key not in started:
                place = folder / str(len(started))
                place.mkdir()
                server = PhpMyAdmin(place, mariadb.port, configuration)
                server.install()
                server.start()
                started[key] = server
            return started[key]

        yield start
        for server in started.values():
            server.stop()


@pytest.fixture(scope="session")
def phpmyadmin(start_phpmyadmin: StartPhpMyAdmin) -> PhpMyAdmin:
    """Run a phpMyAdmin with the login form, and everything else as Debian has it."""
    return start_phpmyadmin(Configuration())


@pytest.fixture
def bench() -> Bench:
    """A source on a database of its own."""
    return Bench()


@pytest.fixture
def clock() -> Clock:
    """A clock that tests move."""
    return Clock()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedWorld]:
    """Run the simulated phpMyAdmin."""
    folder = tmp_path_factory.mktemp("sandbox")
    with run_sandbox(folder, folder / "sandbox.log") as http:
        yield SimulatedWorld(http)


@pytest.fixture(scope="session")
def reality(phpmyadmin: PhpMyAdmin, mariadb: MariaDb) -> RealWorld:
    """Make the database and the user behind the real phpMyAdmin."""
    world = RealWorld(phpmyadmin, mariadb)
    world.prepare()
    return world


@pytest.fixture
def simulated(sandbox: SimulatedWorld) -> Iterator[SimulatedWorld]:
    """Give the simulated phpMyAdmin to one test, and switch off then what it has switched on."""
    yield sandbox
    sandbox.reset()


@pytest.fixture(params=["simulated", "real"])
def world(request: pytest.FixtureRequest) -> TableWorld:
    """Give the simulated phpMyAdmin, and then the real one."""
    name = "simulated" if request.param == "simulated" else "reality"
    found: TableWorld = request.getfixturevalue(name)
    return found


@pytest.fixture
def csv_world(start_phpmyadmin: StartPhpMyAdmin) -> Callable[[TableWorld], TableWorld]:
    """Return what removes the export as JSON from a world."""

    def remove(world: TableWorld) -> TableWorld:
        if isinstance(world, SimulatedWorld):
            world.control("PUT", "/setup", {"has_json_export": False})
            return world
        assert isinstance(world, RealWorld)
        other = RealWorld(start_phpmyadmin(Configuration(has_json=False)), world.mariadb)
        other.adopt_login(world)
        return other

    return remove
