#!/bin/sh
# Collect the texts of every package into its locale/vi.po, and compile locale/vi.mo (which is
# committed: a package is installed without Babel). Ends with 1 while a text lacks its Vietnamese.
set -eu
bin=$1
cd "$(dirname "$0")/.."
exec "$bin/python" -m tests.support.catalogue
