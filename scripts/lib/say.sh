# What the scripts say: steps with their time on standard error, so that standard output stays for data.
# shellcheck shell=bash

now_ms() { local t=${EPOCHREALTIME/[.,]/}; echo $((t / 1000)); }

say() { printf '%s\n' "$*" >&2; }

die() {
    printf 'error: %s\n' "$1" >&2
    shift
    local line
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}

# seconds_since <start in ms>: "3.2 s"
seconds_since() {
    local ms=$(($(now_ms) - $1))
    printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100))
}

# timed <what is done> <command…>: runs it and tells how long it took. Without "||" behind the command: that would
# take "set -e" away from all that it calls.
timed() {
    local what=$1 began status
    shift
    began=$(now_ms)
    say "$what …"
    "$@"
    status=$?
    ((status == 0)) || return "$status"
    say "$what: done in $(seconds_since "$began")"
}

# watched <folder> <log> <command…>: runs a command that downloads into a folder, tells every few seconds how much
# has come, and keeps its output for the day that it fails. The command stays in the foreground: Ctrl-C reaches it.
watched() {
    local folder=$1 log=$2 status=0 watcher before
    shift 2
    before=$(megabytes "$folder")
    # It ends by itself when this script has been killed.
    while sleep 4 && kill -0 $$ 2>/dev/null; do
        say "  … $(($(megabytes "$folder") - before)) MB so far"
    done 8>&- 9>&- &
    watcher=$!
    "$@" >"$log" 2>&1 || status=$?
    kill "$watcher" 2>/dev/null || true
    wait "$watcher" 2>/dev/null || true
    if ((status != 0)); then
        say "failed ($status): $*"
        tail -n 20 "$log" >&2
    fi
    return "$status"
}

megabytes() { du -sm "$1" 2>/dev/null | cut -f1; }

# poll <seconds> <command…>: repeats the command until it succeeds; fails when the time is over.
poll() {
    local deadline=$(($(now_ms) + $1 * 1000))
    shift
    until "$@"; do
        (($(now_ms) < deadline)) || return 1
        sleep 0.1
    done
}
