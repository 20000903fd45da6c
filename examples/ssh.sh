# Runs a program on another machine as a trial: `CommandRunner` runs this script, and this script is what goes there.
#
#   sh ssh.sh HOST PROGRAM [ARG ...]
#
#   Program::new("sh").args(["ssh.sh", "user@host", "python3", "train.py", "{rate}"]).file("ssh.sh")
#
# The run `$KRIGE_KEY` is started on HOST once, however often the connection breaks or this script is killed and started
# again. What the program prints is printed here while it runs, and its exit status is that of this script. SIGTERM
# ends the program with all its process group. A connection that fails is tried again for ever: set a time limit.
#
# The program starts in the home folder, as with ssh itself, which is where `train.py` above is expected. It gets
# parameters.json as its standard input, KRIGE_PARAMETERS, KRIGE_FOLDER, KRIGE_KEY, KRIGE_TRIAL, KRIGE_ATTEMPT,
# KRIGE_SLOT and the KRIGE_PARAM_...; no shell reads a value on the way. Here `ssh.log`, in the run's folder, has what
# ssh says; there `krige/$KRIGE_KEY` has what the run left, and is yours to remove once the experiment is done.
#
#   KRIGE_SSH      the command, `ssh` by default; such as `ssh -p 2222 -i key`
#   KRIGE_REMOTE   the folder on HOST, from the home folder, in which the runs have theirs; `krige` by default
#
# Needs a login without a password; sh, setsid, xargs with -0 and head with -c on HOST, which is one machine (not a name
# for several), whose login shell prints nothing of its own. Where systemd ends what a login leaves behind, allow it by
# `loginctl enable-linger`. A script that is started again goes on in the file that the earlier one has printed to,
# provided that standard output and error have a file each, in which nobody else writes; elsewhere it prints everything.

# How much is fetched at once, in bytes, and how long the far side waits for news, in seconds.
most=8388608 news=20
# How long the program has between SIGTERM and SIGKILL, in seconds: less than CommandRunner gives this script.
grace=5

say() {
    echo "ssh.sh: $1" >&2
}

# ---- What is done on HOST, in the folder of the run. ----

# Begins the run, or ends it before it begins: only one ever may. A link appears at once as a whole, so that it is known
# whose it is, whoever is killed when.
claim() { # process group
    {
        echo "$1"
        uname -n
        cat /proc/sys/kernel/random/boot_id 2>/dev/null
    } >"began.$$"
    ln "began.$$" began 2>/dev/null
    claimed=$?
    rm -f "began.$$"
    return "$claimed"
}

leave() { # exit status
    echo "$1" >"ended.$$" && mv "ended.$$" ended
}

# Whether anything of the run's process group is there; on another machine than this it is taken to be.
alive() {
    { read -r group && read -r node; read -r boot; } <began
    [ "$node" = "$(uname -n)" ] || return 0
    [ "$boot" = "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)" ] && lives "$group"
}

# In a container there may be nobody who takes zombies away.
lives() { # process group
    kill -s 0 -- "-$1" 2>/dev/null && {
        ps -A -o pgid= -o stat= 2>/dev/null | awk -v group="$1" '
            $1 == group { seen = 1; if ($2 !~ /^Z/) live = 1 }
            END { exit seen && !live }'
    }
}

more() { # file, how much of it is known: how much there is beyond that
    have=0
    [ ! -e "$1" ] || have=$(($(wc -c <"$1")))
    if [ "$have" -gt "$2" ]; then echo $((have - $2)); else echo 0; fi
}

part() { # file, how much of it is known, how much is wanted
    [ "$3" -eq 0 ] || tail -c "+$(($2 + 1))" "$1" | head -c "$3"
}

