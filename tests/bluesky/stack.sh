#!/usr/bin/env bash
# Run a complete Bluesky Queueserver + Tiled stack on loopback, without Docker.
#
#   stack.sh start  [--dir DIR] [--auto-ports] [--services "a b c"] [--open-env]
#   stack.sh stop   [--dir DIR] [--purge]         stop by recorded PID; --purge deletes DIR
#   stack.sh status [--dir DIR]                   one line per service; exit 0 when all run
#   stack.sh env    [--dir DIR]                   print DIR/stack.env (shell) for `eval` / `source`
#   stack.sh svc ACTION NAME [--dir DIR]          chaos on one service of a running stack;
#                                                 ACTION = start|stop|kill|restart|pause|cont
#   stack.sh run    [options of start]            start, wait for the end of standard input or Ctrl-C, stop
#   stack.sh venv                                 create STACK_VENV from requirements.txt, if it is not there
#                                                 yet (1.1 GB; minutes)
#
# Services, in start order:
#   redis    queue, history and permissions of the RE Manager
#   docproxy 0MQ document proxy (RunEngine publishes in, subscribers read out)
#   tiled    data server: sqlite catalog, duckdb tables, zarr arrays, websocket streaming
#   manager  RE Manager (watchdog, manager and, once the environment is open, the worker)
#   http     bluesky-httpserver, single-user API key
#   bridge   document stream -> Tiled, plus a JSON copy of the stream
#
# Everything binds 127.0.0.1. State, logs and PIDs live in DIR; `start` also writes DIR/stack.json
# with every address and key, which is what a test harness should read.
#
# Settings are environment variables (value given = default):
#   STACK_DIR=$TMPDIR/bluesky-stack     STACK_TIMEOUT=180 (seconds for `start`)
#   STACK_VENV=<root of krige>/target/bluesky-venv (made by `stack.sh venv`)
#   STACK_PORT_REDIS=6379 _CONTROL=60615 _INFO=60625 _HTTP=60610 _DOC_IN=5577 _DOC_OUT=5578
#   STACK_PORT_DOC_JSON=5579 _TILED=8000      (the ports of the upstream tutorial; JSON copy is ours)
#   STACK_TILED_KEY=tutorialkey STACK_HTTP_KEY=httpkey
#   STACK_CURVE=0|1         encrypt the RE Manager control socket with a fresh CURVE key pair
#   STACK_ENCODING=json     RE Manager wire encoding: json | msgpack (both control and info sockets)
#   STACK_SERIALIZER=pickle document payloads: pickle | msgpack | json
#   STACK_PREFIX=           topic prefix of the document stream
#   STACK_BATCH=            TiledWriter batch size (empty = library default: write at end of run)
#   STACK_BRIDGE_DELAY=0    seconds of artificial lag per document in the bridge
#   STACK_MOTOR_DELAY=0 STACK_NOISE=1.0       simulated hardware
#   STACK_LOCK_KEY=         emergency lock key of the RE Manager
set -uo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ALL_SERVICES="redis docproxy tiled manager http bridge"
die() { echo "stack.sh: $*" >&2; exit 1; }

# ---------------------------------------------------------------- arguments
ACTION=${1:-}; shift || true
SVC_ACTION='' SVC_NAME='' AUTO_PORTS=0 OPEN_ENV=0 PURGE=0
SERVICES=${STACK_SERVICES:-$ALL_SERVICES}
STACK_DIR=${STACK_DIR:-${TMPDIR:-/tmp}/bluesky-stack}
if [[ $ACTION == svc ]]; then
  SVC_ACTION=${1:-} SVC_NAME=${2:-}; shift 2 || die "usage: stack.sh svc ACTION NAME [--dir DIR]"
fi
while (($#)); do
  case $1 in
    --dir) STACK_DIR=$2; shift ;;
    --auto-ports) AUTO_PORTS=1 ;;
    --services) SERVICES=$2; shift ;;
    --open-env) OPEN_ENV=1 ;;
    --purge) PURGE=1 ;;
    *) die "unknown option $1 (see the head of this script)" ;;
  esac
  shift
