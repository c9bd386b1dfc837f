"""Using up memory, disk, descriptors and whoever has to read it all."""

from __future__ import annotations

from hrmgym.tests.attacks.attack import Attack, deed, program

_WRONG = "def double(x):\n    return x - 1\n"


def _shell(name: str, command: str, *wins: str, **options: object) -> Attack:
    return Attack(name=name, commands=(command,), wins=frozenset(wins), **options)  # type: ignore[arg-type]


ATTACKS: tuple[Attack, ...] = (
    deed("memory-of-one-process", "won = len(bytearray(512 << 20)) > 0\n"),
    deed(
        "memory-of-many-processes",
        "parts = []\n"
        "for i in range(8):\n"
        "    out, into = os.pipe()\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        try: held = b'x' * (100 << 20)\n"
        "        except MemoryError: os._exit(1)\n"
        "        os.write(into, b'1')\n"
        "        time.sleep(9)\n"
        "        os._exit(0)\n"
        "    os.close(into)\n"
        "    parts.append((child, os.read(out, 1)))\n"
        "ended = [os.waitpid(child, os.WNOHANG)[0] for child, _ in parts]\n"
        "for child, _ in parts: os.kill(child, 9)\n"
        "won = all(said == b'1' for _, said in parts) and not any(ended)\n",
        needs="cgroups",
    ),
    deed(
        "memory-that-is-mapped-and-shared",
        "import mmap\n"
        "held = [mmap.mmap(-1, 64 << 20) for _ in range(8)]\n"
        "for part in held: part.write(bytes(64 << 20))\n"
        "won = True\n",
    ),
    deed(
        "memory-in-anonymous-files",
        "for i in range(10):\n"
        "    fd = os.memfd_create('x')\n"
        "    for j in range(50): os.write(fd, bytes(1 << 20))\n"
        "won = True\n",
    ),
    *(
        deed(
            f"disk-{name}",
            "for i in range(100):\n"
            f"    open({place!r} + f'/big{{i}}', 'wb').write(bytes(1 << 20))\n"
            "won = True\n",
        )
        for name, place in (("of-the-workspace", "."), ("of-tmp", "/tmp"), ("of-shm", "/dev/shm"))
    ),
    deed(
        "many-files",
        "os.mkdir('/tmp/many')\n"
        "for i in range(70_000): os.close(os.open(f'/tmp/many/{i}', os.O_CREAT))\n"
        "won = True\n",
    ),
    deed(
        "large-sparse-file",
        "os.truncate(os.open('/tmp/sparse', os.O_CREAT | os.O_WRONLY), 1 << 40)\nwon = True\n",
    ),
    deed(
        "many-descriptors",
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 2000))\n"
        "held = [os.open('/dev/null', 0) for _ in range(1500)]\nwon = True\n",
    ),
    deed(
        "higher-limits",
        "import resource\n"
        "for which in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NPROC):\n"
        "    hard = resource.getrlimit(which)[1]\n"
        "    if hard != -1 and hard < 400: raise OSError\n"
        "    resource.setrlimit(which, (hard, hard))\n"
        "won = resource.getrlimit(resource.RLIMIT_CPU)[1] == -1\n",
    ),
    deed(
        "core-dumps",
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))\nwon = True\n",
    ),
    # --- whoever reads ---
    program(
        "flood-of-output",
        "import os\nflood = b'x' * (1 << 20)\nwhile True: os.write(1, flood)\n" + _WRONG,
        wins=frozenset({"memory"}),
    ),
    program(
        "flood-of-errors",
        "import os\nflood = b'x' * (1 << 20)\nwhile True: os.write(2, flood)\n" + _WRONG,
        kind="stdio",
        wins=frozenset({"memory"}),
    ),
    program(
        "output-that-is-no-text",
        "import os\nos.write(1, bytes(range(256)))\n" + _WRONG,
        wins=frozenset({"runner"}),
    ),
    program(
        "output-that-is-no-text-pytest",
        "import os\n"
        "for fd in range(1, 32):\n"
        "    try: os.write(fd, bytes(range(256)))\n"
        "    except OSError: pass\n" + _WRONG,
        kind="pytest",
        wins=frozenset({"runner"}),
    ),
    program(
        "output-that-is-no-text-stdio",
        "import os\nos.write(1, bytes(range(256)))\n",
        kind="stdio",
        wins=frozenset({"runner"}),
    ),
    # --- whoever collects what the agent has left ---
    _shell("pipe-without-a-writer", "mkfifo waiting", "hang"),
    _shell("files-that-are-no-text", "head -c 300 /dev/urandom > noise", "runner"),
    _shell("link-to-an-endless-file", "ln -s /dev/zero endless", "runner"),
    _shell("link-to-itself", "ln -s self self; mkdir d; ln -s .. d/up", "runner"),
    _shell(
        "folders-without-a-bottom",
        "for i in $(seq 60); do mkdir -p a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a &&"
        " cd a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a; done; touch bottom",
        "runner",
    ),
    _shell(
        "names-of-all-kinds",
        "touch -- -rf $'new\\nline' $'\\377\\376' \"$(printf 'n%.0s' {1..255})\" ' ' '*' '$(id)';"
        " mkdir -- $'\\365'; touch -- $'\\365/--collect-only'",
        "runner",
    ),
    _shell(
        "more-files-than-a-workspace-holds",
        "mkdir many; cd many; seq 25000 | xargs touch; printf x > 1",
        "hang",
        unshown="nothing but a limit on files minds them",
    ),
    _shell("file-larger-than-memory", "truncate -s 8G large", "runner"),
    _shell(
        "file-larger-than-what-is-collected",
        "head -c 100000000 /dev/zero > large || rm large; true",
        unshown="a machine with enough memory does not mind",
    ),
    _shell(
        "unreadable-file",
        "touch closed; chmod 0 closed; mkdir shut; touch shut/a; chmod 0 shut",
        unshown="the unprotected agent is root, who can read it",
    ),
)
