#!/usr/bin/env bash
# Plugin authors: does what the guides say, each in an empty folder; then builds the JavaScript ports
# of shipped plugins from the template, and runs the tests of the Rust ones on them.
# Needs cargo, and npm for JavaScript; with PAWL_PYTHON set also python3 with pip. What is not at hand is named and left
# out, but not where CI is set: there it fails.
set -euo pipefail
cd "$(dirname "$0")/.."
root="$PWD"
pawl="${PAWL:-${CARGO_TARGET_DIR:-$root/target}/debug/pawl}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

left_out=0
has() {
  command -v "$1" >/dev/null && return
  echo "authors: $1 is not at hand: $2 is LEFT OUT"
  left_out=1
  return 1
}

guides=(docs/guides/first-agent.md docs/guides/upgrades.md docs/guides/rust-plugin.md)
js=""
if has npm "JavaScript"; then
  guides+=(docs/guides/javascript-plugin.md docs/guides/mcp.md)
  js=1
fi
# A minute of its own, for what changes rarely: asked for, not always done.
[[ -n "${PAWL_PYTHON:-}" ]] && has python3 "Python" && guides+=(docs/guides/python-plugin.md)

echo "authors: the guides, as their readers follow them"
cargo xtask guide --pawl "$pawl" "${guides[@]}"

if [[ -n "$js" ]]; then
  echo "authors: JavaScript ports of shipped plugins"
  mkdir "$work/plugins"
  for port in plugins/tests/js/*/; do
    name="$(basename "$port")"
    kind="$(sed -n 's/^kind = "\(.*\)"$/\1/p' "$port/plugin.toml")"
    "$pawl" plugin new "$name" --kind "$kind" --lang js --dir "$work/$name" 2>/dev/null
    cp -R "$port/." "$work/$name/"
    if [[ -d "$work/node_modules" ]]; then
      cp -R "$work/node_modules" "$work/$name/"
    else
      (cd "$work/$name" && npm install --silent --no-fund --no-audit) && cp -R "$work/$name/node_modules" "$work/"
    fi
    (cd "$work/$name" && npm run --silent build >/dev/null)
    "$pawl" plugin check "$work/$name/$name.wasm"
    cp "$work/$name/$name.wasm" "$work/plugins/"
    cp "$work/$name/plugin.toml" "$work/plugins/$name.toml"
  done
  echo "authors: the tests of the Rust plugins, on the JavaScript ones"
  export PAWL_TEST_PLUGINS="$work/plugins"
  cargo test --quiet --workspace --locked --test it -- --ignored languages::
  cargo test --quiet --workspace --locked --test it -- workflows:: restart::
fi

if [[ "$left_out" == 1 ]]; then
  echo "authors: NOT everything was tried"
  [[ "${CI:-}" == "" ]] || exit 1
  exit 0
fi
echo "authors: all as the guides say"
