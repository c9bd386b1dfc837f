"""Code, and commands, that end, say, write and name whatever a machine allows."""

from __future__ import annotations

import unicodedata

#: A body of `f(x)` -> what a process, a value or an exception can be. None of them returns `2 * x`.
_BODIES = {
    # how a process can end
    **{
        f"signal {number}": f"os.kill(os.getpid(), {number})"
        for number in (1, 3, 4, 6, 7, 9, 10, 11, 12, 14, 15, 16, 20, 21, 22, 26, 29, 30, 31)
    },
    **{
        f"signal {number}": f"os.kill(os.getpid(), {number})" for number in (34, 35, 40, 47, 63, 64)
    },
    **{f"exit {code}": f"os._exit({code})" for code in (0, 1, 3, 70, 120, 126, 128, 255, 256, -1)},
    "a child that ends like that": "os.kill(os.fork() or os.getpid(), 40)",
    "segmentation fault": "import ctypes; ctypes.string_at(0)",
    "closed descriptors": "os.closerange(0, 100); return x",
    # what an exception can say
    "lone surrogate": "raise ValueError(chr(0xD800))",
    "surrogate escape": "raise ValueError(chr(0xDCFF))",
    "nul": "raise ValueError('a' + chr(0))",
    "escape sequence": "raise ValueError('\\x1b[31mred\\x1b]0;title\\x07')",
    "direction": "raise ValueError('\\u202e\\u2066abc')",
    "line ends": "raise ValueError('a\\r\\nb\\rc\\x85d\\u2028e')",
    "long message": "raise ValueError('x' * 1_000_000)",
    "long escaped message": "raise ValueError(chr(0xD800) * 1_000_000)",
    "huge integer": "raise ValueError(10**5000)",
    "str raises": "raise Silent()",
    "str ends the process": "raise Deadly()",
    "str is no text": "raise Wrong()",
    "str is another text": "raise Tricky()",
    "group": "raise BaseExceptionGroup(chr(0xD800), [ValueError(1), KeyboardInterrupt()])",
    "keyboard interrupt": "raise KeyboardInterrupt",
    "system exit": "sys.exit(chr(0xD800))",
    "generator exit": "raise GeneratorExit",
    "base exception": "raise type('Odd', (BaseException,), {})(chr(0xD800))",
    "long class name": "raise type('X' * 100_000, (Exception,), {})('boo')",
    "class name raises": "raise Meta('E', (Exception,), {})('x')",
    "line number": "raise SyntaxError('x', (HERE, 10**4400, 1, 'y'))",
    "line text": "raise SyntaxError('x', (HERE, 'three', 1, 'y'))",
    "line below zero": "raise SyntaxError(chr(0xD800), (HERE, -7, 1, 'y'))",
    "file name": "exec(compile('1/0', os.getcwd() + '/' + chr(0xD800) + '\\n\\x1b[1m.py', 'exec'))",
    "recursion": "return f(x)",
    "memory": "return [0] * 10**10",
    # what a value can be
    "nan": "return float('nan')",
    "infinities": "return [float('inf'), -float('inf')]",
    "surrogates": "return chr(0xD800) + chr(0xDC80)",
    "all bytes": "return bytes(range(256))",
    "huge integers": "return {10**5000: -10**5000}",
    "deep": "return deep(100_000)",
    "cycle": "a = []; a.append(a); return a",
    "deep but legal": "return deep(60)",
    "large": "return 'x' * 10_000_000",
    "many": "return [1] * 300_000",
    "repr recursion": "return Echo()",
    "class": "return Meta('E', (), {})",
    "instance of a class whose name raises": "return Meta('E', (), {})()",
    "generator": "return (chr(0xD800) for _ in 'a')",
    # what can be done to the process
    "closed standard streams": "sys.stdout = sys.stderr = None; return x",
    "no json": "import json; json.dumps = json.JSONEncoder.encode = None; return x",
    "no write": "os.write = lambda *parts: 10; return x",
    "recursion limit": "sys.setrecursionlimit(40); return x",
    "child left behind": "os.fork() or os.setsid(); return x",
    "flood": "print('\\xff' * 1_000_000, chr(0), '\\x1b[2J'); return x",
    "bytes": "os.write(1, bytes(range(256))); os.write(2, bytes(range(256))); return x",
}
_PRELUDE = """\
import os, sys
HERE = os.getcwd() + "/f.py"
def deep(depth):
    a = []
    for _ in range(depth):
        a = [a]
    return a
class Silent(Exception):
    def __str__(self): raise Silent
class Deadly(Exception):
    def __str__(self): os._exit(9)
class Wrong(Exception):
    def __str__(self): return 5
class Text(str):
    def __getitem__(self, at): raise SystemError
    def __len__(self): return -5
class Tricky(Exception):
    def __str__(self): return Text("x")
class Meta(type):
    __name__ = property(lambda cls: 1 / 0)
class Echo:
    def __repr__(self): return repr(self)
"""
CODES = {
    name: f"{_PRELUDE}def f(x):\n    " + body.replace("; ", "\n    ") + "\n"
    for name, body in _BODIES.items()
} | {
    "import: surrogate": "raise ValueError(chr(0xD800))\n",
    "import: exit": "import os\nos._exit(3)\n",
    "import: signal": "import os\nos.kill(os.getpid(), 40)\n",
    "source: bytes that are no text": "x = '\udcff'\ndef f(x): return x\n",
    "source: nul": "x = '\0'\ndef f(x): return x\n",
    "source: deep": f"x = {'(' * 1000}{')' * 1000}\n",
    "source: minus signs": f"x = {'-' * 100_000}1\n",
    "source: digits": f"x = {'9' * 5000}\n",
    "source: one long line": f"x = '{'x' * 1_000_000}'\n",
    "source: no function": "x = 1\n",
    "source: attribute raises": "def __getattr__(name): raise ValueError(chr(0xD800))\n",
}
#: Processes that stop, and that nobody wakes: they end when their time is up.
STOPS = {
    "stop": f"{_PRELUDE}def f(x):\n    os.kill(os.getpid(), 19)\n",
    "stop, import": "import os\nos.kill(os.getpid(), 19)\n",
    "stopped child": f"{_PRELUDE}def f(x):\n    p = os.fork()\n"
    "    if p == 0: os.kill(os.getpid(), 19)\n    os.waitpid(p, 0)\n",
}
GOOD = "def f(x):\n    return 2 * x\n"
PROGRAM = "from f import f\nprint(f(int(input())))\n"

