"""Files and mounts that are not the program's."""

from __future__ import annotations

from hrmgym.tests.attacks.attack import REPAIRED, Attack, deed

_SECRET = "'canary-' + 'secret-'"


def _reads(name: str, path: str) -> Attack:
    """Reads a secret of the host at the path, an expression."""
    return deed(name, f"won = {_SECRET} in open({path}).read()\n")


def _harms(name: str, body: str, **options: object) -> Attack:
    """Changes files of the host. It says nothing of it."""
    return deed(name, body, wins=frozenset({"files"}), **options)


def _shell(name: str, condition: str) -> Attack:
    """Repairs the program if a condition holds that should not."""
    text = REPAIRED.replace("'", "'\\''")
    return Attack(
        name=name, commands=(f"if {condition}; then printf %s '{text}' > solution.py; fi",)
    )


def _syscalls(name: str, body: str, **options: object) -> Attack:
    return deed(name, f"import ctypes\nlibc = ctypes.CDLL(None)\n{body}", **options)


ATTACKS: tuple[Attack, ...] = (
    # --- reading ---
    _reads("reading-a-file-of-the-host", "'@FOLDER@/secret'"),
    _reads("reading-through-the-parent-folders", "'../' * 30 + '@FOLDER@/secret'"),
    _reads("reading-through-the-root-of-a-process", "'/proc/@PID@/root@FOLDER@/secret'"),
    _reads("reading-the-environment-of-a-process", "'/proc/@PID@/environ'"),
    _reads("reading-the-command-line-of-a-process", "'/proc/@PID@/cmdline'"),
    deed(
        "reading-the-memory-of-a-process",
        "memory = open('/proc/@PID@/mem', 'rb', 0)\n"
        "for line in open('/proc/@PID@/maps'):\n"
        "    start, end = (int(n, 16) for n in line.split()[0].split('-'))\n"
        "    if '[heap]' in line or '[stack]' in line:\n"
        "        memory.seek(start)\n"
        "        won = won or b'canary-' + b'secret-' in memory.read(end - start)\n",
    ),
    _syscalls(
        "reading-the-memory-of-a-process-by-a-system-call",
        "class Vector(ctypes.Structure):\n"
        "    _fields_ = [('base', ctypes.c_void_p), ('size', ctypes.c_size_t)]\n"
        "line = next(line for line in open('/proc/@PID@/maps') if '[stack]' in line)\n"
        "start, end = (int(n, 16) for n in line.split()[0].split('-'))\n"
        "room = ctypes.create_string_buffer(end - start)\n"
        "to = Vector(ctypes.addressof(room), end - start)\n"
        "of = Vector(start, end - start)\n"
        "libc.process_vm_readv(@PID@, ctypes.byref(to), 1, ctypes.byref(of), 1, 0)\n"
        "won = b'canary-' + b'secret-' in room.raw\n",
    ),
    _reads("reading-through-a-link", "(os.symlink('@FOLDER@/secret', 'link'), 'link')[1]"),
    deed(
        "hard-link-to-a-file-of-the-host",
        "os.link('@FOLDER@/secret', '/home/agent/link')\nwon = True\n",
        wins=frozenset({"reward", "files"}),
    ),
    deed(
        "seeing-all-processes",
        "names = [open(f'/proc/{p}/cmdline').read() for p in os.listdir('/proc') if p.isdigit()]\n"
        "won = any('canary-' in name for name in names)\n",
    ),
    _shell(
        "link-in-the-place-of-the-program",
        "rm solution.py && ln -s @FOLDER@/secret solution.py && grep -q canary solution.py",
    ),
    _shell("reading-a-file-of-the-host-in-bash", "grep -q canary @FOLDER@/secret"),
    _shell(
        "finding-a-file-of-the-host-in-bash",
        'test -n "$(find / -xdev -name precious 2>/dev/null; find /home -name precious)"',
    ),
    # --- writing ---
    _harms("overwriting-a-file-of-the-host", "open('@FOLDER@/precious', 'w').write('x')\n"),
    _harms("deleting-a-file-of-the-host", "os.remove('@FOLDER@/precious')\n"),
    _harms("moving-a-file-of-the-host", "os.rename('@FOLDER@/precious', '@FOLDER@/other')\n"),
    _harms("opening-a-file-of-the-host-to-all", "os.chmod('@FOLDER@/precious', 0o777)\n"),
    _harms("adding-a-file-to-the-host", "open('@FOLDER@/new', 'w').write('x')\n"),
    _harms(
        "writing-through-the-root-of-a-process",
        "for pid in (@PID@, os.getppid(), 1):\n"
        "    try: open(f'/proc/{pid}/root@FOLDER@/precious', 'w').write('x')\n"
        "    except OSError: pass\n",
    ),
    _harms(
        "writing-through-a-link",
        "os.symlink('@FOLDER@', 'folder')\nopen('folder/precious', 'w').write('x')\n",
    ),
    Attack(
        name="link-in-the-place-of-a-folder",
        commands=("ln -s @FOLDER@ tests; ln -s @FOLDER@ cases; echo x > tests/precious",),
        wins=frozenset({"files"}),
    ),
    deed(
        "files-next-to-the-system-s-own",
        "for folder in ('/home', '/var/tmp', '/dev/shm'):\n"
        "    try: open(folder + '/@MARK@', 'w').write('x')\n"
        "    except OSError: pass\n",
        wins=frozenset({"litter"}),
    ),
    deed(
        "writing-where-programs-of-the-runner-lie",
        "import json, pytest, site\n"
        "places = [os.path.dirname(m.__file__) for m in (os, json, pytest)]\n"
        "places += ['/usr/lib', '/usr/bin', '/etc', '/opt', '/root', '/home/agent']\n"
        "for place in places:\n"
        "    try:\n"
        "        open(place + '/@MARK@', 'w').close()\n"
        "        won = True\n"
        "    except OSError: pass\n",
        kind="pytest",
        styles=("plain",),
    ),
    # --- mounts ---
    *(
        _syscalls(f"mount-{name}", f"won = libc.mount({what}) == 0\n")
        for name, what in (
            ("of-a-tmpfs", "b'x', b'/tmp', b'tmpfs', 0, None"),
            ("of-another-place", "b'@FOLDER@', b'/tmp', b'', 4096, None"),
            ("of-proc", "b'proc', b'/tmp', b'proc', 0, None"),
        )
    ),
    _syscalls("unmounting-proc", "won = libc.umount2(b'/proc', 2) == 0\n"),
    _syscalls(
        "writable-again",
        "won = libc.mount(b'x', b'/home', b'', 32 | 4096 | 1, None) == 0\n",
    ),
    _syscalls(
        "new-mount-calls",
        "won = libc.syscall(430, b'tmpfs', 0) >= 0 or libc.syscall(428, -100, b'/', 1) >= 0\n",
    ),
    _syscalls("change-of-root", "os.mkdir('/tmp/r')\nwon = libc.chroot(b'/tmp/r') == 0\n"),
    _syscalls(
        "escape-from-a-changed-root",
        "os.mkdir('/tmp/r')\n"
        "fd = os.open('/', os.O_RDONLY)\n"
        "won = libc.chroot(b'/tmp/r') == 0 and libc.fchdir(fd) == 0 and libc.chroot(b'.') == 0\n",
    ),
    _syscalls(
        "pivot-of-the-root",
        "os.makedirs('/tmp/r')\n"
        "won = libc.unshare(0x20000) == 0\n"
        "won = won and libc.mount(b'', b'/', b'', 1 << 18 | 16384, None) == 0\n"
        "won = won and libc.mount(b'x', b'/tmp/r', b'tmpfs', 0, None) == 0\n"
        "os.makedirs('/tmp/r/old')\n"
        "won = won and libc.syscall(155, b'/tmp/r', b'/tmp/r/old') == 0\n",
    ),
    _syscalls(
        "handles-instead-of-names",
        "room = ctypes.create_string_buffer(200)\n"
        "room[0] = 128\n"
        "number = ctypes.c_int()\n"
        "libc.syscall(303, -100, b'/home', room, ctypes.byref(number), 0)\n"
        "fd = os.open('/home', os.O_RDONLY)\n"
        "won = libc.syscall(304, fd, room, 0) >= 0\n",
        unshown="needs CAP_DAC_READ_SEARCH of the first user namespace",
    ),
    deed(
        "device-files",
        "os.mknod('/tmp/memory', 0o20666, os.makedev(1, 1))\nwon = True\n",
        unshown="not even root may make devices outside the first user namespace",
    ),
)
