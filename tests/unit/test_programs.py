"""What tests run besides Python is named by a marker, left out of `make test`, and missed in one sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tests.conftest
from tests.conftest import pytest_runtest_setup
from tests.support import programs

TESTS = Path(__file__).resolve().parents[1]
SOURCES = sorted(path for path in TESTS.rglob("*.py") if path != Path(__file__))


class Marked:
    """A test with a marker, as far as the hook looks at it."""

    def __init__(self, marker: pytest.MarkDecorator) -> None:
        self._marks = [marker.mark]

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        return next(iter(self.iter_markers(name)), None)

    def iter_markers(self, name: str) -> list[pytest.Mark]:
        return [mark for mark in self._marks if mark.name == name]


@pytest.fixture
def bin(tmp_path, monkeypatch):
    """An empty folder, and the only one where programs are looked for besides an empty PATH."""
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    monkeypatch.setattr(programs, "_MORE_FOLDERS", (str(tmp_path),))
    return tmp_path


def install(folder: Path, name: str) -> str:
    path = folder / name
    path.touch(mode=0o755)
    return str(path)


def test_a_test_that_does_not_name_its_program_fails_wherever_it_runs(bin):
    install(bin, "wrk")
    with pytest.raises(AssertionError, match=r'mark it with @pytest.mark.needs_program\("wrk"\)'):
        programs.find_program("wrk")


def test_a_test_that_names_its_program_finds_it_outside_of_path_too(bin):
    path = install(bin, "wrk")
    pytest_runtest_setup(Marked(pytest.mark.needs_program("wrk")))
    assert programs.find_program("wrk") == path


def test_a_program_is_found_under_its_other_names(bin):
    path = install(bin, "google-chrome")
    pytest_runtest_setup(Marked(pytest.mark.needs_program("chromium")))
    assert programs.find_program("chromium") == path


def test_a_marked_test_fails_with_what_to_install(bin):
    install(bin, "haproxy")
    with pytest.raises(pytest.fail.Exception) as caught:
        pytest_runtest_setup(Marked(pytest.mark.needs_program("nginx", "haproxy", "wrk")))
    assert str(caught.value) == "These tests run nginx, wrk, not installed here: apt-get install nginx-light wrk"


def test_a_test_of_ipv6_fails_with_how_to_have_it(monkeypatch):
    monkeypatch.setattr(tests.conftest, "has_ipv6", lambda: False)
    with pytest.raises(pytest.fail.Exception, match="needs the loopback ::1: sysctl"):
        pytest_runtest_setup(Marked(pytest.mark.needs_ipv6))


def test_a_target_fails_with_one_sentence(bin, capsys):
    assert programs.main([]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.endswith(
        "apt-get install nginx-light haproxy apache2-bin wrk curl nghttp2-client systemd chromium prometheus\n"
    )
    install(bin, "nginx")
    assert programs.main(["nginx"]) == 0


def test_ci_is_told_the_packages_of_what_is_missing(bin, capsys):
    install(bin, "nginx")
    assert programs.main(["--packages"]) == 0
    assert capsys.readouterr().out == "haproxy apache2-bin wrk curl nghttp2-client systemd chromium prometheus\n"


def find_in_tests(pattern: str) -> dict[str, set[str]]:
    found = {str(path.relative_to(TESTS)): set(re.findall(pattern, path.read_text())) for path in SOURCES}
    return {name: words for name, words in found.items() if words}


def test_no_test_goes_by_what_is_installed():
    found = find_in_tests(r"shutil\.which|importorskip|pytest\.skip|mark\.skip")
    assert found == {"support/programs.py": {"shutil.which"}}


def test_every_program_is_looked_for():
    found = find_in_tests(r"""(?:Popen|run|call|check_output)\(\s*\[["']([a-z0-9_]+)["']""")
    # git: what is tested came by it. ps: only where there is no /proc.
    assert found == {
        "packaging/test_keep_history.py": {"git"},
        "benchmarks/test_regress.py": {"git"},
        "integration/test_http_sockets.py": {"ps"},
    }
