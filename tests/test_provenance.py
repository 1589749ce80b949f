from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import scipy

from hinton06 import provenance


@pytest.fixture(autouse=True)
def _nothing_remembered():
    """Each test asks anew, and leaves nothing behind for others."""
    cached = (provenance.version, provenance.git_revision, provenance.machine)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """The package seems to lie in a folder of its own."""
    (tmp_path / "hinton06").mkdir()
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "hinton06" / "provenance.py"))
    return tmp_path


def test_a_description_goes_through_json_unchanged():
    described = provenance.describe()
    assert json.loads(json.dumps(described)) == described


def test_the_versions_are_those_that_run():
    described = provenance.describe()
    assert described["python"] == platform.python_version()
    for module in (np, scipy, h5py):
        assert described[module.__name__] == module.__version__


def test_the_blas_is_named_with_its_version():
    assert provenance._blas_name(
        {"internal_api": "openblas", "version": "0.3.30", "architecture": "Haswell"}
    ) == ("openblas 0.3.30 Haswell")
    assert provenance._blas_name({"internal_api": "mkl", "version": "2025"}) == "mkl 2025"


def test_code_that_runs_without_being_installed_says_so(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert provenance.version() == "not installed"


def test_an_installed_package_says_its_version(monkeypatch):
    monkeypatch.setattr(metadata, "version", {"hinton06": "9.8.7"}.__getitem__)
    assert provenance.version() == "9.8.7"


def test_without_a_checkout_there_is_no_revision(checkout, monkeypatch):
    def never(*_, **__):
        raise AssertionError("nothing to ask git about")

    monkeypatch.setattr(subprocess, "run", never)
    assert not (checkout / ".git").exists()
    assert provenance.git_revision() is None


def test_the_revision_is_that_of_the_checkout_the_code_lies_in(checkout, monkeypatch):
    asked = []

    def answers(command, **_):
        asked.append(command)
        return SimpleNamespace(stdout="0123456789ab-dirty\n")

    (checkout / ".git").mkdir()
    monkeypatch.setattr(subprocess, "run", answers)
    assert provenance.git_revision() == "0123456789ab-dirty"
    assert asked[0][:3] == ["git", "-C", str(checkout)]
    assert "--dirty" in asked[0]


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError("git"),
        subprocess.CalledProcessError(128, "git"),
        subprocess.TimeoutExpired("git", 10),
    ],
)
def test_without_a_working_git_there_is_no_revision(error, checkout, monkeypatch):
    def fails(*_, **__):
        raise error

    (checkout / ".git").mkdir()
    monkeypatch.setattr(subprocess, "run", fails)
    assert provenance.git_revision() is None


def test_the_machine_is_its_processor_and_cores(monkeypatch):
    text = "processor : 0\nmodel name\t: A Processor @ 3GHz\nmodel name : another\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)
    assert provenance.machine().startswith(f"A Processor @ 3GHz, {os.cpu_count()} cores, ")


def test_a_machine_that_does_not_tell_its_processor_has_a_general_name(monkeypatch):
    def fails(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", fails)
    general = platform.processor() or platform.machine()
    assert provenance.machine().startswith(f"{general}, {os.cpu_count()} cores")


@pytest.mark.parametrize(
    ("given", "expected"), [({}, "4"), ({"OPENBLAS_THREAD_TIMEOUT": "9"}, "9")]
)
def test_the_package_tells_blas_to_let_idle_threads_sleep_before_it_is_loaded(given, expected):
    program = (
        "import os, sys, hinton06\n"
        "print(os.environ['OPENBLAS_THREAD_TIMEOUT'], 'numpy' in sys.modules)"
    )
    before = {k: v for k, v in os.environ.items() if k != "OPENBLAS_THREAD_TIMEOUT"}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=before | given, capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    assert ended.stdout.split() == [expected, "False"]
