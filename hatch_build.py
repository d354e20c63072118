"""Build hook: every package of libs, services, sandbox and cli, and all platforms, without a list to keep by hand.

A new service or platform is then a folder, and no line in pyproject.toml.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_PARENTS = ("libs/*/*/__init__.py", "services/*/*/__init__.py", "sandbox/*/__init__.py", "cli/*/__init__.py")
_EXCLUDED = {"tests", "__pycache__"}


def find_packages(root: Path) -> list[Path]:
    """Return the folders of all packages of the distribution."""
    found = [init.parent for pattern in _PARENTS for init in root.glob(pattern) if init.parent.name != "tests"]
    return [root / "platforms", *sorted(found)]


def find_files(package: Path) -> list[Path]:
    """Return the files of a package that belong into a wheel: all but tests and bytecode."""
    return [
        path
        for path in sorted(package.rglob("*"))
        if path.is_file() and not _EXCLUDED & set(path.relative_to(package).parts) and path.suffix != ".pyc"
    ]


class PackagesHook(BuildHookInterface[Any]):
    """Adds the packages to a wheel, or their parent folders to an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill `build_data` for the build `version`, which is `standard` or `editable`."""
        root = Path(self.root)
        packages = find_packages(root)
        if version != "editable":
            build_data["force_include"].update(
                {
                    str(path): path.relative_to(package.parent).as_posix()
                    for package in packages
                    for path in find_files(package)
                }
            )
            return
        folders = dict.fromkeys(str(package.parent) for package in packages)
        paths = Path(self.directory) / "merchant_sync_packages.pth"
        paths.parent.mkdir(parents=True, exist_ok=True)
        paths.write_text("\n".join(folders) + "\n")
        build_data["force_include_editable"][str(paths)] = "merchant_sync_packages.pth"
