#!/bin/sh
# A container engine for tests/docker: Docker and Podman below one folder, in a network namespace
# of their own, so that nothing else of the machine is touched. Linux, root, Debian's packages.
#
#   engine.sh install           install docker.io, podman and what they need with apt-get
#   engine.sh start DIR         start the engine; the first time, build the test images (2 minutes)
#   engine.sh env DIR           print the variables that reach it
#   engine.sh exec DIR CMD...   run a command that reaches it
#   engine.sh run DIR CMD...    start, exec, stop
#   engine.sh status DIR
#   engine.sh stop DIR          end it; DIR keeps the images for the next start, and may be deleted
#
# No registry is asked: images come from the Debian mirror of this machine, and from PyPI.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
image=hrmgym-test:bookworm
bare=hrmgym-bare:bookworm # the same without swe-rex
suite=bookworm
python=3.11 # the suite's
packages="docker.io podman runc iptables debootstrap iproute2"

fail() { echo "engine.sh: $*" >&2; exit 1; }

need() {
    for tool in "$@"; do
        command -v "$tool" >/dev/null || fail "$tool is missing; run '$0 install'"
    done
}

within() { nsenter --net="$dir/netns" "$@"; }

variables() {
    cat <<END
export DOCKER_HOST=unix://$dir/docker.sock
export CONTAINERS_CONF=$dir/containers.conf
export CONTAINERS_STORAGE_CONF=$dir/storage.conf
export HRMGYM_TEST_IMAGE=$image
export HRMGYM_TEST_BARE_IMAGE=$bare
export HRMGYM_TEST_NETNS=$dir/netns
END
}

pid_of() { [ -s "$dir/docker.pid" ] && cat "$dir/docker.pid"; }

running() { [ -n "$(pid_of)" ] && kill -0 "$(pid_of)" 2>/dev/null; }

# --- images ---------------------------------------------------------------------------------------

build_images() {
    need debootstrap
    root=$dir/rootfs
    rm -rf "$root"
    trap 'rm -rf "$root"' EXIT
    echo "engine.sh: building the test images below $dir" >&2
    # git, for the tests of workspaces; procps, to look for what is left running
    debootstrap --variant=minbase --include=python3,git,procps "$suite" "$root" \
        "$(mirror)" >"$dir/debootstrap.log" 2>&1 || fail "debootstrap failed; see $dir/debootstrap.log"
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/doc
    tar -C "$root" -c . | docker import - "$bare" >/dev/null
    arch=$(uname -m)
    "${PYTHON:-python3}" -m pip install --quiet --target "$root/usr/local/lib/python$python/dist-packages" \
        -c "$here/../../constraints.txt" --only-binary=:all: --python-version "$python" \
        --platform "manylinux_2_28_$arch" --platform "manylinux_2_17_$arch" \
        --platform "manylinux2014_$arch" swe-rex aiohttp pytest >"$dir/pip.log" 2>&1 ||
        fail "pip failed; see $dir/pip.log"
    cat >"$root/usr/local/bin/swerex-remote" <<'END'
#!/usr/bin/python3
from swerex.server import main
main()
END
    chmod 755 "$root/usr/local/bin/swerex-remote"
    tar -C "$root" -c . | docker import - "$image" >/dev/null
    rm -rf "$root"
    trap - EXIT
}

mirror() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
        sed -n -E 's/^(URIs:|deb( \[[^]]*\])?) *(https?:[^ ]*).*/\3/p' | grep -v security | head -n 1 |
        grep . || echo http://deb.debian.org/debian
}

give_podman_the_images() {
    command -v podman >/dev/null || return 0
    for name in "$image" "$bare"; do
        podman image exists "localhost/$name" && continue
        docker save "$name" | podman load --quiet >/dev/null
        podman tag "$name" "localhost/$name" 2>/dev/null || true
    done
}

# --- the engine -----------------------------------------------------------------------------------