case $1 in
--poll) # home folder, how much of standard output and of standard error is known
    if [ ! -e began ]; then
        command -v setsid >/dev/null || {
            say "expected the program setsid on this machine, found none"
            exit 3
        }
        setsid sh ./ssh.sh --begin "$2" </dev/null >/dev/null 2>&1 &
    fi
    waited=0
    until [ -e ended ] || [ "$(more stdout.log "$3")" -gt 0 ] || [ "$(more stderr.log "$4")" -gt 0 ] ||
        [ "$waited" -ge "$news" ]; do
        [ ! -e began ] || alive || break
        sleep 1
        waited=$((waited + 1))
    done
    # How it ended comes first: what is there then is all.
    state=running
    [ ! -e began ] || alive || state=gone
    [ ! -e ended ] || state=$(cat ended)
    out=$(more stdout.log "$3") err=$(more stderr.log "$4")
    [ "$out" -le "$most" ] || state=more out=$most
    [ "$err" -le "$most" ] || state=more err=$most
    echo "krige $state $out $err"
    part stdout.log "$3" "$out"
    part stderr.log "$4" "$err"
    exit 0
    ;;
--begin) # home folder; as the leader of a process group
    # All the words at once, or none of them.
    words=$(($(tr -dc '\000' <arguments | wc -c)))
    xargs -0 -n "$words" -x sh ./ssh.sh --run "$$" "$2" <arguments 2>begin.log
    # Nothing if that has begun.
    if claim "$$"; then
        cat begin.log >stderr.log
        leave 126
    fi
    exit 0
    ;;
--run) # process group, home folder, number of variables, variables, program, arguments
    claim "$2" || exit 0
    # The program gets the signal too, and may tidy up; its status is wanted all the same.
    trap : TERM
    folder=$(pwd) home=$3 variables=$4
    shift 4
    while [ "$variables" -gt 0 ]; do
        export "${1?}"
        shift
        variables=$((variables - 1))
    done
    export KRIGE_FOLDER="$folder" KRIGE_PARAMETERS="$folder/parameters.json"
    (cd -- "$home" && exec "$@") <parameters.json >stdout.log 2>stderr.log
    leave "$?"
    exit 0
    ;;
--stop)
    if claim "$$"; then
        leave 143
    elif [ ! -e ended ] && alive; then
        [ "$node" = "$(uname -n)" ] || {
            say "the program runs on $node, and this is $(uname -n)"
            exit 3
        }
        kill -s TERM -- "-$group"
        waited=0
        while lives "$group" && [ "$waited" -lt "$grace" ]; do
            sleep 1
            waited=$((waited + 1))
        done
        kill -s KILL -- "-$group" 2>/dev/null
    fi
    exit 0
    ;;
esac

# ---- What is done here. ----

# Above 125 no status is taken for one of the program.
fail() {
    say "$1"
    exit 126
}

[ $# -ge 2 ] || fail "expected HOST PROGRAM [ARG ...]"
host=$1
shift
case $host in -*) fail "expected a host, found \`$host\`" ;; esac
case $KRIGE_KEY in
'' | -* | *[!a-z0-9-]*) fail "expected the run's key in KRIGE_KEY, found \`$KRIGE_KEY\`" ;;
esac
[ -r "$0" ] || fail "cannot read $0"
parameters=${KRIGE_PARAMETERS:-parameters.json}
[ -r "$parameters" ] || fail "cannot read $parameters"
folder=${KRIGE_REMOTE:-krige}/$KRIGE_KEY
own=${KRIGE_FOLDER:-.}
log=$own/ssh.log reply=$own/ssh.reply.$$ sent=$own/ssh.sent.$$ words=$own/ssh.words.$$
trap 'rm -f "$reply" "$sent" "$words"' EXIT
child='' terminated=''
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

# Has HOST run a line in the run's folder there, with the file `sent` as its input. The login shell reads that line, so
# that there is nothing in it but what this script has put there; the folder's name comes as the first line of the input.
#
# By 8 and 9 a run is known to be alive; a connection that ssh keeps for others is not to have them.
once() { # line
    # shellcheck disable=SC2086 # KRIGE_SSH may have options.
    ${KRIGE_SSH:-ssh} -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=15 "$host" \
        "sh -c 'home=\$PWD; IFS= read -r folder && mkdir -p -- \"\$folder\" && cd -- \"\$folder\" || exit 4; $1'" \
        <"$sent" >"$reply" 2>>"$log" 8>&- 9>&- &
    await
}

