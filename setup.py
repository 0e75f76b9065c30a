"""Which modules are compiled, what happens when they cannot be, and the README for PyPI. All else is in pyproject.toml.

GASGI_EXTENSIONS=auto (default) compiles, and installs the pure version when that fails; ``require`` fails instead;
``off`` does not try and gives a wheel for any platform.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

PACKAGE = Path("src/gasgi")
LINK = re.compile(r"\]\((?!https?:|#)([^)\s]+)\)")
PAGE = re.compile(r"docs/([\w-]+)\.md")
MODES = ("auto", "require", "off")

# Bounds checks stay on: a module that can prove a bound says so at the loop.
DIRECTIVES = {
    "language_level": 3,
    # Annotations are for mypy. The C types stand in the .pxd, so that both versions accept the same values.
    "annotation_typing": False,
    # Without it a free-threaded Python switches its GIL on. A connection and all that belongs to it are touched by the
    # thread of the loop alone; what an application may hand to other threads are Python's own dicts, lists and bytes.
    "freethreading_compatible": True,
}


def read_mode() -> str:
    """Return the switch; a misspelt value stops the build."""
    mode = os.environ.get("GASGI_EXTENSIONS") or "auto"
    if mode not in MODES:
        raise SystemExit(f"GASGI_EXTENSIONS={mode!r}: choose one of {', '.join(MODES)}")
    return mode


def sources() -> list[Path]:
    """Return what is compiled: every .pyx, and every .py that has a .pxd beside it."""
    augmented = [path for path in PACKAGE.rglob("*.py") if path.with_suffix(".pxd").exists()]
    return sorted([*PACKAGE.rglob("*.pyx"), *augmented])


def module_name(path: Path) -> str:
    """Return the dotted name of the module that ``path`` is the source of."""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def extensions(mode: str) -> list[Extension]:
    """Return the extensions, not translated to C yet; an empty list means a pure build."""
    if mode == "off":
        return []
    # -O3 for the masking and copying loops; -g0 because debug information makes the wheel four times as large and perf
    # needs none of it. Whoever sets CFLAGS knows what they want and gets only that.
    flags = [] if "CFLAGS" in os.environ or sys.platform == "win32" else ["-O3", "-g0"]
    return [
        Extension(module_name(path), [str(path)], extra_compile_args=flags, optional=mode == "auto")
        for path in sources()
    ]


class BuildAllOrNothing(build_ext):
    """Build every extension or, in auto mode, none.

    Compiled modules call each other through C, so half a set cannot work.
    """

    def finalize_options(self) -> None:
        super().finalize_options()
        if self.parallel is None:
            self.parallel = os.cpu_count()

    def run(self) -> None:
        self.remove_orphans()
        self.translate()
        super().run()
        missing = [module.name for module in self.extensions if not Path(self.built_path(module)).exists()]
        if missing:
            self.warn(f"gasgi: not compiled: {', '.join(missing)}; this build is the pure-Python version")
            for module in self.extensions:
                for path in {self.built_path(module), self.get_ext_fullpath(module.name)}:
                    Path(path).unlink(missing_ok=True)

    def build_extension(self, module: Extension) -> None:
        try:
            super().build_extension(module)
        except BaseException:
            # What an earlier build left there would pass for this one.
            Path(self.built_path(module)).unlink(missing_ok=True)
            raise

    def translate(self) -> None:
        """Turn the sources into C. Here, because every step of a build runs setup.py and only this one compiles."""
        from Cython.Build import cythonize

        translated = cythonize(self.extensions, build_dir="build/cython", compiler_directives=DIRECTIVES)
        made = {module.name: module for module in translated}
        for module in self.extensions:
            # Only these two: the objects that cythonize() makes have lost ``optional``.
            module.sources = made[module.name].sources
            module.depends = made[module.name].depends

    def built_path(self, module: Extension) -> str:
        """Return where setuptools puts the module before an in-place build copies it."""
        return os.path.join(self.build_lib, self.get_ext_filename(self.get_ext_fullname(module.name)))

    def remove_orphans(self) -> None:
        """Delete in-place modules of this interpreter whose source is no longer compiled: they would hide the .py."""
        suffix = self.get_ext_filename("")
        wanted = {Path(self.get_ext_fullpath(module.name)) for module in self.extensions} if self.inplace else set()
        for path in PACKAGE.rglob(f"*{suffix}"):
            if self.inplace and path.resolve() not in wanted:
                path.unlink()


def read_description() -> str:
    """Return the README with absolute links: pages and pictures on the site, other files in the repository."""
    urls = dict(
        re.findall(r'^(Documentation|Source) = "(.+)"$', Path("pyproject.toml").read_text("utf-8"), re.MULTILINE)
    )

    def make_absolute(match: re.Match[str]) -> str:
        target, hash_sign, section = match[1].partition("#")
        page = PAGE.fullmatch(target)
        if page is not None:
            target = urls["Documentation"] + ("" if page[1] == "index" else f"{page[1]}.html")
        elif target.endswith(".svg"):
            target = urls["Documentation"] + target.removeprefix("docs/")
        else:
            target = f"{urls['Source']}/blob/main/{target}"
        return f"]({target}{hash_sign}{section})"

    return LINK.sub(make_absolute, Path("README.md").read_text("utf-8"))


if __name__ == "__main__":
    setup(
        ext_modules=extensions(read_mode()),
        cmdclass={"build_ext": BuildAllOrNothing},
        long_description=read_description(),
        long_description_content_type="text/markdown",
    )
