"""The lexer: nothing is lost, and formatted code of each language is cut where edits need it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrmgym.envs.lexer import (
    KEYWORDS,
    MAX_INDENT,
    OPERATORS,
    TYPE_KEYWORDS,
    is_name,
    is_word,
    lex,
)

# Text, and its lexemes parted by |; a bar of the text is written ~.
GOLDEN = {
    "python": (
        "def find(self, xs: list[int], k=-1) -> int:\n"
        "    while lo <= hi and not done:  # loop\n"
        "        mid = (lo + hi) // 2\n"
        "        if xs[mid] is not None and k not in seen: return -mid ** 2\n"
        '    return sum(i * 2 for i in range(n) if i % 2 == 0) if lo else f"a {x:>3}\\n"\n',
        "def |find|(|self|, |xs|: |list|[|int|]|, |k|=|-|1|)| -> |int|:|"
        "\n    |while |lo| <= |hi| and |not |done|:|  # |loop|"
        "\n        |mid| = |(|lo| + |hi|)| // |2|"
        "\n        |if |xs|[|mid|]| is not |None| and |k| not in |seen|: |return |-|mid| ** |2|"
        "\n    |return |sum|(|i| * |2| for |i| in |range|(|n|)| if |i| % |2| == |0|)| if |lo| else "
        '|f"|a| {|x|:|>|3|}|\\n|"|\n',
    ),
    "cpp": (
        "static int sum(const std::vector<int>& v, int *p) {\n"
        "  for (size_t i = 0; i < v.size(); ++i) s += v[i];\n"
        '  if (a && !b) return x->y ? 0xFFu : -1;  // note\n  std::cout << "hi there";\n'
        "} else if (x > 3) {",
        "static |int |sum|(|const |std|::|vector|<|int|>|& |v|, |int| *|p|)| {|"
        "\n  |for |(|size_t |i| = |0|; |i| < |v|.|size|(|)|; |++|i|) |s| += |v|[|i|]|;|"
        "\n  |if |(|a| && |!|b|)| return |x|->|y| ? |0xFFu| : |-|1|;|  // |note|"
        '\n  |std|::|cout| << |"|hi| |there|"|;|'
        "\n|}| else |if |(|x| > |3|)| {",
    ),
    "go": (
        "func (s *Stack) Push(x int, ys ...string) (int, error) {\n"
        "\tfor i, v := range ys {\n"
        '\t\tm := map[string]int{"a": 1}\n\t\tch <- x\n'
        "type T struct {",
        "func |(|s| *|Stack|) |Push|(|x| int|, |ys| ...|string|)| (|int|, |error|)| {|"
        "\n\t|for |i|, |v| := |range |ys| {|"
        '\n\t\t|m| := |map|[|string|]|int|{|"|a|"|: |1|}|\n\t\t|ch| <- |x|'
        "\n|type |T| struct |{",
    ),
    "java": (
        "public static void main(String[] args) throws E {\n"
        "    Map<K, List<V>> xs = new HashMap<>();\n"
        "    if (o instanceof Foo) return (int) x >>> 10L;\n"
        "    /**\n     * Returns x.\n     */\n"
        "    try { f(); } catch (E e) { throw e; }",
        "public |static |void |main|(|String|[|] |args|)| throws |E| {|"
        "\n    |Map|<|K|, |List|<|V|>> |xs| = |new |HashMap|<|>|(|)|;|"
        "\n    |if |(|o| instanceof |Foo|)| return |(|int|) |x| >>> |10L|;|"
        "\n    |/**|\n     |* |Returns| |x|.|\n     |*/|"
        "\n    |try |{ |f|(|)|; |}| catch |(|E| |e|)| { |throw |e|; |}",
    ),
    "javascript": (
        "const f = async (x, ...rest) => { await g(x ?? 1); };\n"
        "import { a, b } from 'm';\n"
        "let s = `v: ${a.b} $x`;\n"
        "if (typeof x === 'u' && y !== null) return { ...x, k: [] };\na?.b ||= !c;",
        "const |f| = |async |(|x|, |...|rest|)| => |{ |await |g|(|x| ?? |1|)|; |}|;|"
        "\n|import |{ |a|, |b| }| from |'|m|'|;|"
        "\n|let |s| = |`|v|: |${|a|.|b|} |$x|`|;|"
        "\n|if |(|typeof |x| === |'|u|'| && |y| !== |null|)| return |{ |...|x|, |k|: |[|]| }|;|"
        "\n|a|?.|b| ~~= |!|c|;",
    ),
    "rust": (
        "pub fn get<'a>(&mut self, k: &str) -> Option<&'a T> {\n"
        "    let mut xs: Vec<i32> = Vec::new();\n"
        "    match x { Some(y) if y > 0 => y, _ => 0..=5 };\n"
        '    println!("{:?}", &xs[i as usize]);\n'
        "    xs.iter().map(|x| x * 2)?;",
        "pub |fn |get|<|'|a|>|(|&|mut |self|, |k|: |&|str|)| -> |Option|<|&|'|a| |T|>| {|"
        "\n    |let |mut |xs|: |Vec|<|i32|>| = |Vec|::|new|(|)|;|"
        "\n    |match |x| { |Some|(|y|)| if |y| > |0| => |y|, |_| => |0|..=|5| }|;|"
        '\n    |println|!|(|"|{|:|?|}|"|, |&|xs|[|i| as |usize|]|)|;|'
        "\n    |xs|.|iter|(|)|.|map|(|~|x|~ |x| * |2|)|?|;",
    ),
    "english": (
        "Don't write more than 3 files, e.g. a list.\n\nIt is in the `x` folder.",
        "Don|'|t| |write| |more| |than| |3| |files|, |e|.|g|. |a| |list|.|\n|"
        "\n|It| is |in |the| |`|x|`| |folder|.",
    ),
}


@given(st.text())
def test_nothing_is_lost(text: str) -> None:
    assert "".join(lex(text)) == text


SNIPPETS = [*OPERATORS, *KEYWORDS, *TYPE_KEYWORDS, *"()[]{}.,:;'\"`$#\\ \t\n\r\0\x0c_0é"]
SNIPPETS += [
    "  ",
    "    ",
    "\r\n",
    "x1",
    "self",
    "0x1F",
    "1.5e-3",
    "3u8",
    "not in",
    "\u2028",
    "😀",
    '"""',
]
pieces = st.lists(st.sampled_from(SNIPPETS), max_size=40).map("".join)


