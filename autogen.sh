#!/bin/sh
# Makes `configure` from configure.ac. Needed in a clone, not in a release archive.
set -e
cd "$(dirname "$0")"
exec autoreconf --install --force