start() {
    [ "$(id -u)" = 0 ] || fail "must be root"
    need dockerd docker runc nsenter unshare ip
    mkdir -p "$dir"
    eval "$(variables)"
    if running; then
        echo "engine.sh: it runs already" >&2
    else
        stop
        : >"$dir/netns"
        unshare --net="$dir/netns" true
        within ip link set lo up
        write_podman_files
        remember_what_is_new
        within setsid dockerd --data-root "$dir/data" --exec-root "$dir/exec" \
            -H "$DOCKER_HOST" --pidfile "$dir/docker.pid" --cgroup-parent "$(group)" \
            </dev/null >"$dir/docker.log" 2>&1 &
        n=0
        until docker version >/dev/null 2>&1; do
            n=$((n + 1))
            [ $n -lt 300 ] || { tail -n 5 "$dir/docker.log" >&2; stop; fail "dockerd did not start"; }
            sleep 0.1
        done
    fi
    docker image inspect "$image" "$bare" >/dev/null 2>&1 || build_images
    give_podman_the_images
}

group() { echo "hrmgym-$(echo "$dir" | cksum | cut -d ' ' -f 1)"; }

write_podman_files() {
    # Root without CAP_SYS_RESOURCE cannot raise limits, and crun knows no hybrid cgroups.
    cat >"$dir/containers.conf" <<END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "$dir/podman-tmp"
[network]
network_config_dir = "$dir/podman-networks"
END
    cat >"$dir/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$dir/podman"
runroot = "$dir/podman-run"
END
}

# Places outside the folder that engines make: those that are not there yet go away again.
remember_what_is_new() {
    for place in /run/containerd /run/containers /run/docker /run/libpod /run/netns /run/runc \
        /var/lib/cni /var/lib/containers; do
        [ -e "$place" ] || echo "$place"
    done >"$dir/new"
}

stop() {
    eval "$(variables)"
    if [ -e "$dir/podman-run" ] && command -v podman >/dev/null && [ -e "$dir/netns" ]; then
        within podman rm --all --force --time 0 >/dev/null 2>&1 || true
    fi
    if running; then
        docker ps -aq | xargs -r docker rm -f >/dev/null 2>&1 || true
        pid=$(pid_of)
        kill "$pid"
        n=0
        while kill -0 "$pid" 2>/dev/null; do
            n=$((n + 1))
            [ $n -lt 150 ] || kill -9 "$pid"
            sleep 0.1
        done
    fi
    # What the engine may have left: mounts below the folder, its namespace, its control groups.
    sed 's/^[^ ]* [^ ]* [^ ]* [^ ]* \([^ ]*\) .*/\1/' /proc/self/mountinfo | grep "^$dir/" | sort -r |
        while read -r point; do umount -l "$point" || true; done
    rm -rf "$dir/netns" "$dir/exec" "$dir/docker.sock" "$dir/docker.pid" "$dir/podman-run" "$dir/podman-tmp"
    [ ! -e "$dir/new" ] || while read -r place; do
        ! mountpoint -q "$place" || umount -l "$place"
        rm -rf "$place"
    done <"$dir/new"
    rm -f "$dir/new"
    find /sys/fs/cgroup -depth -type d \( -path "*/$(group)*" -o -path "*/libpod_parent*" \) \
        -exec rmdir {} + 2>/dev/null || true
}

status() {
    if running; then
        echo "running, process $(pid_of)"
        eval "$(variables)"
        docker ps --format '{{.Names}} {{.Status}}'
    else
        echo "not running"
        return 1
    fi
}

act=${1:-}
case $act in
install)
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages netavark
    exit
    ;;
start | env | exec | run | status | stop) ;;
*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
[ $# -ge 2 ] || fail "$act needs a folder"
dir=$2
shift 2
case $dir in /*) ;; *) dir=$PWD/$dir ;; esac
dir=$(realpath -m "$dir")
case $act in
start) start && variables ;;
env) variables ;;
status) status ;;
stop) stop ;;
exec)
    running || fail "no engine runs below $dir"
    eval "$(variables)"
    exec nsenter --net="$dir/netns" "$@"
    ;;
run)
    started=
    running || started=yes
    start
    code=0
    within "$@" || code=$?
    [ -z "$started" ] || stop
    exit $code
    ;;
esac
