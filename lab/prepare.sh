#!/bin/sh
# Before `npm start` and `npm test` in a new clone: the packages, and what the Node among them needs to run at all.
# Invariant: does nothing, at once, where all is there. Plain sh: the machine's own Node may be too old for this project.
set -eu
cd "$(dirname "$0")/.."
[ ! -x node_modules/.bin/node ] || exit 0

# npm runs install scripts with the new Node, so it must be able to start before `npm ci`.
if [ "$(uname -s)" = Linux ] && ! /sbin/ldconfig -p | grep -q 'libatomic\.so\.1'; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "npm: Node needs the library libatomic.so.1: install it (Debian: apt-get install libatomic1) and try again" >&2
    exit 1
  fi
  echo "Installing Debian packages: libatomic1"
  apt-get update -qq > /dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -yqq --no-install-recommends libatomic1 > /dev/null
fi
echo "Installing npm packages: npm ci"
# What it warns of is about npm itself and the Node that npm runs on: not of use here.
exec npm ci --no-audit --no-fund --loglevel=error
