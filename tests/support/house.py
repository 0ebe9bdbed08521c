"""What the rules of the house are read from: packages, lock file, pages, tracked files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[2]
FOLDERS: Final = {  # each with the packages that live in it
    "protocol": ("loa_protocol", "loa_sound"),
    "endpoint": ("loa_endpoint",),
    "manager": ("loa_manager",),
    "hwsim": ("loa_hwsim", "loa_lab"),
}
_FENCE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")


def project(folder: str = "") -> dict[str, Any]:
    """Return the table ``project`` of a ``pyproject.toml``; of the root's without *folder*."""
    text = (ROOT / folder / "pyproject.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)["project"])


def needs(folder: str) -> set[str]:
    """Return what the package of *folder* declares, its own extras left out."""
    return set(project(folder)["dependencies"])


def extra(folder: str, name: str) -> set[str]:
    """Return what an extra adds."""
    return set(project(folder)["optional-dependencies"][name])


def ours(requirement: str) -> bool:
    """Tell whether this is one of the four."""
    return Requirement(requirement).name.startswith("loa-")


def name_of(requirement: str) -> str:
    """Return the distribution that a requirement asks for."""
    return canonicalize_name(Requirement(requirement).name)


def imported(folder: str) -> set[str]:
    """Return the distributions that the code of *folder* imports, ours apart."""
    modules: set[str] = set()
    for package in FOLDERS[folder]:
        for path in (ROOT / folder / package).rglob("*.py"):
            modules |= set(_imports(ast.parse(path.read_text(encoding="utf-8"))))
    known: Mapping[str, list[str]] = packages_distributions()
    others = {m for m in modules if m not in sys.stdlib_module_names and not m.startswith("loa_")}
    return {canonicalize_name(known.get(module, [module])[0]) for module in others}


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def locked() -> dict[str, str]:
    """Return name and version of each line of the lock file.

    Raises:
        ValueError: a line is neither a pinned name, a hash nor a comment.
    """
    found: dict[str, str] = {}
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"([A-Za-z0-9._-]+)==([^ ;]+)(?: ; [^\\]+)? \\", line):
            found[canonicalize_name(match[1])] = match[2]
        elif not re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?|#.*|", line):
            raise ValueError(line)
    return found


def tracked(pattern: str = "*") -> list[Path]:
    """Return the files of the repository that match *pattern*."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", pattern], cwd=ROOT, check=True, capture_output=True
    )
    paths = (ROOT / name.decode() for name in listed.stdout.split(b"\0") if name)
    return [path for path in paths if path.is_file()]  # one that is being deleted is listed still


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Yield the file and the heading that each link of *page* into this repository means."""
    for target in _LINK.findall(prose(page)):
        if "://" not in target and not target.startswith("mailto:"):
            path, _hash, heading = target.partition("#")
            yield (page.parent / path if path else page), heading


def headings(page: Path) -> set[str]:
    """Return the headings of *page* as links name them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
