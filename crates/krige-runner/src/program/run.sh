# Runs a trial's program once, and leaves how it ended in `krige/ended`. Started in the run's folder:
#
#   sh krige/run.sh SECONDS GRACE NICENESS MEMORY CPU [LAUNCHER …]
#
# SECONDS is the time limit, after which the program's process group gets SIGTERM and, GRACE seconds later, SIGKILL;
# MEMORY is in KiB of address space, CPU in seconds. `-` is no limit. A launcher (`srun`, `apptainer exec …`) is put
# before the program. Standard input and output are locks: whoever has them open keeps the run and its slot from being
# taken for ended, which is why the program gets them too, as descriptors 9 and 8.
exec 9<&0 8>&1

seconds=$1 grace=$2 niceness=$3 memory=$4 cpu=$5
shift 5
job=${SLURM_JOB_ID:--} restarts=${SLURM_RESTART_COUNT:-0}

identify() { # pid: the process of that number, so that a later one is not taken for it
    echo "$1"
    cat "/proc/$1/stat" 2>/dev/null || ps -o lstart= -p "$1"
    cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo -
    uname -n
}

# The first to begin is the only one, however often the run is started.
begin() { # file
    (set -C && { echo "$job $restarts" && identify $$; } >"$1") 2>/dev/null && sync "$1" || return
    sync krige || : # Some file systems cannot sync a folder.
}

now() {
    case $(date +%s.%N) in
    *N*) date +%s ;;
    *) date +%s.%N ;;
    esac
}

length() { # file: how long it is; 0 if the program has removed it
    bytes=$(wc -c <"$1") || bytes=0
    echo $((bytes))
}

leave() { # status
    times >"krige/times.$$"
    {
        echo "status $1"
        echo "began $began"
        echo "ended $(now)"
        sed 's/^/times /' "krige/times.$$"
        echo "stdout_bytes $(length stdout.log)"
        echo "stderr_bytes $(length stderr.log)"
        echo "end"
    } >"krige/ended.$$" && sync "krige/ended.$$" && mv -n "krige/ended.$$" krige/ended && sync krige
    rm -f "krige/times.$$"
    exit "$1"
}

[ -e krige/ended ] && exit 0
if ! begin krige/began; then
    # Only a queue that starts the very same job again may run the program again.
    read -r first _ <krige/began || exit 0
    [ "$job" != - ] && [ "$job" = "$first" ] && [ "$restarts" -gt 0 ] || exit 0
    begin "krige/began.$restarts" || exit 0
fi
began=$(now)
: >>stdout.log
: >>stderr.log
timeout=$(command -v timeout || command -v gtimeout) || {
    echo "krige: expected the program \`timeout\` of the GNU coreutils, found none; install it" >>stderr.log
    leave 127
}

# A request to stop may have come before there was anything to signal.
[ -e krige/stopped ] && leave 143

# The whole group, since `timeout` leaves without a word to the program if it is signalled before it knows it.
end_group() { # signal
    kill -s "$1" -- "-$child" 2>/dev/null || kill -s "$1" "$child" 2>/dev/null
}
child= stopping=
trap 'stopping=1 signalled=1; [ -z "$child" ] || end_group TERM' TERM INT HUP
(
    [ "$memory" = - ] || ulimit -v "$memory" || exit 126
    [ "$cpu" = - ] || ulimit -t "$cpu" || exit 126
    [ "$niceness" = - ] && niceness=0
    [ "$seconds" = - ] && seconds=0
    # A shell forgets a signal that comes before it has become another process.
    [ -e krige/stopped ] && exit 143
    # `timeout` puts itself and the program into a process group of their own, which is what it signals. A session of their
    # own has no terminal: what asks for a password fails, where one of the background would be put to sleep for ever.
    exec $(command -v setsid >/dev/null && echo setsid) nice -n "$niceness" "$timeout" -k "$grace" "$seconds" "$@" sh krige/program.sh
) <parameters.json >>stdout.log 2>>stderr.log &
child=$!
# The request may have come when there was no child yet.
[ -z "$stopping" ] || end_group TERM
identify "$child" >krige/leader

# A signal interrupts `wait`; what it says then is not the program's status.
status=
while :; do
    signalled=
    wait "$child"
    last=$?
    [ "$last" -eq 127 ] && [ -n "$status" ] && break
    status=$last
    [ -n "$signalled" ] || break
done

# What the end of the program leaves behind of its group ends with it, where that was not its own will.
case $stopping:$status in
1:* | *:124 | *:137)
    sleep "$grace" &
    clock=$!
    while kill -s 0 "$clock" 2>/dev/null && kill -s 0 -- "-$child" 2>/dev/null; do sleep 0.05; done
    kill "$clock" 2>/dev/null
    kill -s KILL -- "-$child" 2>/dev/null
    ;;
esac
leave "$status"
