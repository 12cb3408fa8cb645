#!/usr/bin/env bash
# Plugins and a real registry, with a password and without: pushed, pulled by tag and by digest, run from there and then
# without it; bytes that were altered in it, wrong digests, names that are not there, people who are not let in.
# Needs docker-registry, and node. Where the first is not at hand this is left out, but not where CI is set: there it fails.
set -euo pipefail
cd "$(dirname "$0")/.."
root="$PWD"
bin="${PAWL:-${CARGO_TARGET_DIR:-$root/target}/debug/pawl}"
work="$(mktemp -d)"
servers=()
trap '[[ ${#servers[@]} -gt 0 ]] && kill "${servers[@]}" 2>/dev/null; rm -rf "$work"' EXIT

if ! command -v docker-registry >/dev/null; then
  echo "registry: docker-registry is not at hand: it is LEFT OUT"
  [[ -z "${CI:-}" ]]
  exit
fi
cd "$work"
# Nothing of whoever runs this.
unset PAWL_DATA PAWL_STORE PAWL_CONFIG

fail() { echo "registry: $*" >&2; exit 1; }
# says CODE WORDS COMMAND…: it ends with the code, and says the words.
says() {
  local code="$1" words="$2" got=0
  shift 2
  "$@" >said.log 2>&1 || got=$?
  [[ "$got" == "$code" ]] && grep -qF -- "$words" said.log || { cat said.log >&2; fail "$* ended with $got, not $code and '$words'"; }
}
port() { node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'; }
# begin NAME: a registry with the settings of NAME.yml.
begin() {
  docker-registry serve "$1.yml" >"$1.log" 2>&1 &
  servers+=($!)
  for _ in $(seq 100); do
    curl --silent --output /dev/null "http://$2/v2/" && return
    kill -0 "${servers[-1]}" 2>/dev/null || { cat "$1.log" >&2; fail "$1 does not start"; }
    sleep 0.1
  done
  fail "$1 does not answer"
}
settings() {
  cat <<YAML
version: 0.1
log: { level: warn }
storage: { filesystem: { rootdirectory: $work/$1 }, cache: {} }
http: { addr: "$2" }
YAML
}
open="127.0.0.1:$(port)"
settings open "$open" >open.yml
begin open "$open"
closed="127.0.0.1:$(port)"
password=canary-4711
{ settings closed "$closed"; echo "auth: { htpasswd: { realm: r, path: $work/htpasswd } }"; } >closed.yml
# The hash of the password above.
echo 'ann:$2b$05$abcdefghijklmnopqrstuuh0/67O30YDyKxPe3PcrqBG/P7iN.lja' >htpasswd
begin closed "$closed"

cp "$root/plugins/dist/echo.wasm" "$root/plugins/dist/echo.toml" .
mkdir -p data
pawl=("$bin" --data data)
"${pawl[@]}" plugin keygen release.key >/dev/null 2>&1
"${pawl[@]}" plugin sign echo.wasm --key release.key >/dev/null

# There and back, under the same digest whenever it is pushed.
pinned="$("${pawl[@]}" plugin push echo.wasm "oci://$open/team/echo:1.0.0")"
[[ "$pinned" == "oci://$open/team/echo:1.0.0@sha256:"* ]] || fail "push printed $pinned"
[[ "$("${pawl[@]}" plugin push echo.wasm "oci://$open/team/echo:1.0.0")" == "$pinned" ]] || fail "another digest"
digest="${pinned##*@}"
for from in "oci://$open/team/echo:1.0.0" "oci://$open/team/echo@$digest" "$pinned"; do
  rm -rf into
  "${pawl[@]}" plugin pull "$from" --into into >/dev/null
  for file in echo.wasm echo.wasm.sig echo.toml; do
    cmp "$file" "into/$file" || fail "$from: $file is another"
  done
done

workflow() {
  cat <<YAML
pawl: 1
workflow: says
version: 1.0.0
plugins: { mine: "$1" }
steps:
  - { id: say, tool: mine.say, with: { text: hello } }
outputs: { said: "\${{ steps.say.output.text }}" }
YAML
}
# A tag alone is refused with what to write; a digest is enough, and so is a lock.
workflow "oci://$open/team/echo:1.0.0" >says.yaml
says 2 "write $pinned" "${pawl[@]}" run says.yaml
workflow "$pinned" >pinned.yaml
says 0 "hello" "${pawl[@]}" run pinned.yaml
says 0 "1 plugin" "${pawl[@]}" lock says.yaml
grep -qF "origin = \"$pinned\"" pawl.lock || fail "the lock has another origin"
says 0 "hello" "${pawl[@]}" run says.yaml --locked
# Another plugin under the tag changes nothing for who has a lock.
cp "$root/plugins/dist/text.wasm" "$root/plugins/dist/text.toml" .
"${pawl[@]}" plugin push text.wasm "oci://$open/team/echo:1.0.0" >/dev/null 2>&1
says 0 "hello" "${pawl[@]}" run says.yaml --locked

# What is not there, and what no registry can be asked for.
says 1 "is not there" "${pawl[@]}" plugin pull "oci://$open/team/echo:2.0.0" --into into
says 1 "is not there" "${pawl[@]}" plugin pull "oci://$open/team/none:1.0.0" --into into
zeros="$(printf '0%.0s' $(seq 64))"
says 1 "is not there" "${pawl[@]}" plugin pull "oci://$open/team/echo@sha256:$zeros" --into into
workflow "oci://$open/team/echo" >neither.yaml
says 2 "neither a tag nor a digest" "${pawl[@]}" check neither.yaml

# Signatures are looked at, whatever way a plugin came.
echo 'trusted_keys: { release: { file: release.key.pub } }' >pawl.yaml
says 0 "hello" "${pawl[@]}" run pinned.yaml
says 2 "it is not signed" "${pawl[@]}" plugin pull "oci://$open/team/echo:1.0.0" --into into
rm pawl.yaml

# Given by the operator's file to every workflow, from a registry and from a path; fetched when it is needed.
by_name() {
  cat <<YAML
pawl: 1
workflow: given
version: 1.0.0
steps:
  - { id: say, tool: $1.say, with: { text: hello } }
outputs: { said: "\${{ steps.say.output.text }}" }
YAML
}
gone="oci://127.0.0.1:1/team/echo@sha256:$(printf '0%.0s' $(seq 64))"
cat >pawl.yaml <<YAML
plugins: { far: { from: "$pinned" }, near: { from: echo.wasm }, gone: { from: "$gone" } }
YAML
mkdir given named
for name in far near gone; do by_name "$name" >"named/$name.yaml"; done
given=("$bin" --data given)
says 0 "hello" "${given[@]}" run named/far.yaml
says 0 "hello" "${given[@]}" run named/near.yaml
says 1 "plugin 'gone' cannot be had from $gone, where pawl.yaml says under \`plugins\` that it is" "${given[@]}" run named/gone.yaml
grep -qF "change \`from\`" said.log || { cat said.log >&2; fail "it does not say what to do"; }
says 1 "missing" "${given[@]}" plugin list
grep -qE "^far .*oci://$open/team/echo:1.0.0@$digest in pawl.yaml" said.log || { cat said.log >&2; fail "the list does not say where 'far' is"; }
grep -qE "^near .*echo.wasm in pawl.yaml" said.log || { cat said.log >&2; fail "the list does not say where 'near' is"; }
# In a lock it has its place in the registry, and a path of the operator's is said to be that.
says 0 "plugin" "${given[@]}" lock named/far.yaml named/near.yaml
grep -qF "origin = \"$pinned\"" named/pawl.lock || { cat named/pawl.lock >&2; fail "the lock has another origin"; }
grep -qF 'origin = "operator"' named/pawl.lock || { cat named/pawl.lock >&2; fail "the lock has another origin of a path"; }
says 0 "hello" "${given[@]}" run named/far.yaml --locked
rm named/pawl.lock
# Whoever is not trusted is not used, whoever gives it; a tag is refused where it stands.
cp echo.wasm other.wasm
sed 's/near: { from: echo.wasm }/near: { from: other.wasm }/' pawl.yaml >trusting.yaml
echo 'trusted_keys: { release: { file: release.key.pub } }' >>trusting.yaml
says 0 "hello" "${given[@]}" --config trusting.yaml run named/far.yaml
says 2 "it is not signed" "${given[@]}" --config trusting.yaml run named/near.yaml
echo "plugins: { far: { from: \"oci://$open/team/echo:1.0.0\" } }" >tagged.yaml
says 2 "has no digest" "${given[@]}" --config tagged.yaml run named/far.yaml
rm pawl.yaml

# With a password: never in an argument, never written down.
says 1 "does not let you" "${pawl[@]}" plugin push echo.wasm "oci://$closed/echo:1"
registries() { echo "registries: { \"$closed\": { username: ann, password: { env: REGISTRY_PASSWORD } } }"; }
registries >pawl.yaml
says 1 "the variable REGISTRY_PASSWORD" "${pawl[@]}" plugin push echo.wasm "oci://$closed/echo:1"
export REGISTRY_PASSWORD=wrong-4711
says 1 "does not let you" "${pawl[@]}" plugin push echo.wasm "oci://$closed/echo:1"
export REGISTRY_PASSWORD="$password"
secret="$("${pawl[@]}" plugin push echo.wasm "oci://$closed/echo:1")"
workflow "$secret" >secret.yaml
says 0 "hello" "${pawl[@]}" run secret.yaml
"$bin" --data other -vv plugin pull "$secret" --into into >verbose.log 2>&1
grep -rqF -e "$password" data ./*.log into && fail "the password was written down"
# No TLS to a registry that is said to have it, and so no password either.
echo "registries: { \"$closed\": { insecure: false } }" >pawl.yaml
says 1 "cannot be asked" "${pawl[@]}" plugin pull "oci://$closed/echo:1" --into into
rm pawl.yaml

# Bytes that were altered where the registry keeps them: a registry that hands them out is not believed.
hex="$(sha256sum echo.wasm | cut -d' ' -f1)"
blob="open/docker/registry/v2/blobs/sha256/${hex:0:2}/$hex/data"
printf 'X' | dd of="$blob" bs=1 seek=100 conv=notrunc status=none
says 1 "is not what its digest says" "$bin" --data other plugin pull "$pinned" --into into
# Whoever has fetched it before needs the registry no more, nor what it says now.
says 0 "hello" "${pawl[@]}" run pinned.yaml
kill "${servers[@]}"
wait "${servers[@]}" 2>/dev/null || true
servers=()
says 0 "hello" "${pawl[@]}" run pinned.yaml
says 0 "hello" "${pawl[@]}" run says.yaml --locked
# What was kept is believed only as far as its digest.
printf 'X' | dd of="data/registry/$hex" bs=1 seek=100 conv=notrunc status=none
says 1 "cannot be asked" "${pawl[@]}" run pinned.yaml
echo "registry: pushed, pulled, locked, and refused what was to be refused"