#: Commands of an agent in a shell. `solve.py` is the file that it may change.
COMMANDS = {
    "deep folders": 'python3 -c \'import os\nfor i in range(2500): os.mkdir("d"); os.chdir("d")\'',
    "deep folders in /tmp": "cd /tmp; python3 -c 'import os\nfor i in range(2500):"
    ' os.mkdir("d"); os.chdir("d")\'',
    "legal depth": 'python3 -c \'import os\nfor i in range(700): os.mkdir("d"); os.chdir("d")\'',
    "long names": "for i in $(seq 20); do n=$(printf 'x%.0s' $(seq 250)); mkdir $n && cd $n; done",
    "odd names": "touch $'a\\nb' $'\\xff\\xfe' -- -rf ..x ... $'\\x1b[31m' $'\\u202e' ' ' '*'"
    " $'\\xed\\xa0\\x80' \"$(printf 'n%.0s' $(seq 255))\"",
    "binary": "python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(256)) * 20)' > solve.py",
    "another binary": "printf '\\xff\\xfe\\x00' > 0.bin",
    "latin-1": "printf 'def f(x):\\n    return \"\\xe9\" # \\xe9t\\xe9\\n' > solve.py",
    "long line": "head -c 3000000 /dev/zero | tr '\\0' x > solve.py",
    "large": "truncate -s 60M solve.py",
    "too large": "truncate -s 70M big",
    "sparse": "truncate -s 400M big; truncate -s 10T bigger",
    "fifo": "rm solve.py; mkfifo solve.py pipe",
    "device": "mknod c c 0 0; mknod n c 1 3",
    "socket": "python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('s')\"",
    "link to itself": "rm solve.py; ln -s solve.py solve.py; ln -s b a; ln -s a b",
    "link out": "ln -sf /etc/passwd solve.py; ln -s / root",
    "dangling links": "ln -s nowhere there; ln -s $'\\xff' odd;"
    " ln -s \"$(printf 'y%.0s' $(seq 3000))\" z",
    "hard links": "ln solve.py h1; ln solve.py h2",
    "folder instead": "rm solve.py; mkdir -p solve.py/x",
    "nothing left": "rm -rf ./* ./.??*",
    "no permissions": "mkdir -p a/b; echo x > a/b/c; chmod 000 solve.py a/b/c a/b a .",
    "half permissions": "mkdir q; touch q/f; chmod 0400 q; chmod 7777 solve.py",
    "too many files": "mkdir m; cd m; seq 25000 | xargs touch",
    "killed": "kill -9 $$",
    "all killed": "kill -9 -1",
    "real-time signal": "kill -40 $$",
    "signal of a child": "sh -c 'kill -63 $$'",
    "exit status": "exit 300",
    "other program": "exec /bin/false",
    "closed descriptors": "exec 0<&- 1>&- 2>&- 9>&-; echo hi",
    "bytes": "printf '\\xff\\xfe\\x00\\x1b[31m\\u202e\\r\\nA\\rB\\x07\\x85'",
    "flood": "yes $'\\xff' | head -c 5000000",
    "noise": "yes 'bash: [' | head -c 900000",
    "processes left": "(sleep 100; touch z) & (while true; do touch w$RANDOM; done) &",
    "traps": "trap '' TERM INT HUP; trap 'echo x' EXIT DEBUG",
    "functions": "eval() { echo no; }; printf() { echo no; }; readonly PATH=/; set -eu; false",
    "syntax": "if then fi (((",
    "quote": "echo 'unterminated",
    "here document": "cat <<EOF",
    "parentheses": "echo a; } ; ) ; (",
    "lone surrogate": "echo \ud800",
    "surrogate escape": "echo \udcff",
    "nul": "echo \0",
    "blank": " \t\n ",
    "fork bomb": ":(){ :|:& };:",
    "memory": "python3 -c 'a = [0] * 10**10'",
    "full disk": "for f in big /tmp/big; do dd if=/dev/zero of=$f bs=1M count=700; done",
    "limits": "ulimit -n 3; ulimit -f 0; ulimit -t 1",
    "workspace removed": "cd /; rm -rf /workspace /tmp",
    "terminal": "cat /dev/tty; stty -a",
}


def cannot_be_shown(text: str) -> list[str]:
    """The characters of a text that a terminal, a file or a reader cannot take as they are."""
    hidden = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u2028\u2029"
    return [
        one
        for one in text
        if one in hidden or (unicodedata.category(one) in ("Cc", "Cs") and one not in "\n\t")
    ]
