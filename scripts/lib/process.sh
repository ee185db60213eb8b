# Processes of an instance: each in its own session, known by process id and start time, so that nobody else's
# process is ever signalled, not even one that got the same number after a restart of the machine.
# shellcheck shell=bash

# start_process <component> <command…>: in the background, its output in the component's log.
start_process() {
    local name=$1 dir
    shift
    dir=$(component_dir "$name")
    mkdir -p "$dir"
    kill_process "$name" # children that outlived a killed parent
    if [[ -f $dir/log ]]; then mv "$dir/log" "$dir/log.1"; fi
    rm -f "$dir/pid"
    # The new session keeps it alive when Ctrl-C ends this script. It writes its own number, so that no interruption
    # can fall between its start and our knowing of it. The locks (8, 9) stay with us.
    # shellcheck disable=SC2016
    setsid bash -c '
        read -r stat </proc/self/stat
        read -ra fields <<<"${stat##*) }"
        echo "$$ ${fields[19]}" >"$0.new" && mv "$0.new" "$0"
        exec "$@"' "$dir/pid" "$@" >"$dir/log" 2>&1 </dev/null 8>&- 9>&- &
    poll 10 test -s "$dir/pid" || die "$name did not start" "see $dir/log"
}

# pid_of <component>: its process id, if the process that was started is still there.
pid_of() {
    local file pid started
    file=$(component_dir "$1")/pid
    [[ -s $file ]] || return 1
    read -r pid started <"$file"
    [[ $(identity "$pid") == "$started "[!Z] ]] && echo "$pid"
}

alive() { pid_of "$1" >/dev/null; }

# signal_process <component> <signal>: to the process itself.
signal_process() {
    local pid
    pid=$(pid_of "$1") && kill -s "$2" "$pid" 2>/dev/null
}

# signal_family <component> <signal>: to the process and its children.
signal_family() {
    local pid child
    pid=$(family_of "$1") || return 1
    # PostgreSQL's children lead groups of their own.
    for child in $(ps -o pid= --ppid "$pid"); do kill -s "$2" "$child" 2>/dev/null || true; done
    kill -s "$2" -- "-$pid" 2>/dev/null
}

# stop_process <component> <signal> <seconds>: asks, waits, then kills.
stop_process() {
    local name=$1 asked=$2 seconds=$3
    if family_of "$name" >/dev/null; then
        signal_family "$name" CONT || true
        signal_process "$name" "$asked" || true
        if ! poll "$seconds" gone "$name"; then
            say "$name did not stop in $seconds s; killing it"
            kill_process "$name"
        fi
    fi
    rm -f "$(component_dir "$name")/pid"
}

# kill_process <component>: kill -9, children included.
kill_process() {
    signal_family "$1" KILL || return 0
    poll 10 gone "$1" || die "$1 survived kill -9"
}

gone() { ! family_of "$1" >/dev/null; }

# wait_ready <component> <seconds> <probe…>: until the probe succeeds; tells the log's end if it never does.
wait_ready() {
    local name=$1 seconds=$2 deadline
    shift 2
    deadline=$(($(now_ms) + seconds * 1000))
    until "$@"; do
        if ! alive "$name"; then
            tail -n 20 "$(component_dir "$name")/log" >&2
            die "$name ended while it was starting" "its log: $(component_dir "$name")/log"
        fi
        if (($(now_ms) > deadline)); then
            tail -n 20 "$(component_dir "$name")/log" >&2
            die "$name was not ready after $seconds s" "its log: $(component_dir "$name")/log"
        fi
        sleep 0.1
    done
}

# The group of a process that has died lives on while a child does, and the kernel gives its number to nobody else
# meanwhile: so when the number is free or still ours, the group is ours.
family_of() {
    local file pid started now
    file=$(component_dir "$1")/pid
    [[ -s $file ]] || return 1
    read -r pid started <"$file"
    now=$(identity "$pid")
    [[ -z $now || $now == "$started "* ]] || return 1
    group_alive "$pid" && echo "$pid"
}

# identity <pid>: "<start time> <state>", nothing if there is no such process.
identity() {
    local stat fields
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
    read -ra fields <<<"${stat##*) }"
    echo "${fields[19]} ${fields[0]}"
}

# A zombie that nobody collects is no life.
group_alive() {
    local file stat fields
    kill -0 -- "-$1" 2>/dev/null || return 1
    for file in /proc/[0-9]*/stat; do
        { read -r stat <"$file"; } 2>/dev/null || continue
        read -ra fields <<<"${stat##*) }"
        [[ ${fields[2]} == "$1" && ${fields[0]} != Z ]] && return 0
    done
    return 1
}
