"""Packages to mine: their releases, pinned by hash, and what their tests need installed.

`python -m hrmgym.envs.benchmarks.fixes.mining.sources NAME... --archives DIR [--needs NAME...]`
prints a line of `sources.jsonl` for each, with the releases that the registry has now.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hrmgym.envs.benchmarks.fixes.layout import unpacked
from hrmgym.envs.benchmarks.fixes.recipe import Package, normal, written
from hrmgym.envs.bugs.releases import Release, pin
from hrmgym.errors import DataError

#: Repositories of SWE-bench and SWE-smith, by the names of their packages: never mined.
_NAMES = """
addict alive-progress apispec arrow astroid astropy async-timeout autograd bleach boltons bottle
cantools channels chardet charset-normalizer click cloudpickle colorlog conan cookiecutter daphne
dask dataset deepdiff django django-money dominate drf-nested-routers dspy dvc environs
exceptiongroup faker feedparser flake8 flashtext flask freezegun funcy furl fvcore glom gpxpy
grafanalib graphene gspread gtts gunicorn h11 hydra-core icecream inflect iniconfig isodate jax
jinja2 jsonschema langdetect line-profiler markdownify markupsafe marshmallow matplotlib mido
mistune modin monai monkeytype moto mypy nikola oauthlib pandas paramiko parse parsimonious parso
patsy pdfminer-six pdfplumber pipdeptree prettytable ptyprocess pyasn1 pydantic pydicom pyfiglet
pygments pylint pyopenssl pyparsing pypika pypinyin pyquery pysnooper pytest python-docx
python-dotenv python-json-logger python-pptx python-slugify qrcode radon readability-lxml records
red-discordbot requests result safety schedule schema scikit-learn scrapy seaborn soupsieve sphinx
sqlfluff sqlglot sqlparse stackprinter starlette string2string strsim sunpy sympy tenacity
termcolor textdistance textfsm thefuzz tinydb tldextract tomli tornado trio tweepy typeguard
usaddress voluptuous webargs wordcloud xarray xmltodict yamllint
"""
BENCHMARKS = frozenset(_NAMES.split())
#: What runs the tests, and so cannot be tested in their process.
_RUNNERS = frozenset({"pytest", "pluggy", "iniconfig", "packaging", "pygments", "pip"})
_VERSIONS = re.compile(r"^Available versions: (.*)$", re.MULTILINE)
_PATIENCE_S = 300.0


def refusal(name: str) -> str:
    """Why a package is not mined; empty where it may be."""
    if normal(name) in BENCHMARKS:
        return f"{name} is a benchmark's package"
    if normal(name) in _RUNNERS:
        return f"{name} takes part in running the tests"
    return ""


def pinned(name: str, most: int, folder: Path, needs: Sequence[str] = ()) -> Package:
    """A package with its newest releases as they are found now.

    Args:
        name: The package.
        most: How many releases to pin.
        folder: Where their archives are kept.
        needs: What its tests need, beside what it needs itself.

    Raises:
        DataError: it may not be mined, or cannot be had.
    """
    if why := refusal(name):
        raise DataError(why)
    said = _pip("index", "versions", name)
    listed = _VERSIONS.search(said)
    versions = [one.strip() for one in listed[1].split(",")] if listed else []
    releases: dict[str, Release] = {}
    for version in versions:
        if len(releases) == most:
            break
        try:
            releases[version] = pin(name, version, folder)
        except DataError:  # a version without a source archive
            continue
    if len(releases) < 2:
        raise DataError(f"{name}: {len(releases)} releases with a source archive; two are needed")
    newest = folder / next(iter(releases.values())).file
    wanted = [*requirements(unpacked(newest)), *needs]
    return Package(name=name, lock=lock(name, wanted), releases=releases)


def requirements(files: Mapping[str, bytes]) -> list[str]:
    """What a release needs, as its archive says; nothing that only its extras need."""
    about = files.get("PKG-INFO", b"").decode("utf-8", "replace").partition("\n\n")[0]
    found = [
        line.removeprefix("Requires-Dist: ")
        for line in about.splitlines()
        if line.startswith("Requires-Dist: ") and "extra ==" not in line
    ]
    older = next((path for path in files if path.endswith(".egg-info/requires.txt")), "")
    if not found and older:  # what setuptools wrote before PKG-INFO had it
        text = files[older].decode("utf-8", "replace")
        found = [line.strip() for line in f"\n{text}".partition("\n[")[0].splitlines()]
    return [line for line in found if line]


def lock(name: str, wanted: Sequence[str]) -> str:
    """A requirements file with hashes of all that a package's code and tests need, itself left out.

    Raises:
        DataError: it cannot be resolved to wheels.
    """
    if not wanted:
        return ""
    command = ("install", "--dry-run", "--ignore-installed", "--only-binary", ":all:", "--quiet")
    said = _pip(*command, "--report", "-", *wanted)
    lines = []
    for item in json.loads(said)["install"]:
        about = item["metadata"]
        if normal(about["name"]) in {normal(name), *_RUNNERS}:
            continue
        digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
        lines.append(f"{normal(about['name'])}=={about['version']} --hash=sha256:{digest}\n")
    return "".join(sorted(lines))


def _pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", *arguments, "--disable-pip-version-check"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"pip {arguments[0]} took more than {_PATIENCE_S:.0f} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it says nothing"]
        raise DataError(f"pip {' '.join(arguments)}: {lines[-1]}")
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the packages, pinned."""
    parser = argparse.ArgumentParser(prog="hrmgym.envs.benchmarks.fixes.mining.sources")
    parser.add_argument("names", nargs="+", help="packages")
    parser.add_argument("--archives", type=Path, required=True, help="folder for the archives")
    parser.add_argument("--releases", type=int, default=7, help="how many of each")
    parser.add_argument("--needs", nargs="*", default=(), help="what their tests need installed")
    given = parser.parse_args(arguments)
    for name in given.names:
        package = pinned(name, given.releases, given.archives, given.needs)
        print(written([package]), end="", flush=True)


if __name__ == "__main__":
    main()
