#!/usr/bin/env bash
# The HTTP API, tried by programs that know nothing of it but its OpenAPI document: a fuzzer, which must find no answer
# that the document does not have and no 5xx, and a client that is generated from it, which takes one run to its end.
# Both try a server that asks nobody who they are; then one that does, the fuzzer with a viewer's token and with none.
# It must see 403 and 404 there, and nothing but 401 without a token; whoever asks too often must see 429.
# Streams end by themselves with `follow=false`, which is all that the fuzzer asks of them; runtime/server/tests tries
# those that go on.
# Needs Python with venv and pip. Where they are not at hand this is left out, but not where CI is set: there it fails.
# PAWL_FUZZ_EXAMPLES sets how many requests each operation is sent at most by a phase of the fuzzer (20 unless set).
set -euo pipefail
cd "$(dirname "$0")/.."
root="$PWD"
pawl="${PAWL:-${CARGO_TARGET_DIR:-$root/target}/debug/pawl}"
tools="$root/target/tools/api"
work="$(mktemp -d)"
server=""
trap '[[ -n "$server" ]] && kill "$server" 2>/dev/null; rm -rf "$work"' EXIT

if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
  echo "api: python3 with venv is not at hand: the fuzzer and the generated client are LEFT OUT"
  [[ -z "${CI:-}" ]]
  exit
fi
if [[ ! -x "$tools/bin/schemathesis" ]]; then
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet schemathesis==4.32.5 openapi-python-client==0.29.0
fi

cd "$work"
# begin NAME MORE…: a server on a data folder with this name; its address goes to $url.
begin() {
  local name=$1
  shift
  "$pawl" serve --listen 127.0.0.1:0 --data "$work/$name" --json "$@" >"$name.json" 2>"$name.log" &
  server=$!
  for _ in $(seq 200); do
    [[ -s "$name.json" ]] && break
    kill -0 "$server" 2>/dev/null || { cat "$name.log" >&2; exit 1; }
    sleep 0.05
  done
  url="$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["url"])' "$name.json")"
}
end() {
  kill -TERM "$server"
  wait "$server"
  server=""
}
begin open

# Runs and approvals that are there, so that what the fuzzer draws can be found.
cat >ask.py <<'PY'
import json, sys, urllib.request
url, source = sys.argv[1], open(sys.argv[2]).read()
headers = {"content-type": "application/json"} | {"authorization": "Bearer " + token for token in sys.argv[3:]}
def post(path, body):
    return json.load(urllib.request.urlopen(urllib.request.Request(url + path, json.dumps(body).encode(), headers)))
for n in range(3):
    print(post("/v1/runs", {"source": source, "inputs": {}})["id"])
PY
cat >ask.yaml <<'YAML'
pawl: 1
workflow: ask
version: 1.0.0
steps:
  - id: go
    signal: { name: go, due: 7d }
  - id: ask
    human: { title: "Go on?", actions: [approve, reject], due: 48h, on_timeout: reject }
YAML
# known RUN NAMESPACE: what the fuzzer knows of what is there.
known() {
  cat >schemathesis.toml <<TOML
dictionaries.runs.values = ["$1", "01890000-0000-7000-8000-000000000000"]
dictionaries.namespaces.values = ["default", "default", "default", "nowhere"]
[parameters]
"path.run" = { dictionary = "runs", probability = 0.7 }
"header.pawl-namespace" = $2
"query.follow" = "false"
TOML
}
# fuzz EXAMPLES MORE…: tries every operation. Left out: that what fits the schema is taken. Whether a text is a workflow,
# and inputs are its inputs, no schema says. What is behind a link has its tests in runtime/server/src/links.
fuzz() {
  local examples=$1
  shift
  "$tools/bin/schemathesis" --config-file schemathesis.toml run "$url/openapi.json" --checks all \
    --exclude-path-regex '^/a/' --max-examples "$examples" --seed "${PAWL_FUZZ_SEED:-1}" --request-timeout 20 \
    --no-color "$@"
  kill -0 "$server"
}
# Any other name is one that nobody has, and hides what is behind.
known "$(python3 ask.py "$url" ask.yaml | tail -1)" '"default"'

# Plugins are compiled when somebody first looks, which takes a binary without optimizations long.
for name in $(curl --silent "$url/v1/plugins" | python3 -c 'import json, sys; [print(p["name"]) for p in json.load(sys.stdin)["items"]]'); do
  curl --silent --output /dev/null --max-time 120 "$url/v1/plugins/$name"
done

examples="${PAWL_FUZZ_EXAMPLES:-20}"
echo "api: nobody is asked who they are"
fuzz "$examples" --exclude-checks positive_data_acceptance

