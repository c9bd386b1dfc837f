"""Trains the vocabulary in envs/data/ and writes what it was made of, and how good it is.

The sources are packages as their registries give them, unpacked and not installed:

    apt-get download NAME && dpkg-deb -x NAME_*.deb CORPORA/deb/NAME
    npm pack NAME && tar xzf NAME-*.tgz --strip-components=1 -C CORPORA/npm/NAME-VERSION
    pip download --no-deps NAME && unzip NAME-*.whl -d CORPORA/pypi/NAME-VERSION

(the archive src.zip inside openjdk-17-source is unpacked where it lies), then

    python benchmarks/train_tokens.py CORPORA

Same files and same versions of Python and `tokenizers`, same vocabulary.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from hrmgym.envs.lexer import HEAD_KEYWORDS, INFIX_KEYWORDS, OPERATORS, TYPE_KEYWORDS, lex
from hrmgym.envs.tokens import SPECIALS, VERSION, Tokens

SIZE = 8192
DATA = Path(__file__).resolve().parent.parent / "envs" / "data"
ENOUGH = 1000  # what a seed counts at least; the last merges are of pairs that occur 300 times
HELD_OUT = 200_000  # characters per source
SEPARATOR = "\u0100"  # no character of a lexeme, which is written as one character per byte


@dataclass(frozen=True)
class Source:
    """A package, and how many megabytes of it to take."""

    language: str
    name: str
    version: str
    licence: str
    files: str
    megabytes: float


SOURCES = tuple(
    Source(*row)
    for row in (
        # language, name, version, licence, files below the corpora folder, megabytes
        ("python", "libpython3.11-stdlib", "3.11.2-6+deb12u9", "PSF-2.0",
         "deb/libpython3.11-*/usr/lib/python3.11/**/*.py", 5.0),
        ("python", "networkx", "3.6.1", "BSD-3-Clause", "pypi/networkx-*/**/*.py", 3.0),
        ("python", "numpy", "2.4.6", "BSD-3-Clause", "pypi/numpy-*/**/*.py", 1.0),
        ("python", "more-itertools", "11.2.1", "MIT", "pypi/more_itertools-*/**/*.py", 1.0),
        ("python", "attrs", "26.1.0", "MIT", "pypi/attrs-*/**/*.py", 1.0),
        ("python", "rich", "15.0.0", "MIT", "pypi/rich-*/**/*.py", 0.5),
        ("python", "sortedcontainers", "2.4.0", "Apache-2.0",
         "pypi/sortedcontainers-*/**/*.py", 1.0),
        ("cpp", "libboost1.74-doc", "1.74.0+ds1-21", "BSL-1.0",
         "deb/libboost1.74-doc/**/*.cpp", 2.5),
        ("cpp", "libabsl-dev", "20220623.1-1+deb12u2", "Apache-2.0", "deb/libabsl-dev/**/*.h", 1.2),
        ("cpp", "googletest", "1.12.1-0.2", "BSD-3-Clause", "deb/googletest/**/*.cc", 0.8),
        ("cpp", "nlohmann-json3-dev", "3.11.2-2", "MIT", "deb/nlohmann-json3-dev/**/*.hpp", 0.5),
        ("cpp", "libfmt-dev", "9.1.0+ds1-2", "MIT", "deb/libfmt-dev/**/*.h", 0.5),
        ("cpp", "libstdc++-12-dev", "12.2.0-14+deb12u1", "GPL-3.0 with GCC exception",
         "deb/libstdc++-12-dev/usr/include/c++/12/bits/*", 0.4),
        ("go", "golang-1.19-src", "1.19.8-2", "BSD-3-Clause",
         "deb/golang-1.19-src/usr/share/go-1.19/src/**/*.go", 4.0),
        ("go", "golang-1.19-src (test)", "1.19.8-2", "BSD-3-Clause",
         "deb/golang-1.19-src/usr/share/go-1.19/test/**/*.go", 1.0),
        ("go", "golang-golang-x-tools-dev", "0.5.0+ds-1", "BSD-3-Clause",
         "deb/golang-golang-x-tools-dev/**/*.go", 0.5),
        ("go", "golang-github-gin-gonic-gin-dev", "1.8.1-1", "MIT",
         "deb/golang-github-gin-gonic-gin-dev/**/*.go", 0.5),
        ("java", "openjdk-17-source (java.base)", "17.0.21.1+2-1~deb12u1",
         "GPL-2.0 with Classpath exception",
         "deb/openjdk-17-source/**/java.base/java/**/*.java", 4.0),
        ("java", "openjdk-17-source (jdk.compiler)", "17.0.21.1+2-1~deb12u1",
         "GPL-2.0 with Classpath exception",
         "deb/openjdk-17-source/**/jdk.compiler/**/*.java", 1.0),
        ("java", "openjdk-17-source (java.desktop)", "17.0.21.1+2-1~deb12u1",
         "GPL-2.0 with Classpath exception",
         "deb/openjdk-17-source/**/java.desktop/**/*.java", 1.0),
        ("javascript", "three", "0.187.0", "MIT", "npm/three-*/**/*.js", 1.5),
        ("javascript", "webpack", "5.112.2", "MIT", "npm/webpack-*/lib/**/*.js", 1.5),
        ("javascript", "eslint", "10.15.0", "MIT", "npm/eslint-*/lib/**/*.js", 1.0),
        ("javascript", "fastify", "5.12.8", "MIT", "npm/fastify-*/**/*.js", 0.7),
        ("javascript", "lodash", "4.18.1", "MIT", "npm/lodash-*/*.js", 0.7),
        ("javascript", "ramda", "0.32.0", "MIT", "npm/ramda-*/es/**/*.js", 0.4),
        ("javascript", "mocha", "12.0.3", "MIT", "npm/mocha-*/lib/**/*.js", 0.3),
        ("javascript", "moment", "2.31.0", "MIT", "npm/moment-*/src/**/*.js", 0.3),
        ("javascript", "jquery", "4.0.0", "MIT", "npm/jquery-*/src/**/*.js", 0.3),
        ("javascript", "async", "3.2.6", "MIT", "npm/async-*/*.js", 0.3),
        ("javascript", "commander", "14.0.3", "MIT", "npm/commander-*/**/*.js", 0.2),
        ("rust", "rust-src (library)", "1.63.0+dfsg1-2", "MIT or Apache-2.0",
         "deb/rust-src/usr/src/rustc-1.63.0/library/*/src/**/*.rs", 2.5),
        ("rust", "rust-src (compiler)", "1.63.0+dfsg1-2", "MIT or Apache-2.0",
         "deb/rust-src/usr/src/rustc-1.63.0/compiler/**/*.rs", 1.0),
        ("rust", "rust-src (test/ui)", "1.63.0+dfsg1-2", "MIT or Apache-2.0",
         "deb/rust-src/usr/src/rustc-1.63.0/src/test/ui/**/*.rs", 1.0),
        ("rust", "librust-{clap-3,itertools,rand,rayon,regex,serde,serde-json,tokio}-dev",
         "Debian 12", "MIT or Apache-2.0", "deb/librust-*/**/*.rs", 2.0),
        ("english", "python3.11-doc", "3.11.2-6+deb12u9", "PSF-2.0",
         "deb/python3.11-doc/**/_sources/**/*.txt", 2.5),
        ("english", "debian-handbook", "11.20220922", "GPL-2.0+ or CC-BY-SA-3.0",
         "deb/debian-handbook/**/en-US/*.html", 0.8),
        ("english", "developers-reference", "12.18", "GPL-2.0+",
         "deb/developers-reference/**/developers-reference/*.html", 0.3),
    )
)  # fmt: skip

NAMES = """
    self this i j k n m x y z a b c s t key value values len range result results data name list
    dict set str int float bool None True False null true false nullptr nil undefined index count
    size length node next left right start end low high mid sum total max min arr nums num item
    items args kwargs print printf println append push pop add get put sort sorted join split map
    filter reduce string String Integer List Map Set ArrayList HashMap Vec vector Option Some Ok Err
    Result Box usize i32 i64 u8 u32 u64 f64 std cout endl fmt Println Errorf err error Error
    Exception ValueError TypeError KeyError IndexError isinstance enumerate zip reversed any all abs
    text line lines word words char first last prev current visited queue stack graph edges tree
    root parent child children found temp tmp output input expected actual test assertEqual main
    console log Math Object Array Promise require module exports prototype constructor iter unwrap
    clone to_string into collect include define ifdef endif param return returns Returns System out
    object
    """


def seeds() -> list[str]:
    """Lexemes that have to be one token, whether or not the sources hold them often enough."""
    words: dict[str, None] = {}
    for sign in (*OPERATORS, ":", "#", *"()[]{}"):
        words |= dict.fromkeys((sign, f" {sign}", f"{sign} ", f" {sign} "))
    for keyword in HEAD_KEYWORDS + INFIX_KEYWORDS:
        words |= dict.fromkeys((keyword, f"{keyword} "))
    for keyword in (*INFIX_KEYWORDS, "not", "return", "func", "struct", "async", "def"):
        words[f" {keyword} "] = None
    for keyword in TYPE_KEYWORDS:
        words |= dict.fromkeys((keyword, f" {keyword}", f"{keyword} "))
    words |= dict.fromkeys(
        (" not in ", " is not ", " else", "  # ", "  #", "  // ", " # ", " // ", "## ")
    )
    words |= dict.fromkeys((".", ". ", ",", ", ", ";", "; ", "${", *"\"'`", '"""', "'''", "```"))
    words |= dict.fromkeys(p + q for p in ("f", "r", "b", "u", "L") for q in "\"'")
    words |= dict.fromkeys("\\" + c for c in "abdfnrstvwDSWB0\\\"'`.()[]{}|*+?$^/-&")
    words |= dict.fromkeys(
        ("\r\n", 'f"""', 'r"""', "----", "====", *(" " * 2**n for n in range(5)))
    )
    words |= dict.fromkeys("\n" + " " * n for n in (*range(0, 17), 20, 24, 28, 32))
    words |= dict.fromkeys(start + "\t" * n for n in range(1, 9) for start in ("\n", ""))
    numbers = (*range(101), *(2**n for n in range(7, 17)), *(127, 255, 65535, 200, 300, 400, 404))
    numbers += (*(500, 600, 800, 900), *(10**n for n in range(3, 10)), 1000000007)
    words |= dict.fromkeys(map(str, numbers))
    words |= dict.fromkeys(
        ("0.0", "0.1", "0.5", "1.0", "1.5", "2.0", "1e9", "1e-9", "0x00", "0xff")
    )
    words |= dict.fromkeys(NAMES.split())
    for word in words:
        assert lex(word) == [word] or word[-1] == " ", f"{word!r} is no lexeme"
    return [word for word in words if len(word) > 1]


