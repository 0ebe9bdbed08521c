#!/bin/sh
# Compile requirements.lock: exact versions with hashes for every platform, and no addresses.
set -eu
python=$1 venv=$2
uv=$(command -v uv || echo "$venv/bin/uv")
[ -x "$uv" ] || { "$python" -m venv "$venv" && "$venv/bin/pip" install --quiet uv && uv="$venv/bin/uv"; }
"$uv" pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate \
  --python-version 3.11 --extra dev --no-header pyproject.toml -o requirements.lock.new
{
  echo "# Compiled by 'make lock' from pyproject.toml with the extra 'dev'. Do not edit."
  grep -v '^ *# via' requirements.lock.new
} > requirements.lock
rm requirements.lock.new
