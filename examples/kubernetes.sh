# Runs a program as a Job of a Kubernetes cluster, as a trial: `CommandRunner` runs this script, which sees to the Job.
#
#   sh kubernetes.sh IMAGE PROGRAM [ARG ...]
#
#   Program::new("sh")
#       .args(["kubernetes.sh", "registry.example/train:3", "python3", "train.py", "{rate}"])
#       .file("kubernetes.sh")
#
# Tried with a stand-in for kubectl, and with kubectl 1.32 on an imitation of the API server; never on a cluster.
#
# The Job is named by the run's key, so that there is one, however often this script is killed and started again or the
# API server cannot be reached, which is tried again for ever: set a time limit. What the program prints is printed
# here while it runs (standard output and error in one, as `kubectl logs` has them), and its exit status is that of this
# script. SIGTERM deletes the Job. The program gets KRIGE_PARAMETERS_JSON, KRIGE_KEY, KRIGE_TRIAL and KRIGE_ATTEMPT; no
# shell reads a value on the way. `kubernetes.log`, in the run's folder, has what kubectl says.
#
#   KRIGE_KUBECTL     the command, `kubectl` by default; such as `kubectl --context lab`
#   KRIGE_NAMESPACE   the namespace, that of kubectl's context by default
#
# Jobs that have ended stay, because they say that the run has been; once the experiment is done:
#   kubectl delete jobs -l app.kubernetes.io/managed-by=krige
# A node keeps a limited amount of a container's output (10 MiB unless it is set): what is printed faster than it is
# read, or while nobody reads, is lost beyond that. A script that is started again goes on in the file that the earlier
# one has printed to, provided that nobody else writes there; elsewhere it prints everything.

say() {
    echo "kubernetes.sh: $1" >&2
}

# Above 125 no status is taken for one of the program.
fail() {
    say "$1"
    exit 126
}

[ $# -ge 2 ] || fail "expected IMAGE PROGRAM [ARG ...]"
image=$1
shift
name=$KRIGE_KEY
case $name in
'' | -* | *- | *[!a-z0-9-]*) fail "expected the run's key in KRIGE_KEY, found \`$name\`" ;;
esac
[ "${#name}" -le 63 ] || fail "expected a key of at most 63 characters, which a Job's name may have, found \`$name\`"
parameters=${KRIGE_PARAMETERS:-parameters.json}
[ -r "$parameters" ] || fail "cannot read $parameters"
own=${KRIGE_FOLDER:-.}
log=$own/kubernetes.log manifest=$own/kubernetes.json
answer=$own/kubernetes.answer.$$ problem=$own/kubernetes.problem.$$ output=$own/kubernetes.output.$$
child='' reader='' terminated=''
trap '[ -z "$reader" ] || kill "$reader" 2>/dev/null; rm -f "$answer" "$problem" "$output"' EXIT
trap 'terminated=1; [ -z "$child" ] || kill "$child" 2>/dev/null' TERM INT

# Waits in such a way that a signal is seen at once.
await() {
    child=$!
    [ -z "$terminated" ] || kill "$child" 2>/dev/null
    # Some shells print that it was killed.
    wait "$child" 2>/dev/null
    awaited=$?
    # A signal interrupts the wait, and what was waited for still has the files.
    [ -z "$terminated" ] || wait "$child" 2>/dev/null
    child=''
    return "$awaited"
}

nap() { # seconds
    sleep "$1" &
    await
}

# Becomes kubectl, so that a signal reaches it: only to be called in the background.
kube() {
    # shellcheck disable=SC2086 # KRIGE_KUBECTL may have options.
    exec ${KRIGE_KUBECTL:-kubectl} ${KRIGE_NAMESPACE:+--namespace "$KRIGE_NAMESPACE"} "$@"
}

# Asks once; the answer is in the file `answer`.
ask() {
    kube --request-timeout=20s "$@" >"$answer" 2>"$problem" </dev/null &
    await && return 0
    cat "$problem" >>"$log"
    return 1
}

# Whether the API server has refused, instead of not having been reached or being in trouble.
refused() {
    grep -q 'Error from server (\(AlreadyExists\|BadRequest\|Forbidden\|Invalid\|NotFound\))' "$problem"
}

# Asks until there is an answer, or this script is told to end.
insist() {
    pause=1
    until ask "$@"; do
        [ -z "$terminated" ] || return 1
        if refused; then return 1; fi
        [ -z "$stopping" ] || [ "$pause" -gt 1 ] || say "cannot delete the Job $name yet: $(tail -n 1 "$problem")"
        nap "$pause"
        [ -z "$terminated" ] || return 1
        [ "$pause" -ge 60 ] || pause=$((pause * 2))
    done
}

# A text as JSON. The full stop keeps newlines at its end from being lost.
json() { # text
    printf '%s.' "$1" | LC_ALL=C awk '
        function write(text,   i, c) {
            for (i = 1; i <= length(text); i++) {
                c = substr(text, i, 1)
                printf "%s", (c in code) ? code[c] : c
            }
        }
        BEGIN {
            for (i = 1; i < 32; i++) code[sprintf("%c", i)] = sprintf("\\u%04x", i)
            code["\""] = "\\\""
            code["\\"] = "\\\\"
            printf "\""
        }
        NR > 1 { write(line "\n") }
        { line = $0 }
        END {
            write(substr(line, 1, length(line) - 1))
            printf "\""
        }'
}

