#!/usr/bin/env bash
# The console in a real browser: people start runs from forms, watch them, answer, are told what is wrong, with a mouse
# and with the keyboard alone; the server is killed and comes back while they look; both themes, a phone, ten thousand
# runs and a run of five thousand events. Pictures of it all are in target/console: look at them.
# Needs npm and chromium. Where they are not at hand this is left out, but not where CI is set: there it fails.
# A part of a test's name as argument runs that one.
set -euo pipefail
cd "$(dirname "$0")/.."
export ROOT="$PWD"
export PAWL="${PAWL_BIN:-$ROOT/${CARGO_TARGET_DIR:-target}/debug/pawl}"
export TOOLS="$ROOT/target/tools/console" SHOTS="$ROOT/target/console"
CHROMIUM="${CHROMIUM:-$(command -v chromium || command -v chromium-browser || true)}"
export CHROMIUM
[[ "$PAWL" = /* ]] || export PAWL="$ROOT/$PAWL"

if [[ -z "$CHROMIUM" ]] || ! command -v npm >/dev/null; then
  echo "console: npm or chromium is not at hand: the console in a browser is LEFT OUT"
  [[ -z "${CI:-}" ]]
  exit
fi
mkdir -p "$TOOLS"
npm install --silent --no-audit --no-fund --prefix "$TOOLS" playwright-core@1.65.1 >/dev/null
timeout 600 node tests/console/all.mjs "$@"
