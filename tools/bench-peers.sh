#!/bin/sh
# Install the players that `make bench NAME=sound` sets beside Loa. No test needs them, and the
# benchmark names those that are not there.
set -eu
packages="mpv ffmpeg liquidsoap mopidy snapclient snapserver gstreamer1.0-plugins-base gstreamer1.0-plugins-good"

apt=""
if [ "$(id -u)" = 0 ]; then apt="env DEBIAN_FRONTEND=noninteractive apt-get"
elif sudo -n true 2>/dev/null; then apt="sudo -n env DEBIAN_FRONTEND=noninteractive apt-get"; fi
if [ -z "$apt" ]; then
  echo "Not root. To compare with them: sudo apt-get install --no-install-recommends $packages" >&2
  exit 1
fi
for package in $packages; do # one by one: what a release does not have, the others do not miss
  $apt install -y -qq --no-install-recommends "$package" >/dev/null || echo "Not available: $package" >&2
done