def read(source: Source, root: Path, rng: random.Random) -> tuple[list[str], list[str]]:
    """Texts to train on, up to the source's share, and a twentieth of its files, held out."""
    train: list[str] = []
    held_out: list[str] = []
    room = int(source.megabytes * 1e6)
    paths = sorted(path for path in root.glob(source.files) if path.is_file())
    rng.shuffle(paths)
    seen = set()
    for path in paths:
        raw = path.read_bytes()
        digest = hashlib.sha256(raw).digest()
        if digest in seen or not 0 < len(raw) < 300_000:
            continue
        seen.add(digest)
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            continue
        if path.suffix == ".html":
            text = re.sub(r"<[^>]*>", "", re.sub(r"(?s)<(script|style).*?</\1>", "", text))
        # One licence at the head of thousands of files would teach its words as the commonest.
        text = re.sub(
            r"(?is)\A(\s*(/\*(?:(?!\*/).)*(?:licen|copyright).*?\*/|(//|#)[^\n]*))+", "", text
        )
        if text.count("\n") * 150 < len(text):
            continue  # minified
        if digest[0] % 20 == 0:
            if sum(map(len, held_out)) < HELD_OUT:
                held_out.append(text)
        elif room > 0:
            room -= len(text)
            train.append(text)
    if not train:
        raise SystemExit(f"{source.name}: no file matches {root / source.files}")
    return train, held_out


