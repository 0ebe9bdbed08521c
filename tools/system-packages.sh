#!/bin/sh
# Install the Debian packages that some tests need, when this user may; say what is left out if not.
# The tests themselves find out what is there (tests/conftest.py) and name what they did not run.
set -eu
bin=$1
packages="portaudio19-dev libasound2-dev libasound2-plugins pulseaudio ffmpeg openssl e2fsprogs gcc python3-dev systemd faketime softhsm2 espeak-ng icecast2"

apt=""
if command -v apt-get >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ]; then apt="env DEBIAN_FRONTEND=noninteractive apt-get"
  elif sudo -n true 2>/dev/null; then apt="sudo -n env DEBIAN_FRONTEND=noninteractive apt-get"; fi
fi
missing=""
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
if [ -n "$missing" ]; then
  if [ -n "$apt" ]; then
    echo "Installing for the tests:$missing"
    $apt update -qq >/dev/null && $apt install -y -qq --no-install-recommends $missing >/dev/null \
      || echo "Could not install$missing; their tests will be named as not run." >&2
  else
    echo "Not installed (no root):$missing; their tests will be named as not run." >&2
    echo "To run them too: sudo apt-get install$missing" >&2
  fi
fi
if ! "$bin/python" -c 'import pyaudio' 2>/dev/null && [ -e /usr/include/portaudio.h ]; then
  echo "Building PyAudio ..."
  if command -v uv >/dev/null 2>&1; then uv pip install --quiet --python "$bin/python" pyaudio==0.2.14 || true
  else "$bin/pip" install --quiet --disable-pip-version-check pyaudio==0.2.14 || true; fi
fi
