#!/usr/bin/env bash
# The unit file, as systemd itself reads it: nothing in it is unknown, and what it starts is there. Whether the service
# starts without /etc/pawl/pawl.yaml is tried with its own command line, in its own folder.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v systemd-analyze >/dev/null || {
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends systemd >/dev/null
}
bin="$(realpath "${PAWL_BIN:-${CARGO_TARGET_DIR:-target}/debug/pawl}")"
place="$(mktemp -d)"
trap 'kill "${pid:-}" 2>/dev/null || true; rm -rf "$place"' EXIT

# It looks for the program where the unit has it; here it lies elsewhere.
sed "s#/usr/local/bin/pawl#$bin#" deploy/pawl.service >"$place/pawl.service"
said="$(systemd-analyze verify --man=no "$place/pawl.service" 2>&1)" || failed=1
# Units of the machine itself may have faults of their own.
ours="$(grep -F "pawl.service" <<<"$said" || true)"
if [[ -n "${failed:-}" || -n "$ours" ]]; then
  echo "$said" >&2
  exit 1
fi
echo "systemd reads deploy/pawl.service without a complaint"

# What the unit runs, with folders of this test in place of the machine's.
mkdir "$place/etc" "$place/state"
line="$(sed -n 's/^ExecStart=//p' "$place/pawl.service" | sed "s#/var/lib/pawl#$place/state#")"
read -ra command <<<"$line"
env="$(sed -n 's/^Environment=//p' "$place/pawl.service")"
(cd "$place/etc" && exec env $env PAWL_LISTEN=127.0.0.1:0 NOTIFY_SOCKET="$place/notify" "${command[@]}") \
  >"$place/out" 2>&1 &
pid=$!
for _ in $(seq 300); do
  grep -q "stop it with" "$place/out" && break
  kill -0 "$pid" 2>/dev/null || break
  sleep 0.1
done
grep -q "stop it with" "$place/out" || { cat "$place/out" >&2; exit 1; }
kill -TERM "$pid"
wait "$pid"
pid=
echo "it starts without a pawl.yaml, and stops when it is told to"