# The generated client: types and calls come from the document alone.
"$tools/bin/openapi-python-client" generate --url "$url/openapi.json" --output-path "$work/client" --meta none >/dev/null
cat >drive.py <<'PY'
import sys, time
from client import AuthenticatedClient, Client
from client.api.runs import start_run, show_run, signal_run, list_runs
from client.api.approvals import list_approvals, decide_approval
from client.models import StartRun, Signal, Decision
url, source, *token = sys.argv[1:]
more = {"base_url": url, "raise_on_unexpected_status": True}
client = AuthenticatedClient(token=token[0], **more) if token else Client(**more)
run = start_run.sync(client=client, body=StartRun(source=open(source).read()), idempotency_key="client-1")
again = start_run.sync(client=client, body=StartRun(source=open(source).read()), idempotency_key="client-1")
assert run.id == again.id, (run, again)
signal_run.sync(run.id, "go", client=client, body=Signal(data=None))
for _ in range(200):
    asked = list_approvals.sync(client=client, run=run.id).items
    if asked:
        break
    time.sleep(0.05)
assert asked[0].title == "Go on?", asked
answered = decide_approval.sync(asked[0].id, client=client, body=Decision(action="approve"))
assert answered.run == run.id
refused = decide_approval.sync(asked[0].id, client=client, body=Decision(action="approve"))
assert refused.code == "already-decided", refused
for _ in range(200):
    run = show_run.sync(run.id, client=client)
    if run.status == "completed":
        break
    time.sleep(0.05)
assert run.status == "completed" and [step.step for step in run.steps] == ["go", "ask"], run
assert any(row.id == run.id for row in list_runs.sync(client=client, status="completed").items)
print("a generated client took run", run.id, "to its end")
PY
"$tools/bin/python" drive.py "$url" ask.yaml
end

# token NAME ROLE [ROLE]: the secret of a new token.
token() {
  "$pawl" --data "$work/closed" token create --name "$1" --role "$2" ${3:+--role "$3"} 2>token.log
}
viewer="$(token viv viewer)"
approver="$(token ann operator approver)"
cat >seen.py <<'PY'
import collections, json, sys
har, public, wanted = sys.argv[1], {"/healthz", "/readyz"}, set(map(int, sys.argv[2:]))
seen = collections.defaultdict(collections.Counter)
for entry in json.load(open(har))["log"]["entries"]:
    path = entry["request"]["url"].split("?")[0].split("/", 3)[3]
    kind = "public" if "/" + path in public else "asked"
    seen[kind][entry["response"]["status"]] += 1
print("api: answered", {kind: dict(sorted(counts.items())) for kind, counts in seen.items()})
missing = wanted - set(seen["asked"])
assert not missing, f"{missing} was never answered: nothing is known of what the document says of it"
if wanted == {401}:
    # What is not asked who asks: another method, and what no path can be.
    others = set(seen["asked"]) - {401, 404, 405}
    assert not others, f"somebody without a token was answered {others}"
PY
cat >often.py <<'PY'
import collections, concurrent.futures, json, sys, time, urllib.error, urllib.request
url, token = sys.argv[1:]
request = urllib.request.Request(url + "/v1/me", headers={"authorization": "Bearer " + token})
def ask(_):
    try:
        return urllib.request.urlopen(request).status, None
    except urllib.error.HTTPError as refused:
        return refused.code, (json.load(refused)["code"], refused.headers["retry-after"])
counts, until = collections.Counter(), time.time() + 60
with concurrent.futures.ThreadPoolExecutor(8) as many:
    while not any(status == 429 for status, _ in counts) and time.time() < until:
        counts.update(many.map(ask, range(200)))
print("api: whoever asks often is answered", dict(counts))
assert set(counts) == {(200, None), (429, ("too-many-requests", "1"))}, counts
PY

# What was compiled is not compiled again.
mkdir -p closed
cp -r open/cache closed/
begin closed --identity required --token-requests-max 100
known "$(python3 ask.py "$url" ask.yaml "$approver" | tail -1)" '{ dictionary = "namespaces", probability = 0.9 }'
echo "api: a viewer's token"
fuzz "$((examples / 2))" --exclude-checks positive_data_acceptance -H "Authorization: Bearer $viewer" \
  --report har --report-har-path viewer.har
python3 seen.py viewer.har 403 404
echo "api: no token"
fuzz "$((examples / 4))" --exclude-checks positive_data_acceptance --phases coverage,fuzzing \
  --report har --report-har-path nobody.har
python3 seen.py nobody.har 401
"$tools/bin/python" drive.py "$url" ask.yaml "$approver"
python3 often.py "$url" "$viewer"
end
