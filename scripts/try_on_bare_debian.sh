#!/bin/sh
# Try what the README promises on a bare Debian 12: try_on_bare_debian.sh TARGET. Needs root and debootstrap; MIRROR may name a Debian mirror, PHASES some of the phases.
#
#   tree     TARGET is made by debootstrap with python3, make and ca-certificates, and gets a fresh clone of this repository
#   other    as a user who is not root, without uv and venv: one sentence says what to install, and nothing is left half made
#   demo     as root, nothing installed: how long from `make demo` until the gateway counts events and the dashboard answers
#   offline  in a network of its own, which leads nowhere: the check and a minute of the demo, and how often something wanted to leave the machine
#   tests    `make test`
set -eu
[ $# -eq 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
target=$1
repository=$(cd "$(dirname "$0")/.." && pwd)
gateway=19200
dashboard=18501

say() { echo "== $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

# The user's own environment does not come along, but for how packages are fetched.
inside() {
  kept=$(env | sed -n 's/^\(PIP_CERT\|PIP_INDEX_URL\|SSL_CERT_FILE\|https\{0,1\}_proxy\|HTTPS\{0,1\}_PROXY\|no_proxy\|NO_PROXY\)=.*/&/p')
  # shellcheck disable=SC2086 -- one word each
  env -i $kept PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 chroot "$target" sh -c "cd /tailrace && $*"
}

binds() { for folder in proc dev; do mountpoint -q "$target/$folder" || mount --rbind "/$folder" "$target/$folder"; done; }
unbind() { for folder in dev proc; do umount -lR "$target/$folder" 2>/dev/null || true; done; }

tree() {
  say "bare Debian 12 in $target"
  debootstrap --variant=minbase --include=python3,make,ca-certificates bookworm "$target" ${MIRROR:+"$MIRROR"} >/dev/null || fail "debootstrap"
  rm -f "$target/etc/resolv.conf"
  cp /etc/resolv.conf /etc/hosts "$target/etc/"
  cp /etc/ssl/certs/ca-certificates.crt "$target/etc/ssl/certs/"
  rm -rf "$target/tailrace"
  git clone -q "$repository" "$target/tailrace"
}

other() {
  say "as another user, without uv and venv"
  cp -r "$target/tailrace" "$target/tmp/other"
  chown -R 1000:1000 "$target/tmp/other"
  status=0
  inside 'cd /tmp/other && HOME=/tmp/other setpriv --reuid 1000 --regid 1000 --clear-groups make demo' >"$target/tmp/other.txt" 2>&1 || status=$?
  cat "$target/tmp/other.txt"
  [ "$status" -ne 0 ] || fail "it went on"
  [ ! -e "$target/tmp/other/.venv" ] || fail ".venv is left half made"
  grep -q 'apt-get install python3.11-venv' "$target/tmp/other.txt" || fail "it does not say what to install"
  rm -rf "$target/tmp/other"
}

# Exit 0 once the gateway counts events and the dashboard answers.
has_data='
import json, sys, urllib.request
get = lambda port, path: urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2).read()
try:
    count = json.loads(get(sys.argv[1], "/tailrace-logs-*/_count"))["count"]
    get(sys.argv[2], "/_stcore/health")
except OSError:
    sys.exit(1)
print(count)
sys.exit(count < 1000)
'

demo() {
  say "make demo as root, nothing installed"
  began=$(date +%s)
  inside "TAILRACE_HOME=/tmp/home TAILRACE_GATEWAY_PORT=$gateway TAILRACE_DASHBOARD_PORT=$dashboard exec setsid sh -c 'echo \$\$ >/tmp/demo.pid; exec make demo'" >"$target/tmp/demo.txt" 2>&1 &
  running=$!
  until count=$(python3 -c "$has_data" $gateway $dashboard); do
    kill -0 $running 2>/dev/null || { cat "$target/tmp/demo.txt"; fail "the demo ended"; }
    [ $(($(date +%s) - began)) -lt 180 ] || { cat "$target/tmp/demo.txt"; fail "no data after 180 s"; }
    sleep 0.5
  done
  say "up with $count events after $(($(date +%s) - began)) s"
  began=$(date +%s)
  make=$(cat "$target/tmp/demo.pid")
  # shellcheck disable=SC2046 -- a word each
  kill -s TERM $(cat "/proc/$make/task/$make/children")
  while kill -0 $running 2>/dev/null; do
    [ $(($(date +%s) - began)) -le 10 ] || fail "it does not stop"
    sleep 0.2
  done
  cat "$target/tmp/demo.txt"
  say "stopped after $(($(date +%s) - began)) s"
}

# Linux counts each packet and connection that finds no way out of a network (RFC 2011's ipOutNoRoutes). One connection is tried first, to see that it is counted.
offline() {
  say "the check and the demo in a network that leads nowhere"
  echo 'nameserver 192.0.2.53' >"$target/etc/resolv.conf"
  inside 'unshare -n sh -ec "
    .venv/bin/python -c \"import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack(\\\"16sh\\\", b\\\"lo\\\", 0x41)); socket.socket().connect_ex((\\\"192.0.2.1\\\", 9))\"
    TAILRACE_HOME=/tmp/check .venv/bin/tailrace demo --check
    TAILRACE_HOME=/tmp/offline .venv/bin/tailrace demo --seconds 60
    cat /proc/net/snmp /proc/net/snmp6
  "' >"$target/tmp/offline.txt" 2>&1 || { cat "$target/tmp/offline.txt"; fail "offline"; }
  cp /etc/resolv.conf "$target/etc/"
  sed '/^[A-Z][A-Za-z0-9]*:/,$d' "$target/tmp/offline.txt"
  left=$(awk '$1 == "Ip:" { if ($2 ~ /^[A-Z]/) { for (i in want) delete want[i]; for (i = 2; i <= NF; i++) if ($i == "OutNoRoutes") want[i] } else for (i in want) n += $i }
              $1 == "Ip6OutNoRoutes" { n += $2 } END { print n + 0 }' "$target/tmp/offline.txt")
  [ "$left" -ge 1 ] || fail "what leaves the machine is not counted here"
  say "wanted to leave the machine: $((left - 1)) times"
  [ "$left" -eq 1 ] || fail "something asks another machine"
}

tests() {
  say "make test"
  inside make test || fail "make test"
}

trap unbind EXIT
trap 'exit 1' INT TERM
for phase in ${PHASES:-tree other demo offline tests}; do
  [ "$phase" = tree ] || binds
  "$phase"
done
say "all of it holds"