# The same for a place where Kubernetes would put the value of NAME for $(NAME).
literal() { # text
    json "$1" | LC_ALL=C sed 's/\$/$$/g'
}

variable() { # name, value
    printf '{"name":"%s","value":%s}' "$1" "$(literal "$2")"
}

job() { # program, arguments
    printf '{"apiVersion":"batch/v1","kind":"Job",'
    printf '"metadata":{"name":"%s","labels":{"app.kubernetes.io/managed-by":"krige"}},' "$name"
    # The program is not started again, neither in its pod nor in another.
    printf '"spec":{"backoffLimit":0,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"program",'
    printf '"image":%s,"command":[' "$(json "$image")"
    comma=''
    for word; do
        printf '%s%s' "$comma" "$(literal "$word")"
        comma=,
    done
    printf '],"env":[%s' "$(variable KRIGE_PARAMETERS_JSON "$(cat "$parameters")")"
    for word in KRIGE_KEY KRIGE_TRIAL KRIGE_ATTEMPT; do
        value=''
        eval "value=\${$word-}"
        printf ',%s' "$(variable "$word" "$value")"
    done
    printf ']}]}}}}\n'
}

# How much earlier starts of this run have printed: by how much the file has grown, if it is the same. A count in this
# script would be wrong if it is killed between printing and counting.
printed() { # descriptor, file in which it is kept where printing began
    before=''
    # shellcheck disable=SC2012 # Only inode and size are read.
    now=$(ls -niL "/dev/fd/$1" 2>/dev/null | awk '$2 ~ /^-/ { print $1, $6 }')
    [ ! -e "$2" ] || read -r before <"$2"
    if [ -n "$now" ] && [ "${now% *}" = "${before% *}" ] && [ "${now#* }" -ge "${before#* }" ]; then
        echo $((${now#* } - ${before#* }))
    else
        echo "$now" >"$2"
        echo 0
    fi
}

# Prints what is new in the program's output. It is not ended by a signal that all processes here get, so that it is
# known what is printed.
show() { # file
    length=$(($(wc -c <"$1")))
    [ "$length" -gt "$shown" ] || return 0
    (
        trap '' TERM INT
        tail -c "+$((shown + 1))" "$1" | head -c "$((length - shown))"
    )
    shown=$length
}

# Makes the Job, unless an earlier start of this run has.
begin() {
    # Without kubectl's own validation, whose failure says the same of a wrong Job and of a server in trouble.
    insist create --validate=false -f "$manifest" && return 0
    [ -z "$terminated" ] || return 1
    grep -q '(AlreadyExists)' "$problem" || fail "the Job was refused: $(tail -n 1 "$problem")"
}

# Whether the Job has ended; ends this script if there is none.
ended() {
    insist get job "$name" --ignore-not-found \
        -o 'jsonpath={.metadata.name} {.status.conditions[?(@.status=="True")].type}' || {
        [ -z "$terminated" ] || return 1
        fail "the Job cannot be watched: $(tail -n 1 "$problem")"
    }
    case "$(cat "$answer") " in
    ' ')
        say "the Job $name is gone: it was deleted"
        exit 137
        ;;
    *' Complete '* | *' Failed '*) return 0 ;;
    *) return 1 ;;
    esac
}

# Prints the rest, and ends with the program's status; returns where the output is to be asked for once more.
finish() {
    insist get pods -l "job-name=$name" \
        -o 'jsonpath={.items[*].status.containerStatuses[?(@.name=="program")].state.terminated.exitCode}' || {
        [ -z "$terminated" ] || return
        fail "the Job's pod cannot be looked at: $(tail -n 1 "$problem")"
    }
    status=$(awk '{ print $NF }' "$answer")
    if [ -z "$status" ]; then
        insist get job "$name" -o 'jsonpath={.status.conditions[?(@.type=="Failed")].message}' || return
        say "the program has left no exit status: $(cat "$answer")"
        exit 137
    fi
    # All that it has printed, which what was read until now need not be.
    if ask logs --request-timeout=10m -c program "job/$name"; then
        show "$answer"
        exit "$status"
    fi
    [ -z "$terminated" ] || return
    # The server can be reached, and has no output.
    vain=$((vain + 1))
    if [ "$vain" -ge 5 ]; then
        say "the last of its output is not to be had: $(tail -n 1 "$problem")"
        exit "$status"
    fi
}

# Prints what comes, until this script is told to end.
watch() {
    vain=0
    while [ -z "$terminated" ]; do
        # What was read before is read again, from its beginning; it ends with the program or the connection.
        if [ -z "$reader" ] || ! kill -0 "$reader" 2>/dev/null; then
            kube logs -f -c program "job/$name" >"$output" 2>>"$log" </dev/null &
            reader=$!
        fi
        if ended; then finish; fi
        nap 2
        show "$output"
    done
}

exec 3>&1
shown=$(printed 3 "$own/kubernetes.stdout")
exec 3>&-
stopping=''
job "$@" >"$manifest"
begin && watch
# Told to end. Once is enough, also for the processes that this starts.
trap '' TERM INT
terminated='' stopping=1
insist delete job "$name" --ignore-not-found --wait=false || fail "the Job $name cannot be deleted: $(tail -n 1 "$problem")"
exit 143
