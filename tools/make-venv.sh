#!/bin/sh
# Make the environment: what requirements.lock pins, and the four packages in place.
set -eu
python=$1 venv=$2

missing=""
command -v "$python" >/dev/null 2>&1 || missing="$missing python3"
if command -v "$python" >/dev/null 2>&1; then
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Loa needs Python 3.11 or newer; $python is $("$python" --version 2>&1)." >&2
    echo "Name another one: make PYTHON=python3.12 demo" >&2
    exit 2
  }
  command -v uv >/dev/null 2>&1 || "$python" -c 'import venv, ensurepip' 2>/dev/null || missing="$missing python3-venv"
fi
command -v git >/dev/null 2>&1 || missing="$missing git"
if [ -n "$missing" ]; then
  echo "This system lacks:$missing. On Debian or Ubuntu: sudo apt-get install$missing" >&2
  exit 2
fi

echo "Making the environment in $venv (once; about a minute) ..."
if command -v uv >/dev/null 2>&1; then
  [ -x "$venv/bin/python" ] || uv venv --quiet --python "$python" "$venv"
  VIRTUAL_ENV=$venv uv pip install --quiet --python "$venv/bin/python" --require-hashes -r requirements.lock
  uv pip install --quiet --python "$venv/bin/python" --no-deps -e .
else
  [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -e .
fi
echo "Environment ready."
