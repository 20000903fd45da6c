#!/usr/bin/env bash
# Run a complete Bluesky Queueserver + Tiled stack on loopback, without Docker.
#
#   stack.sh start  [--dir DIR] [--auto-ports] [--services "a b c"] [--open-env]
#   stack.sh stop   [--dir DIR] [--purge]         stop by recorded PID; --purge deletes DIR
#   stack.sh status [--dir DIR]                   one line per service; exit 0 when all run; and what ended unasked
#   stack.sh heal   [--dir DIR]                   start what does not run, let go on what is paused, and say so
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
# A service that ends without `stop` or `svc stop|kill|restart` is started again, as a service manager on a beamline would, but
# no more than 3 times after each deliberate start. Its exit status and the end of its log are added to DIR/logs/ended.log;
# `run` says the same at once on standard error.
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
# Each service leads its own session and process group (setsid), so that a signal to -PID also reaches the RE worker and
# uvicorn's children. A PID file holds "PID STARTTIME" so that a recycled PID is never signalled; "PID STARTTIME asked" means
# that the end of the service is wanted. It is written under the lock of its service, and read without.
starttime() { awk '{sub(/^.*\) /, ""); print $20}' "/proc/$1/stat" 2>/dev/null; }
pid_of() { # print the PID of a service if that very process is still alive
  local pid st
  read -r pid st _ 2>/dev/null <"$RUN/$1.pid" || return 1
  [[ -n $st && $(starttime "$pid") == "$st" ]] && [[ $(awk '{sub(/^.*\) /,""); print $1}' "/proc/$pid/stat") != Z ]] && echo "$pid"
}
members() { # print the PIDs of a session, but for zombies (PID 1 of a container may not reap)
  ps -o pid=,stat= -s "$1" 2>/dev/null | awk '$2 !~ /^Z/ { print $1 }'
}
is_session_of() { # is_session_of NAME PID STARTTIME: the session PID is still that of the service
  local now member
  now=$(starttime "$2")
  if [[ -n $now ]]; then
    [[ $now == "$3" ]]
    return
  fi
  # The leader may be gone while members survive (e.g. after its process was killed); they have a variable of the service.
  for member in $(members "$2"); do
    grep -qszxF "STACK_SERVICE=$RUN/$1" "/proc/$member/environ" && return
  done
  return 1
}
signal() { # signal NAME SIGNAL PID STARTTIME: to all of a service, and to nobody else
  is_session_of "$1" "$3" "$4" && kill "-$2" -- "-$3" 2>/dev/null
}
signal_running() { # signal_running NAME SIGNAL
  local pid st
  pid_of "$1" >/dev/null && read -r pid st _ <"$RUN/$1.pid" && signal "$1" "$2" "$pid" "$st"
}

