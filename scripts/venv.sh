#!/bin/sh
# Make .venv with what one of the lock files names: venv.sh LOCK [PYTHON]. Uses uv where it is there, else Python's venv and pip; installs Debian's missing ensurepip as root.
set -eu
lock=${1:?lock file}
python=${2:-python3}

say() { echo "setup: $*" >&2; }

command -v "$python" >/dev/null 2>&1 || { say "Python 3.11 or newer is needed: install python3"; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { say "Python 3.11 or newer is needed, and $python is $("$python" -V)"; exit 1; }

fresh=no
[ -x .venv/bin/python ] || fresh=yes
cleanup() { [ "$fresh" = no ] || rm -rf .venv; }
trap cleanup EXIT

if command -v uv >/dev/null 2>&1; then
  [ "$fresh" = no ] || uv venv -q --python "$python" .venv
  say "installing $lock with uv"
  uv pip install -q --python .venv/bin/python --require-hashes -r "$lock"
  uv pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e .
else
  if [ "$fresh" = yes ] && ! "$python" -c 'import ensurepip' 2>/dev/null; then
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
      say "Python's ensurepip is missing: installing $package"
      apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
    else
      say "Python's venv is missing here: install it as root (apt-get install $package), or install uv, and try again"
      exit 1
    fi
  fi
  [ "$fresh" = no ] || "$python" -m venv .venv
  say "installing $lock with pip (a minute or two the first time)"
  .venv/bin/python -m pip install -q --disable-pip-version-check --no-compile --require-hashes -r "$lock"
  .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
fi
fresh=no
say "ready"
