"""Processes: too many, too long, and against other processes."""

from __future__ import annotations

from hrmgym.tests.attacks.attack import Attack, deed, program

_WRONG = "def double(x):\n    return x - 1\n"
_MARK = "import ctypes\ndef mark(): ctypes.CDLL(None).prctl(15, b'@MARK@', 0, 0, 0)\n"


def _left(name: str, text: str, *wins: str, **options: object) -> Attack:
    text = f"import os, signal, sys, time\n{_MARK}{text}{_WRONG}"
    return program(name, text, wins=frozenset(wins or {"left"}), **options)


def _shell(name: str, command: str, *wins: str, **options: object) -> Attack:
    return Attack(name=name, commands=(command,), wins=frozenset(wins), **options)  # type: ignore[arg-type]


_KILL = "def hit(pid, number):\n    try: os.kill(pid, number)\n    except OSError: pass\n"

ATTACKS: tuple[Attack, ...] = (
    # --- too many ---
    _left(
        "fork-bomb",
        "mark()\n"
        "end = time.monotonic() + 2\n"
        "while time.monotonic() < end:\n"
        "    try:\n"
        "        if os.fork() == 0: time.sleep(0.01)\n"
        "    except OSError: time.sleep(0.05)\n"
        "while os.getppid() != 1: time.sleep(0.1)\n"
        "time.sleep(30)\n",
    ),
    _shell(
        "fork-bomb-in-bash",
        "for i in $(seq 150); do (exec -a @MARK@ sleep 30 >/dev/null 2>&1 &) ; done; true",
        "left",
    ),
    deed(
        "two-hundred-processes",
        "children = []\n"
        "try:\n"
        "    for i in range(200):\n"
        "        child = os.fork()\n"
        "        if child == 0:\n"
        "            time.sleep(9)\n"
        "            os._exit(0)\n"
        "        children.append(child)\n"
        "finally:\n"
        "    for child in children: os.kill(child, 9)\n"
        "won = len(children) == 200\n",
    ),
    deed(
        "two-hundred-threads",
        "import threading\n"
        "threading.stack_size(1 << 16)\n"
        "gate = threading.Event()\n"
        "try:\n"
        "    for i in range(200): threading.Thread(target=gate.wait, daemon=True).start()\n"
        "    won = True\n"
        "finally: gate.set()\n",
    ),
    # --- too long ---
    deed("endless-loop", "while time.process_time() < 2.2: pass\nwon = True\n", wall_s=9),
    deed(
        "loop-with-all-signals-ignored",
        "import signal\n"
        "for number in signal.valid_signals() - {9, 19}: signal.signal(number, signal.SIG_IGN)\n"
        "signal.setitimer(signal.ITIMER_PROF, 0)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
        "while time.process_time() < 2.2: pass\n"
        "won = True\n",
        wall_s=9,
    ),
    deed(
        "busy-threads",
        "import hashlib, threading\n"
        "def burn():\n"
        "    while time.process_time() < 2.2: hashlib.sha256(bytes(1 << 20))\n"
        "threads = [threading.Thread(target=burn) for _ in range(4)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "won = True\n",
        wall_s=9,
    ),
    _left(
        "daemon-that-holds-the-output",
        "if os.fork() == 0:\n"
        "    mark()\n"
        "    os.setsid()\n"
        "    time.sleep(60)\n"
        "def double(x):\n    return x - 1\n",
    ),
    _left(
        "sleep-for-ever-in-a-child-with-signals-blocked",
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
        "if os.fork() == 0:\n"
        "    mark()\n"
        "    while True: signal.sigwait({signal.SIGUSR1})\n",
    ),
    # --- after the run ---
    _left(
        "daemon",
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        mark()\n"
        "        for fd in range(256):\n"
        "            try: os.close(fd)\n"
        "            except OSError: pass\n"
        "        time.sleep(60)\n"
        "    os._exit(0)\n",
    ),
    _left(
        "daemon-by-another-program",
        "import subprocess\n"
        "quiet = dict.fromkeys(('stdin', 'stdout', 'stderr'), subprocess.DEVNULL)\n"
        "quiet |= {'executable': '/bin/sleep', 'start_new_session': True}\n"
        "subprocess.Popen(['@MARK@', '60'], **quiet)\n",
    ),
    _left(
        "daemon-of-a-thread",
        "import threading, subprocess\n"
        "def go():\n"
        "    quiet = dict.fromkeys(('stdin', 'stdout', 'stderr'), subprocess.DEVNULL)\n"
        "    command = ['setsid', '-f', 'bash', '-c', 'exec -a @MARK@ sleep 60']\n"
        "    subprocess.Popen(command, **quiet)\n"
        "thread = threading.Thread(target=go)\n"
        "thread.start()\n"
        "thread.join()\n"
        "time.sleep(0.1)\n",
    ),
    _left(
        "daemon-that-forks-all-the-time",
        "if os.fork() == 0:\n"
        "    mark()\n"
        "    os.setsid()\n"
        "    for fd in range(256):\n"
        "        try: os.close(fd)\n"
        "        except OSError: pass\n"
        "    end = time.monotonic() + 20\n"
        "    while time.monotonic() < end:\n"
        "        if os.fork(): os._exit(0)\n"
        "        time.sleep(0.005)\n",
    ),
    _left("stopped-child", "if os.fork() == 0:\n    mark()\n    os.kill(os.getpid(), 19)\n"),
    _shell(
        "daemon-of-the-shell",
        "setsid -f bash -c 'exec -a @MARK@ sleep 60' >/dev/null 2>&1 </dev/null; sleep 0.1",
        "left",
    ),
    _shell(
        "daemon-of-the-shell-without-hangups",
        "(trap '' HUP TERM INT; exec -a @MARK@ sleep 60) >/dev/null 2>&1 & disown; sleep 0.1",
        "left",
    ),
    # --- against others ---
    _left("kill-of-everybody", "os.kill(-1, 9)\n", "process", "runner"),
    _left("stop-of-everybody", f"{_KILL}hit(-1, 19)\n", "process", "hang"),
    _left(
        "kill-of-the-parents",
        f"{_KILL}"
        "pid = os.getppid()\n"
        "while pid > 1:\n"
        "    stat = open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()\n"
        "    hit(pid, 9)\n"
        "    pid = int(stat[1])\n"
        "hit(1, 9)\n",
        "runner",
    ),
    _left("kill-of-the-group", "os.killpg(0, 9)\n", "runner"),
    _left("stop-of-the-parent", f"{_KILL}hit(os.getppid(), 19)\n", "hang"),
    _left(
        "kill-of-a-process-of-the-host",
        f"{_KILL}hit(@PID@, 9)\n",
        "process",
    ),
    _left(
        "signals-by-descriptor",
        "import ctypes\n"
        "libc = ctypes.CDLL(None)\n"
        "fd = libc.syscall(434, @PID@, 0)\n"  # pidfd_open
        "libc.syscall(424, fd, 15, None, 0)\n",  # pidfd_send_signal
        "process",
    ),
    _left(
        "limits-of-a-process-of-the-host",
        "import resource\n"
        "for pid in (@PID@, os.getppid(), 1):\n"
        "    try: resource.prlimit(pid, resource.RLIMIT_NOFILE, (9, 9))\n"
        "    except OSError: pass\n",
        "process",
    ),
    _left(
        "priority-of-a-process-of-the-host",
        "for pid in (@PID@, os.getppid(), 1):\n"
        "    try: os.setpriority(os.PRIO_PROCESS, pid, 19)\n"
        "    except OSError: pass\n"
        "try: os.setpriority(os.PRIO_USER, 0, 19)\n"
        "except OSError: pass\n",
        "process",
    ),
    _left(
        "processors-of-a-process-of-the-host",
        "for pid in (@PID@, os.getppid(), 1):\n"
        "    try: os.sched_setaffinity(pid, {min(os.sched_getaffinity(0))})\n"
        "    except OSError: pass\n",
        "process",
    ),
    _left(
        "victim-of-the-memory-killer",
        "for pid in (@PID@, os.getppid(), 1):\n"
        "    try: open(f'/proc/{pid}/oom_score_adj', 'w').write('999')\n"
        "    except OSError: pass\n",
        "process",
    ),
    _left(
        "tracing-a-process-of-the-host",
        "import ctypes\n"
        "ptrace = ctypes.CDLL(None).ptrace\n"
        "for pid in (@PID@, os.getppid()):\n"
        "    if ptrace(16, pid, None, None) == 0:\n"  # attach
        "        os.waitpid(pid, 0)\n"
        "        ptrace(8, pid, None, None)\n",  # kill
        "process",
    ),
    _shell("kill-by-name-in-bash", "kill -9 @PID@ $PPID; kill -9 -1", "process"),
)
