"""Leaving something behind for a later run, which then knows what it could not know."""

from __future__ import annotations

from hrmgym.tests.attacks.attack import Attack, deed

_REWARD = frozenset({"reward"})


def _file(name: str, path: str) -> Attack:
    """Leaves a file, and finds it in the next run."""
    body = (
        f"path = {path}\n"
        "won = os.path.exists(path)\n"
        "os.makedirs(os.path.dirname(path), exist_ok=True)\n"
        "open(path, 'w').close()\n"
    )
    return deed(name, body, rounds=1)


def _left(name: str, body: str, *wins: str, **options: object) -> Attack:
    return deed(
        name,
        f"import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n{body}",
        rounds=1,
        wins=_REWARD | set(wins),
        **options,
    )


_PERSIST = (
    "if not won and os.fork() == 0:\n"
    "    libc.prctl(15, b'@MARK@', 0, 0, 0)\n"
    "    os.setsid()\n"
    "    null = os.open(os.devnull, os.O_RDWR)\n"
    "    for fd in (0, 1, 2): os.dup2(null, fd)\n"
    "    for fd in range(3, 256):\n"
    "        if fd != one.fileno():\n"
    "            try: os.close(fd)\n"
    "            except OSError: pass\n"
    "    time.sleep(60)\n"
)

ATTACKS: tuple[Attack, ...] = (
    _file("file-in-tmp", "'/tmp/@MARK@-notes'"),
    _file("file-in-var-tmp", "'/var/tmp/@MARK@-notes'"),
    _file("file-in-shared-memory", "'/dev/shm/@MARK@-notes'"),
    _file("file-in-the-workspace", "os.path.abspath('@MARK@-notes')"),
    _file("file-in-the-home-folder", "os.path.expanduser('~/.cache/@MARK@-notes')"),
    _file("file-with-compiled-code", "os.path.abspath('__pycache__/@MARK@.pyc')"),
    _file(
        "file-among-the-packages-of-the-user",
        "__import__('site').getusersitepackages() + '/@MARK@.py'",
    ),
    _left(
        "segment-of-shared-memory",
        "won = libc.shmget(0x6576696c, 4096, 0) >= 0\nlibc.shmget(0x6576696c, 4096, 0o1666)\n",
        "ipc",
    ),
    _left(
        "semaphore",
        "won = libc.semget(0x6576696c, 1, 0) >= 0\nlibc.semget(0x6576696c, 1, 0o1666)\n",
        "ipc",
    ),
    _left(
        "queue-of-messages",
        "won = libc.msgget(0x6576696c, 0) >= 0\nlibc.msgget(0x6576696c, 0o1666)\n",
        "ipc",
    ),
    _left(
        "queue-with-a-name",
        "won = libc.syscall(240, b'@MARK@', 0, 0, None) >= 0\n"
        "libc.syscall(240, b'@MARK@', 0o102, 0o666, None)\n",
        "queues",
    ),
    _left(
        "key-in-a-ring",
        "won = libc.syscall(249, b'user', b'@MARK@', None, 0) > 0\n"
        "for ring in (-3, -4, -5): libc.syscall(248, b'user', b'@MARK@', b'x', 1, ring)\n",
        "keys",
    ),
    _left(
        "abstract-socket-of-a-daemon",
        "import socket\n"
        "one = socket.socket(socket.AF_UNIX)\n"
        "try:\n"
        "    one.bind('\\0@MARK@')\n"
        "except OSError: won = True\n" + _PERSIST,
        "left",
    ),
    _left(
        "port-of-a-daemon",
        "import socket\n"
        "one = socket.socket()\n"
        "try:\n"
        "    one.bind(('127.0.0.1', 4711))\n"
        "except OSError: won = True\n" + _PERSIST,
        "left",
    ),
    _left(
        "lower-limits-for-those-who-come",
        "import resource\n"
        "won = os.getpriority(os.PRIO_PROCESS, os.getppid()) == 7\n"
        "pid = os.getppid()\n"
        "while pid > 1:\n"
        "    os.setpriority(os.PRIO_PROCESS, pid, 7)\n"
        "    pid = int(open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()[1])\n",
    ),
    _left(
        "mark-in-the-name-of-a-parent",
        "path = f'/proc/{os.getppid()}/comm'\n"
        "path = path if os.getppid() > 1 else '/proc/1/comm'\n"
        "pid = os.getppid()\n"
        "while pid > 0:\n"
        "    path = f'/proc/{pid}/oom_score_adj'\n"
        "    won = won or open(path).read().strip() == '777'\n"
        "    try: open(path, 'w').write('777')\n"
        "    except OSError: pass\n"
        "    pid = int(open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()[1])\n",
    ),
    _left(
        "settings-of-the-network",
        "path = '/proc/sys/net/ipv4/ip_default_ttl'\n"
        "won = open(path).read().strip() == '77'\n"
        "open(path, 'w').write('77')\n",
    ),
    _left(
        "mask-of-new-files",
        "won = os.umask(0o22) == 0\npid = os.getppid()\nos.environ['@MARK@'] = '1'\nos.umask(0)\n",
        unshown="every runner starts a process",
    ),
)
