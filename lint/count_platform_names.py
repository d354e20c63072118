"""Count the shared files that name a platform: `python -m lint.count_platform_names SLUG...`.

Whoever adds a platform writes files for it, and should have to name it in very few shared files. For each slug, this
program prints the tracked shared files that name the platform. It exits with 1 when a platform is named in more than
`LIMIT` of them. Only Python and YAML files, Makefiles and Dockerfiles count. A platform's own files, tests, the
sandbox, documentation, benchmarks, the platform's steps of the demo, and generated files do not count, and neither does
what links two platforms: a link has a side for each.
"""

import subprocess
import sys
from pathlib import Path

from lint.check_names import is_generated

LIMIT = 4
SUFFIXES = {".py", ".yaml", ".yml"}
FILE_NAMES = {"Makefile", "Dockerfile"}
SHARED_EXEMPTIONS = ("sandbox/", "tests/", "docs/", "benchmarks/")
LINKS = (
    "libs/linking/",
    "services/linker/",
    "platforms/shopify/linking.py",
    "cli/merchant_sync/operating/link_",
    "deploy/k8s/base/linker.yaml",
)


def list_tracked_files(root: Path) -> list[str]:
    """Return the paths that Git tracks, relative to `root`."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name and (root / name).is_file()]


def is_counted(path: str, slug: str) -> bool:
    """Return whether `path` is a shared file of a kind that counts, and not one of the platform's own files."""
    name = path.rpartition("/")[2]
    if Path(name).suffix not in SUFFIXES and name not in FILE_NAMES:
        return False
    own_files = (f"platforms/{slug}/", f"services/{slug}-", f"deploy/k8s/platforms/{slug}/")
    if path.startswith(own_files + SHARED_EXEMPTIONS + LINKS) or "/tests/" in path:
        return False
    return not ("demo" in path and slug in path)


def find_files_naming(slug: str, root: Path) -> list[str]:
    """Return the shared files that contain the platform's name `slug`, in upper or lower case."""
    return [
        path
        for path in list_tracked_files(root)
        if is_counted(path, slug)
        and slug in (text := (root / path).read_text(errors="ignore")).lower()
        and not is_generated(text)
    ]


def main(slugs: list[str], root: Path | None = None) -> int:
    """Print, for each platform, the shared files that name it, and return the exit code.

    It is 2 without slugs, 1 if more than `LIMIT` shared files name one platform, and otherwise 0.
    """
    if not slugs:
        print("Name the platforms: python -m lint.count_platform_names SLUG...", file=sys.stderr)
        return 2
    exceeded = False
    for slug in slugs:
        paths = find_files_naming(slug.lower(), root or Path.cwd())
        print(f"{slug}: {len(paths)} shared files (at most {LIMIT})")
        for path in paths:
            print(f"  {path}")
        exceeded = exceeded or len(paths) > LIMIT
    return int(exceeded)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