def count(texts: list[str]) -> Counter[str]:
    """How often each lexeme counts: ten times per file at most, for the sake of tables of data."""
    total: Counter[str] = Counter()
    for text in texts:
        for lexeme, times in Counter(lex(text)).items():
            if not lexeme[0].isdigit():  # numbers other than the seeds are spelled
                total[lexeme] += min(times, 10)
    for lexeme in seeds():
        total[lexeme] = max(total[lexeme], ENOUGH)
    return total


def train(counts: Counter[str]) -> bytes:
    """A vocabulary in the format of the `tokenizers` library.

    Bytes are written as the characters of the same number, so that the library needs no table for
    them, and lexemes come one by one, so that no merge crosses their borders.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.CharDelimiterSplit(SEPARATOR)
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE - len(SPECIALS),
        initial_alphabet=[chr(byte) for byte in range(256)],
        show_progress=False,
    )

    def lines() -> Iterator[str]:
        for lexeme, times in sorted(counts.items()):
            piece = lexeme.encode().decode("latin-1")
            if len(piece) > 1:
                for start in range(0, times, 1000):
                    yield SEPARATOR.join([piece] * min(1000, times - start))

    tokenizer.train_from_iterator(lines(), trainer)
    merges = [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
    pieces = [*SPECIALS, *map(chr, range(256)), *dict.fromkeys(a + b for a, b in merges)]
    model = models.BPE({p: i for i, p in enumerate(pieces)}, merges, ignore_merges=True)
    return Tokenizer(model).to_str().encode()


def figures(tokens: Tokens, texts: list[str]) -> tuple[int, float, float, float]:
    """Kilobytes, bytes per token, tokens per lexeme, share of lexemes that are one token."""
    size = sum(len(text.encode()) for text in texts)
    lexemes = [len(tokens.encode_lexeme(lexeme)) for text in texts for lexeme in lex(text)]
    total = sum(lexemes)
    return size // 1000, size / total, total / len(lexemes), lexemes.count(1) / len(lexemes)


def report(tokens: Tokens, taken: dict[Source, list[str]], held_out: dict[str, list[str]]) -> str:
    """The text that ships beside the vocabulary."""
    lines = [
        f"# Tokens, version {VERSION}",
        "",
        f"{tokens.size} entries: {len(SPECIALS)} special, 256 bytes, and pieces of lexemes by "
        f"byte-pair encoding. Made by `benchmarks/train_tokens.py` with tokenizers "
        f"{tokenizers.__version__} on Python {platform.python_version()}. None of the benchmarks' "
        "data is among the sources.",
        "",
        "## Held-out files",
        "",
        "| language | kB | bytes per token | tokens per lexeme | lexemes of one token |",
        "|---|---|---|---|---|",
    ]
    for language, texts in held_out.items():
        kilobytes, density, fertility, single = figures(tokens, texts)
        lines.append(
            f"| {language} | {kilobytes} | {density:.2f} | {fertility:.2f} | {single:.1%} |"
        )
    lines += [
        "",
        "## Sources",
        "",
        "| language | package | version | licence | files | MB |",
        "|---|---|---|---|---|---|",
    ]
    for source, texts in taken.items():
        megabytes = sum(map(len, texts)) / 1e6
        lines.append(
            f"| {source.language} | {source.name} | {source.version} | {source.licence} "
            f"| {len(texts)} | {megabytes:.2f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Reads the sources, trains, writes the two files, and prints the report."""
    parser = argparse.ArgumentParser(description="Trains the vocabulary in envs/data/.")
    parser.add_argument("corpora", type=Path, help="folder that holds the unpacked packages")
    parser.add_argument("--out", type=Path, default=DATA, help="folder to write to")
    options = parser.parse_args()
    rng = random.Random(0)
    taken: dict[Source, list[str]] = {}
    held_out: dict[str, list[str]] = {}
    for source in SOURCES:
        taken[source], kept = read(source, options.corpora, rng)
        held_out.setdefault(source.language, []).extend(kept)
    data = train(count([text for texts in taken.values() for text in texts]))
    tokens = Tokens(data, VERSION)
    missed = [seed for seed in seeds() if len(tokens.encode_lexeme(seed)) != 1]
    if missed or tokens.size != SIZE:
        raise SystemExit(f"{tokens.size} entries; seeds of more than one token: {missed}")
    (options.out / f"tokens-v{VERSION}.json").write_bytes(data)
    text = report(tokens, taken, held_out)
    (options.out / f"tokens-v{VERSION}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