# The same until it answers; no answer only if this script was told to end meanwhile.
call() { # line
    pause=1
    while :; do
        once "$1"
        status=$?
        [ -z "$terminated" ] || return 1
        case $status in
        0) return 0 ;;
        3) fail "$host: $(tail -n 1 "$log")" ;;
        # Where a program runs, the disk may be back later.
        4) [ -n "$begun" ] || fail "$host: $(tail -n 1 "$log")" ;;
        esac
        echo "ssh.sh: status $status, another attempt in $pause s" >>"$log"
        [ -z "$stopping" ] || [ "$pause" -gt 1 ] ||
            say "cannot reach $host to end the program: $(tail -n 2 "$log" | head -n 1)"
        sleep "$pause" &
        await
        [ -z "$terminated" ] || return 1
        [ "$pause" -ge 60 ] || pause=$((pause * 2))
    done
}

# Sends this script, the parameters and the words. Each is there as a whole or not at all; once the run has begun, they
# stay as they are.
upload() {
    first=$(($(wc -c <"$0"))) second=$(($(wc -c <"$parameters"))) third=$(($(wc -c <"$words")))
    { echo "$folder" && cat "$0" "$parameters" "$words"; } >"$sent"
    # One line, since there are login shells that take no more between quotes.
    call "[ -e began ] && exit 0; all=sent.\$\$; cat >\$all || exit 3; \
        [ \$((\$(wc -c <\$all))) -eq $((first + second + third)) ] || exit 5; \
        head -c $first \$all >\$all.1 && tail -c +$((first + 1)) \$all | head -c $second >\$all.2 && \
        tail -c $third \$all >\$all.3 && mv \$all.1 ssh.sh && mv \$all.2 parameters.json && \
        mv \$all.3 arguments && rm \$all || exit 3"
}

ask() { # mode and arguments
    echo "$folder" >"$sent"
    call "[ -e ssh.sh ] || { echo what the run had there is gone >&2; exit 3; }; exec sh ./ssh.sh $1"
}

# What is done to print is not ended by a signal that all processes here get, so that it is known what is printed.
show() { # first byte of the reply, bytes
    [ "$2" -eq 0 ] || (
        trap '' TERM INT
        tail -c "+$1" "$reply" | head -c "$2"
    )
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

# Prints what comes until the program ends, and ends with its status.
watch() {
    while :; do
        ask "--poll \"\$home\" $out $err" || return 1
        IFS= read -r line <"$reply"
        # shellcheck disable=SC2086 # These are words.
        set -- $line
        if [ "$1" != krige ] || [ $# -ne 4 ]; then
            echo "ssh.sh: expected an answer, found: $line" >>"$log"
            sleep 10 &
            await
            [ -z "$terminated" ] || return 1
            continue
        fi
        body=$((${#line} + 2))
        show "$body" "$3"
        show $((body + $3)) "$4" >&2
        out=$((out + $3)) err=$((err + $4))
        case $2 in
        more) ;;
        running)
            sleep 2 &
            await
            ;;
        gone)
            [ -n "$stopping" ] ||
                say "the program is gone from $host, and has not left how it ended: it was killed, or the machine stopped"
            exit 137
            ;;
        *) exit "$2" ;;
        esac
        [ -z "$terminated" ] || return 1
    done
}

exec 3>&1 4>&2
out=$(printed 3 "$own/ssh.stdout") err=$(printed 4 "$own/ssh.stderr")
exec 3>&- 4>&-

# The variables, whose number comes first, and the program. A value may look like further variables; there are none.
names=$(env | LC_ALL=C sed -n 's/^\(KRIGE_PARAM_[A-Za-z0-9_]*\)=.*/\1/p' | sort -u)
variables=0
for name in KRIGE_KEY KRIGE_TRIAL KRIGE_ATTEMPT KRIGE_SLOT $names; do
    if eval "[ -n \"\${$name+set}\" ]"; then
        variables=$((variables + 1))
        eval "printf '%s=%s\\0' \"\$name\" \"\$$name\""
    fi
done >"$words"
{ printf '%s\0' "$variables" && cat "$words" && printf '%s\0' "$@"; } >"$words.all" && mv "$words.all" "$words"

begun='' stopping=''
upload && begun=1 && watch
# Told to end. Once is enough, also for the processes that this starts.
trap '' TERM INT
terminated='' stopping=1
upload && ask --stop && watch