done
[[ $STACK_DIR == /* ]] || STACK_DIR=$PWD/$STACK_DIR
RUN=$STACK_DIR/run LOGS=$STACK_DIR/logs DATA=$STACK_DIR/data
has() { [[ " $SERVICES " == *" $1 "* ]]; }

# ---------------------------------------------------------------- processes
# A PID file holds "PID STARTTIME" so that a recycled PID is never signalled. Each service leads its
# own process group (setsid), so signalling -PID also reaches the RE worker and uvicorn children.
starttime() { awk '{sub(/^.*\) /, ""); print $20}' "/proc/$1/stat" 2>/dev/null; }
pid_of() { # print the PID of a service if that very process is still alive
  local pid st
  read -r pid st 2>/dev/null <"$RUN/$1.pid" || return 1
  [[ -n $st && $(starttime "$pid") == "$st" ]] && [[ $(awk '{sub(/^.*\) /,""); print $1}' "/proc/$pid/stat") != Z ]] && echo "$pid"
}
# shellcheck disable=SC2009
group_alive() { # any member of the session that is not a zombie (PID 1 of a container may not reap)
  ps -o stat= -s "$1" 2>/dev/null | grep -qv '^ *Z'
}
launch() { # launch NAME COMMAND...
  local name=$1; shift
  pid_of "$name" >/dev/null && return 0
  rm -f "$RUN/$name.ready"
  [[ -f $LOGS/$name.log ]] && mv "$LOGS/$name.log" "$LOGS/$name.log.1"
  echo "### $(date +%FT%T) $*" >>"$LOGS/$name.log"
  setsid "$@" >>"$LOGS/$name.log" 2>&1 </dev/null &
  echo "$! $(starttime $!)" >"$RUN/$name.pid"
}
terminate() { # terminate NAME...: TERM to all groups at once, up to 8 s of grace, then KILL
  local name pid groups=() left
  for name in "$@"; do
    pid=$(cut -d' ' -f1 "$RUN/$name.pid" 2>/dev/null)
    # The leader may be gone while members of its group survive (e.g. after its process was killed).
    if [[ -n $pid ]] && { pid_of "$name" >/dev/null || { [[ ! -e /proc/$pid ]] && group_alive "$pid"; }; }; then
      groups+=("$pid")
      kill -CONT -- "-$pid" 2>/dev/null # a paused service could not act on TERM
      kill -TERM -- "-$pid" 2>/dev/null
    fi
  done
  for _ in $(seq 80); do
    left=()
    for pid in "${groups[@]}"; do group_alive "$pid" && left+=("$pid"); done
    ((${#left[@]})) || break
    sleep 0.1
  done
  for pid in "${left[@]:-}"; do [[ -n $pid ]] && kill -KILL -- "-$pid" 2>/dev/null; done
  for name in "$@"; do rm -f "$RUN/$name.pid" "$RUN/$name.ready"; done
}

# ---------------------------------------------------------------- settings
default_venv() { echo "$(cd "$HERE/../.." && pwd)/target/bluesky-venv"; }
resolve_settings() {
  STACK_VENV=${STACK_VENV:-$(default_venv)}
  STACK_TIMEOUT=${STACK_TIMEOUT:-180}
  [[ -x $STACK_VENV/bin/python ]] || die "no Python at $STACK_VENV/bin/python (set STACK_VENV)"
  if ((AUTO_PORTS)); then
    read -r STACK_PORT_REDIS STACK_PORT_CONTROL STACK_PORT_INFO STACK_PORT_HTTP STACK_PORT_DOC_IN \
      STACK_PORT_DOC_OUT STACK_PORT_DOC_JSON STACK_PORT_TILED < <("$STACK_VENV/bin/python" "$HERE/tools/freeports.py" 8)
  fi
  : "${STACK_PORT_REDIS:=6379}" "${STACK_PORT_CONTROL:=60615}" "${STACK_PORT_INFO:=60625}"
  : "${STACK_PORT_HTTP:=60610}" "${STACK_PORT_DOC_IN:=5577}" "${STACK_PORT_DOC_OUT:=5578}"
  : "${STACK_PORT_DOC_JSON:=5579}" "${STACK_PORT_TILED:=8000}"
  : "${STACK_TILED_KEY:=tutorialkey}" "${STACK_HTTP_KEY:=httpkey}" "${STACK_CURVE:=0}"
  : "${STACK_ENCODING:=json}" "${STACK_SERIALIZER:=pickle}" "${STACK_PREFIX:=}" "${STACK_BATCH:=}"
  : "${STACK_BRIDGE_DELAY:=0}" "${STACK_MOTOR_DELAY:=0}" "${STACK_NOISE:=1.0}" "${STACK_LOCK_KEY:=}"
  STACK_CURVE_PUBLIC='' STACK_CURVE_PRIVATE=''
  if [[ $STACK_CURVE == 1 ]]; then
    read -r STACK_CURVE_PUBLIC STACK_CURVE_PRIVATE < <("$STACK_VENV/bin/python" -c \
      'import zmq; print(*(k.decode() for k in zmq.curve_keypair()))')
  fi
}
save_settings() {
  local v
  (umask 077
   for v in STACK_DIR STACK_VENV STACK_TIMEOUT SERVICES STACK_PORT_{REDIS,CONTROL,INFO,HTTP,DOC_IN,DOC_OUT,DOC_JSON,TILED} \
     STACK_TILED_KEY STACK_HTTP_KEY STACK_CURVE STACK_CURVE_PUBLIC STACK_CURVE_PRIVATE STACK_ENCODING STACK_SERIALIZER \
     STACK_PREFIX STACK_BATCH STACK_BRIDGE_DELAY STACK_MOTOR_DELAY STACK_NOISE STACK_LOCK_KEY; do
     printf '%s=%q\n' "$v" "${!v}"
   done >"$STACK_DIR/stack.env")
  "$STACK_VENV/bin/python" - "$STACK_DIR/stack.json" <<PY
import json, sys
L = "127.0.0.1"
json.dump({
    "dir": "$STACK_DIR", "services": "$SERVICES".split(), "encoding": "$STACK_ENCODING", "serializer": "$STACK_SERIALIZER",
    "prefix": "$STACK_PREFIX",
    "redis_addr": f"{L}:$STACK_PORT_REDIS",
    "control_addr": f"tcp://{L}:$STACK_PORT_CONTROL", "info_addr": f"tcp://{L}:$STACK_PORT_INFO",
    "curve_public_key": r'''$STACK_CURVE_PUBLIC''' or None,
    "doc_in_addr": f"tcp://{L}:$STACK_PORT_DOC_IN", "doc_out_addr": f"tcp://{L}:$STACK_PORT_DOC_OUT",
    "doc_json_addr": f"tcp://{L}:$STACK_PORT_DOC_JSON",
    "http_url": f"http://{L}:$STACK_PORT_HTTP", "http_api_key": "$STACK_HTTP_KEY",
    "tiled_url": f"http://{L}:$STACK_PORT_TILED", "tiled_api_key": "$STACK_TILED_KEY",
}, open(sys.argv[1], "w"), indent=1)
PY
}
load_settings() {
  [[ -f $STACK_DIR/stack.env ]] || die "no stack in $STACK_DIR"
  # shellcheck disable=SC1091
  source "$STACK_DIR/stack.env"
}

# ---------------------------------------------------------------- services
start_redis() { # no persistence file is configured away: appendonly survives `svc restart redis`
  launch redis redis-server --bind 127.0.0.1 --port "$STACK_PORT_REDIS" --dir "$DATA" --appendonly yes \
    --save '' --daemonize no --protected-mode yes
}
start_docproxy() {
  launch docproxy "$STACK_VENV/bin/python" "$HERE/docproxy.py" \
    --in-addr "tcp://127.0.0.1:$STACK_PORT_DOC_IN" --out-addr "tcp://127.0.0.1:$STACK_PORT_DOC_OUT"
}
start_tiled() {
  mkdir -p "$DATA/arrays"
  sed "s#@DATA@#$DATA#g" "$HERE/config/tiled.yml.in" >"$STACK_DIR/tiled.yml"
  launch tiled env TILED_SINGLE_USER_API_KEY="$STACK_TILED_KEY" NO_COLOR=1 "$STACK_VENV/bin/python" "$HERE/tiled_server.py" \
    serve config "$STACK_DIR/tiled.yml" --host 127.0.0.1 --port "$STACK_PORT_TILED"
}
start_manager() {
  # The startup directory is copied because the manager writes existing_plans_and_devices.yaml into it.
  mkdir -p "$STACK_DIR/startup"
  cp "$HERE"/startup/*.py "$STACK_DIR/startup/"
  cp "$HERE/config/user_group_permissions.yaml" "$STACK_DIR/startup/"
  local private=()
  [[ -n $STACK_CURVE_PRIVATE ]] && private+=(QSERVER_ZMQ_PRIVATE_KEY_FOR_SERVER="$STACK_CURVE_PRIVATE")
  [[ -n $STACK_LOCK_KEY ]] && private+=(QSERVER_EMERGENCY_LOCK_KEY_FOR_SERVER="$STACK_LOCK_KEY")
  launch manager env "${private[@]}" LAB_DOC_ADDR="127.0.0.1:$STACK_PORT_DOC_IN" LAB_DOC_SERIALIZER="$STACK_SERIALIZER" \
    LAB_DOC_PREFIX="$STACK_PREFIX" LAB_MOTOR_DELAY="$STACK_MOTOR_DELAY" LAB_NOISE="$STACK_NOISE" PYTHONUNBUFFERED=1 \
    "$STACK_VENV/bin/start-re-manager" --startup-dir "$STACK_DIR/startup" \
    --redis-addr "127.0.0.1:$STACK_PORT_REDIS" --zmq-encoding "$STACK_ENCODING" \
    --zmq-control-addr "tcp://127.0.0.1:$STACK_PORT_CONTROL" \
    --zmq-publish-console ON --zmq-info-addr "tcp://127.0.0.1:$STACK_PORT_INFO" \
    --update-existing-plans-devices ENVIRONMENT_OPEN
}
start_http() { # QSERVER_ZMQ_PUBLIC_KEY must be absent, not empty, when encryption is off
  local key=()
  [[ -n $STACK_CURVE_PUBLIC ]] && key=(QSERVER_ZMQ_PUBLIC_KEY="$STACK_CURVE_PUBLIC")
  launch http env "${key[@]}" QSERVER_ZMQ_CONTROL_ADDRESS="tcp://127.0.0.1:$STACK_PORT_CONTROL" \
    QSERVER_ZMQ_INFO_ADDRESS="tcp://127.0.0.1:$STACK_PORT_INFO" QSERVER_ZMQ_ENCODING="$STACK_ENCODING" \
    QSERVER_HTTP_SERVER_SINGLE_USER_API_KEY="$STACK_HTTP_KEY" \
    "$STACK_VENV/bin/start-bluesky-httpserver" --host 127.0.0.1 --port "$STACK_PORT_HTTP"
}
start_bridge() {
  local tiled=''
  has tiled && tiled="http://127.0.0.1:$STACK_PORT_TILED"
  launch bridge "$STACK_VENV/bin/python" "$HERE/bridge.py" --sub "tcp://127.0.0.1:$STACK_PORT_DOC_OUT" \
    --serializer "$STACK_SERIALIZER" --tiled "$tiled" --api-key "$STACK_TILED_KEY" \
    --json-pub "tcp://127.0.0.1:$STACK_PORT_DOC_JSON" --delay "$STACK_BRIDGE_DELAY" \
    ${STACK_BATCH:+--batch "$STACK_BATCH"} --backup "$DATA/backup" --ready-file "$RUN/bridge.ready"
}
readiness() { # the waitfor.py check that proves NAME is ready
  case $1 in
    redis) echo "redis=127.0.0.1:$STACK_PORT_REDIS" ;;
    docproxy) echo "tcp=127.0.0.1:$STACK_PORT_DOC_OUT" ;;
    tiled) echo "http=http://127.0.0.1:$STACK_PORT_TILED/healthz" ;;
    manager) echo "rem=tcp://127.0.0.1:$STACK_PORT_CONTROL" ;;
    http) echo "http=http://127.0.0.1:$STACK_PORT_HTTP/api/status" ;;
    bridge) echo "file=$RUN/bridge.ready" ;;
  esac
}
wait_for() { # wait_for NAME...
  local n pid checks=()
  for n in "$@"; do
    checks+=("$(readiness "$n")")
    pid=$(pid_of "$n") && checks+=("alive=$pid")
    # If the manager cannot bind its port, only its child dies; the watchdog process lives on, idle.
    [[ $n == manager ]] && checks+=("abort=$LOGS/manager.log:Exiting RE Manager with exception")
  done
  REM_PUBLIC_KEY=$STACK_CURVE_PUBLIC REM_ENCODING=$STACK_ENCODING \
    "$STACK_VENV/bin/python" "$HERE/tools/waitfor.py" "$STACK_TIMEOUT" "${checks[@]}"
}
port_of() {
  case $1 in
    redis) echo "$STACK_PORT_REDIS" ;; docproxy) echo "$STACK_PORT_DOC_IN $STACK_PORT_DOC_OUT" ;;
    tiled) echo "$STACK_PORT_TILED" ;; manager) echo "$STACK_PORT_CONTROL $STACK_PORT_INFO" ;;
    http) echo "$STACK_PORT_HTTP" ;; bridge) echo "$STACK_PORT_DOC_JSON" ;;
  esac
}
require_service() { [[ " $ALL_SERVICES " == *" $1 "* ]] || die "unknown service '$1' (one of: $ALL_SERVICES)"; }

# ---------------------------------------------------------------- actions
do_start() {
  local n p t0=$SECONDS
  for n in $SERVICES; do require_service "$n"; done
  for n in $ALL_SERVICES; do pid_of "$n" >/dev/null && die "already running in $STACK_DIR ($n); stop it first"; done
  mkdir -p "$RUN" "$LOGS" "$DATA"
  resolve_settings
  for n in $SERVICES; do
    for p in $(port_of "$n"); do
      (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null && die "port $p ($n) is in use; set STACK_PORT_* or use --auto-ports"
    done
  done
  save_settings
  if has redis; then # the manager exits if it cannot reach Redis, so this one comes first
    start_redis
    wait_for redis || { do_stop; die "redis did not start; see $LOGS/redis.log"; }
  fi
  for n in $SERVICES; do [[ $n == redis ]] || "start_$n"; done
  # shellcheck disable=SC2086
  if ! wait_for $SERVICES; then
    for n in $SERVICES; do
      pid_of "$n" >/dev/null || { echo "--- $n died:" >&2; tail -n 15 "$LOGS/$n.log" >&2; }
    done
    do_stop
    die "start failed; logs are in $LOGS"
  fi
  if ((OPEN_ENV)); then
    "$STACK_VENV/bin/python" "$HERE/tools/rem.py" --stack "$STACK_DIR/stack.json" open-env || { do_stop; die "environment did not open"; }
  fi
  echo "stack is up in $((SECONDS - t0)) s; addresses: $STACK_DIR/stack.json"
}
# shellcheck disable=SC2086
do_stop() { terminate $ALL_SERVICES; }
do_status() {
  local n pid rc=0
  for n in $SERVICES; do
    if pid=$(pid_of "$n"); then
      printf '%-9s running  pid %-7s port %s\n' "$n" "$pid" "$(port_of "$n")"
    else
      printf '%-9s stopped\n' "$n"; rc=1
    fi
  done
  return $rc
}

# The environment is made under a lock and marked when it is complete: many may ask at once, and any may be killed.
do_venv() {
  STACK_VENV=${STACK_VENV:-$(default_venv)}
  mkdir -p "$(dirname "$STACK_VENV")"
  exec 9>"$STACK_VENV.lock"
  flock 9
  if ! cmp -s "$HERE/requirements.txt" "$STACK_VENV/complete"; then
    rm -rf "$STACK_VENV"
    echo "stack.sh: installing Python packages in $STACK_VENV (1.1 GB, a few minutes)" >&2
    python3 -m venv "$STACK_VENV" || die "python3 -m venv failed (Debian: apt-get install python3-venv)"
    "$STACK_VENV/bin/pip" install --quiet --disable-pip-version-check -r "$HERE/requirements.txt" >&2 || die "pip failed"
    cp "$HERE/requirements.txt" "$STACK_VENV/complete"
  fi
  exec 9>&-
}
purge() { if ((PURGE)) && [[ -f $STACK_DIR/stack.env ]]; then rm -rf -- "$STACK_DIR"; fi; }
do_run() {
  command -v redis-server >/dev/null || die "no redis-server (Debian: apt-get install --no-install-recommends redis-server)"
  do_venv
  trap 'exit 130' INT TERM
  trap 'do_stop; purge' EXIT
  do_start
  while read -r _; do :; done
}

case $ACTION in
  venv) do_venv ;;
  run) do_run ;;
  start) do_start ;;
  stop)
    [[ -d $RUN ]] && do_stop
    purge
    echo "stopped" ;;
  status) load_settings; do_status ;;
  env) load_settings; cat "$STACK_DIR/stack.env" ;;
  svc)
    load_settings; require_service "$SVC_NAME"
    case $SVC_ACTION in
      start) "start_$SVC_NAME"; wait_for "$SVC_NAME" ;;
      stop) terminate "$SVC_NAME" ;;
      kill) pid=$(pid_of "$SVC_NAME") && kill -KILL -- "-$pid"; sleep 0.2; rm -f "$RUN/$SVC_NAME".{pid,ready} ;;
      restart) terminate "$SVC_NAME"; "start_$SVC_NAME"; wait_for "$SVC_NAME" ;;
      pause) pid=$(pid_of "$SVC_NAME") && kill -STOP -- "-$pid" ;;
      cont) pid=$(pid_of "$SVC_NAME") && kill -CONT -- "-$pid" ;;
      *) die "unknown svc action '$SVC_ACTION'" ;;
    esac ;;
  *) sed -n '2,45p' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