@given(pieces)
def test_nothing_is_lost_in_code(text: str) -> None:
    assert "".join(lex(text)) == text


@given(pieces)
def test_only_keywords_carry_white_space(text: str) -> None:
    words = {lexeme.strip() for lexeme in lex(text) if lexeme != lexeme.strip()}
    bare = {word for word in words if re.search(r"\w", word)}
    assert bare <= {*KEYWORDS, *TYPE_KEYWORDS, "not in", "is not"}


@pytest.mark.parametrize("language", GOLDEN)
def test_golden(language: str) -> None:
    text, lexemes = GOLDEN[language]
    assert lex(text) == [part.replace("~", "|") for part in lexemes.split("|")]


@pytest.mark.parametrize("operator", [op for op in OPERATORS if op != "/**"])
def test_operators_replace_each_other_one_by_one(operator: str) -> None:
    assert lex(f"a {operator} b") == ["a", f" {operator} ", "b"]
    assert lex(f"a {operator}\n b")[1] == f" {operator}"


@pytest.mark.parametrize("operator", ["+", "-", "*", "<", "<=", "==", "**", "%", "|", "&&", "//="])
def test_operators_without_spaces(operator: str) -> None:
    assert lex(f"a{operator}b") == ["a", operator, "b"]


@pytest.mark.parametrize(
    "code",
    ["f(count)", "x = count", "x.count", "count += 1", "[count]", "return count", "f(a, count)",
     "not count", "{count: 1}", "a - count", "-count", '"count"', "# count", "int count;",
     "if count:", "for count in x", "List<T> count", "(a) count"],
)  # fmt: skip
def test_a_name_is_the_same_lexeme_everywhere(code: str) -> None:
    assert "count" in lex(code)


def test_a_bracket_does_not_take_the_space_of_an_operator() -> None:
    assert lex("(a) + b")[2:] == [")", " + ", "b"]
    assert lex("type = 1; x[i] in y") == ["type", " = ", "1", "; ", "x", "[", "i", "]", " in ", "y"]


@pytest.mark.parametrize(
    "number",
    ["0", "42", "1_000", "3.14", "1e9", "2.5e-3", "0xFFul", "0b101", "10L", "1.0f", "3usize"],
)
def test_numbers(number: str) -> None:
    assert lex(f"x = {number};") == ["x", " = ", number, ";"]
    assert is_word(number)
    assert not is_name(number)


def test_ranges_are_no_floats() -> None:
    assert lex("1..5") == ["1", "..", "5"]
    assert lex("v1.2.x") == ["v1", ".", "2", ".", "x"]


def test_line_breaks() -> None:
    assert lex("a\n\n        b\r\n\tc\n") == ["a", "\n", "\n        ", "b", "\r\n\t", "c", "\n"]
    long = "\n" + " " * (MAX_INDENT + 11)
    assert lex(long + "x") == ["\n" + " " * MAX_INDENT, " " * 8, " " * 2, " ", "x"]


def test_strings() -> None:
    assert lex('f\'{x}\' "f" rb""') == [
        "f'",
        "{",
        "x",
        "}",
        "'",
        " ",
        '"',
        "f",
        '"',
        " ",
        'rb"',
        '"',
    ]
    assert lex(r'"\n\\x\"\x1f"') == ['"', r"\n", r"\\", "x", r"\"", r"\x1f", '"']
    assert lex('"""Doc."""') == ['"""', "Doc", ".", '"""']


@pytest.mark.parametrize(
    ("lexeme", "word", "name"),
    [("x", 1, 1), ("_", 1, 1), ("größe", 1, 1), ("$x", 1, 1), ("int", 1, 1), ("self", 1, 1),
     ("return", 1, 0), ("in", 1, 0), ("7", 1, 0), ("return ", 0, 0), ("int ", 0, 0), ("", 0, 0),
     (" ", 0, 0), ("a b", 0, 0), ("(", 0, 0), ("x\n", 0, 0), ("$", 0, 0)],
)  # fmt: skip
def test_words_and_names(lexeme: str, word: int, name: int) -> None:
    assert (is_word(lexeme), is_name(lexeme)) == (bool(word), bool(name))


@pytest.mark.parametrize(
    "unit", [" ", "_", "1_", "a.", "\\", '"', "$", "$a", "\n", "=", "a is ", "0x"]
)
def test_long_runs_are_linear(unit: str) -> None:
    text = unit * 50_000  # a quadratic matcher would hang here
    assert "".join(lex(text)) == text