launch() { # launch NAME COMMAND...: start a service and its keeper, unless it runs
  local _
  # One that has just died is told of and started again by the keeper that it has, if that lives.
  for _ in {1..20}; do
    pid_of "$1" >/dev/null && return 0
    [[ -e $RUN/$1.pid ]] || break
    sleep 0.1
  done
  read -r _ < <(keep "$@") # its first word is that there is a PID file
}
begin() { # begin NAME COMMAND...: start a service as a child of this shell
  local name=$1; shift
  rm -f "$RUN/$name.ready"
  [[ -f $LOGS/$name.log ]] && mv "$LOGS/$name.log" "$LOGS/$name.log.1"
  echo "### $(date +%FT%T) $*" >>"$LOGS/$name.log"
  (trap - HUP TERM; exec setsid env STACK_SERVICE="$RUN/$name" PYTHONFAULTHANDLER=1 "$@") \
    >>"$LOGS/$name.log" 2>&1 </dev/null 9>&- &
  # Only then do signals to its group reach it.
  while [[ $(ps -o sid= -p $!) -ne $! ]] && kill -0 $! 2>/dev/null; do sleep 0.01; done
  record "$name" "$! $(starttime $!)"
}
keep() { # keep NAME COMMAND...: the parent of a service, which starts it again when it ends unasked, but not for ever
  local name=$1 pid st status again=0
  trap '' HUP INT TERM
  trap - EXIT
  exec </dev/null 2>>"$LOGS/ended.log" 9>"$RUN/$name.lock"
  flock 9
  if pid_of "$name" >/dev/null; then # another was faster
    echo running
    return
  fi
  begin "$@"
  echo started
  exec >/dev/null
  while read -r pid st <"$RUN/$name.pid"; do
    flock -u 9
    wait "$pid" 2>/dev/null
    status=$?
    is_recorded "$name" "$pid $st" || return
    flock 9
    is_recorded "$name" "$pid $st" || return
    ended_unasked "$name" "$pid" "$status" $((again++))
    signal "$name" KILL "$pid" "$st" # what it left would be in the way
    if ((again > 3)); then
      rm -f "$RUN/$name.pid"
      return
    fi
    begin "$@"
  done
}
record() { echo "$2" >"$RUN/$1.pid.new" && mv "$RUN/$1.pid.new" "$RUN/$1.pid"; } # nobody reads a half
is_recorded() { [[ $(cat "$RUN/$1.pid" 2>/dev/null) == "$2" ]]; }
ended_unasked() { # ended_unasked NAME PID STATUS AGAIN: tell of it, in one piece
  local how="with exit status $3" fate="it is started again" signal log
  (($3 > 128)) && signal=$(kill -l "$3" 2>/dev/null) && how="by SIG$signal"
  (($4 < 3)) || fate="it was started again $4 times and is not any more"
  log=$(tail -n 100 "$LOGS/$1.log" | sed '/^### /d; s/^/  | /')
  printf '%s\n' "stack.sh: $1 (pid $2 of $STACK_DIR) ended $how, and nobody asked for that; $fate. Its log ends:
${log:-  | (it is empty)}" >>"$LOGS/ended.log"
}
asked() { # asked NAME: note that its end is wanted; print its PID and STARTTIME if there is something of it
  local pid st
  [[ -f $RUN/$1.pid ]] || return
  exec 9>"$RUN/$1.lock"
  flock 9
  read -r pid st _ 2>/dev/null <"$RUN/$1.pid" || return
  record "$1" "$pid $st asked"
  is_session_of "$1" "$pid" "$st" && echo "$pid $st"
}
gone() { # gone TENTHS NAME...: wait so long at most for the end of services in `sessions`; `left` are those that did not
  local n tenths=$1; shift
  left=("$@")
  while ((${#left[@]} && tenths-- > 0)); do
    sleep 0.1
    left=()
    for n in "$@"; do [[ -n $(members "${sessions[$n]% *}") ]] && left+=("$n"); done
  done
}
terminate() { # terminate SIGNAL NAME...: the signal to all of them at once, up to 8 s of grace, then KILL
  local signal=$1 name pid st left; shift
  local -A sessions=()
  for name in "$@"; do
    read -r pid st < <(asked "$name") || continue
    sessions[$name]="$pid $st"
    [[ $signal == KILL ]] || signal "$name" CONT "$pid" "$st" # a paused service could not act on TERM
    signal "$name" "$signal" "$pid" "$st"
  done
  gone 80 "${!sessions[@]}"
  for name in "${left[@]}"; do
    read -r pid st <<<"${sessions[$name]}"
    signal "$name" KILL "$pid" "$st"
  done
  gone 20 "${left[@]}"
  for name in "$@"; do rm -f "$RUN/$name".{pid,ready,answered}; done
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
   for v in STACK_DIR STACK_VENV STACK_TIMEOUT SERVICES OPEN_ENV STACK_PORT_{REDIS,CONTROL,INFO,HTTP,DOC_IN,DOC_OUT,DOC_JSON,TILED} \
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
  # As it is, a TiledWriter gives a run up after some 20 s without Tiled, which takes longer to start on a busy machine.
  launch bridge env TILED_RETRY_ATTEMPTS=100 TILED_RETRY_TIMEOUT=170 "$STACK_VENV/bin/python" "$HERE/bridge.py" \
    --sub "tcp://127.0.0.1:$STACK_PORT_DOC_OUT" --serializer "$STACK_SERIALIZER" --tiled "$tiled" --api-key "$STACK_TILED_KEY" \
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
    "$STACK_VENV/bin/python" "$HERE/tools/waitfor.py" "$STACK_TIMEOUT" "${checks[@]}" || return
  for n in "$@"; do pid_of "$n" >"$RUN/$n.answered"; done
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
REPORTER=''
start_reporter() { # what keepers write is said on standard error, which they do not hold open
  : >"$LOGS/ended.log"
  tail -qF --pid=$$ "$LOGS/ended.log" >&2 2>/dev/null &
  REPORTER=$!
}
stop_reporter() { [[ -z $REPORTER ]] || kill "$REPORTER" 2>/dev/null; }
do_start() {
  local n p t0=$SECONDS
  for n in $SERVICES; do require_service "$n"; done
  for n in $ALL_SERVICES; do pid_of "$n" >/dev/null && die "already running in $STACK_DIR ($n); stop it first"; done
  mkdir -p "$RUN" "$LOGS" "$DATA"
  start_reporter
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
    do_stop
    die "start failed; logs are in $LOGS"
  fi
  open_env || { do_stop; die "environment did not open"; }
  echo "stack is up in $((SECONDS - t0)) s; addresses: $STACK_DIR/stack.json"
}
open_env() {
  ((!OPEN_ENV)) || "$STACK_VENV/bin/python" "$HERE/tools/rem.py" --stack "$STACK_DIR/stack.json" open-env
}
# shellcheck disable=SC2086
do_stop() { terminate TERM $ALL_SERVICES; }
do_heal() {
  local n pid late=()
  for n in $SERVICES; do
    if ! pid=$(pid_of "$n"); then
      echo "stack.sh: $n of $STACK_DIR did not run; it is started" >&2
      "start_$n"
      [[ $n != redis ]] || wait_for redis || return # the manager exits without it
      late+=("$n")
    elif [[ $(ps -o state= -s "$pid") == *T* ]]; then
      echo "stack.sh: $n of $STACK_DIR was paused; it goes on" >&2
      signal_running "$n" CONT
      late+=("$n")
    elif ! is_answered "$n" "$pid"; then # its keeper has just started it
      late+=("$n")
    fi
  done
  ((${#late[@]})) || return 0
  wait_for "${late[@]}" || return
  [[ " ${late[*]} " != *" manager "* ]] || open_env
}
is_answered() { [[ $(cat "$RUN/$1.answered" 2>/dev/null) == "$2" ]]; }
do_status() {
  local n pid rc=0
  for n in $SERVICES; do
    if pid=$(pid_of "$n"); then
      printf '%-9s running  pid %-7s port %s\n' "$n" "$pid" "$(port_of "$n")"
    else
      printf '%-9s stopped\n' "$n"; rc=1
    fi
  done
  sed -n 's/^stack.sh: \(.*\)\. Its log ends:$/\1/p' "$LOGS/ended.log"
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
  trap 'do_stop; stop_reporter; purge' EXIT
  do_start
  while read -r _; do :; done
}

case $ACTION in
  venv) do_venv ;;
  run) do_run ;;
  start) do_start; stop_reporter ;;
  stop)
    [[ -d $RUN ]] && do_stop
    purge
    echo "stopped" ;;
  status) load_settings; do_status ;;
  heal) load_settings; do_heal ;;
  env) load_settings; cat "$STACK_DIR/stack.env" ;;
  svc)
    load_settings; require_service "$SVC_NAME"
    case $SVC_ACTION in
      start) "start_$SVC_NAME"; wait_for "$SVC_NAME" ;;
      stop) terminate TERM "$SVC_NAME" ;;
      kill) terminate KILL "$SVC_NAME" ;;
      restart) terminate TERM "$SVC_NAME"; "start_$SVC_NAME"; wait_for "$SVC_NAME" ;;
      pause) signal_running "$SVC_NAME" STOP ;;
      cont) signal_running "$SVC_NAME" CONT ;;
      *) die "unknown svc action '$SVC_ACTION'" ;;
    esac ;;
  *) sed -n '2,43p' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
