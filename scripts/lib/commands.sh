# The commands of scripts/stack, natively: one function each.
# shellcheck shell=bash

stack_up() {
    local began name wanted=()
    began=$(now_ms)
    mapfile -t wanted < <(in_order "$@")
    mkdir -p "$VERTEBRA_CACHE"
    make_instance
    for name in "${wanted[@]}"; do part "$name" install; done
    # All are started before any is waited for: each spends its first seconds reading its own files.
    for name in "${wanted[@]}"; do
        [[ $name == odoo ]] || up_start "$name"
    done
    for name in "${wanted[@]}"; do up_wait "$name"; done
    say "'$INSTANCE' is up, $(seconds_since "$began") in all: ${wanted[*]}"
}

stack_down() {
    local began name wanted=()
    began=$(now_ms)
    [[ -d $INSTANCE_DIR ]] || { say "'$INSTANCE' was never started"; return; }
    lock_instance
    mapfile -t wanted < <(in_order_down "$@")
    for name in "${wanted[@]}"; do
        # Asked all at once; PostgreSQL last, so that Odoo can say good-bye to it.
        [[ $name != postgres ]] || continue
        signal_family "$name" CONT || true
        signal_process "$name" TERM || true
    done
    for name in "${wanted[@]}"; do part "$name" stop; done
    say "'$INSTANCE' is down: ${wanted[*]} ($(seconds_since "$began"))"
}

stack_status() {
    local name pid state
    printf '%-10s %-9s %-8s %-9s %s\n' component state pid up where
    for name in "${COMPONENTS[@]}"; do
        if pid=$(pid_of "$name"); then
            state=running
            [[ $(identity "$pid") == *T ]] && state=stopped
            printf '%-10s %-9s %-8s %-9s %s\n' "$name" "$state" "$pid" "$(ps -o etime= -p "$pid" | tr -d ' ')" "$(part "$name" address)"
        else
            printf '%-10s %-9s\n' "$name" down
        fi
    done
    ! alive odoo || odoo_tell
    echo "instance $INSTANCE: $INSTANCE_DIR"
}

stack_env() {
    local name
    assign VERTEBRA_STACK_INSTANCE "$INSTANCE"
    for name in kafka registry postgres odoo; do part "$name" env; done
    assign VERTEBRA_SERVICE_PORTS "$(port services)"
}

stack_restart() {
    make_instance
    timed "restarting $1" restart_component "$1"
}

stack_kill() {
    alive "$1" || die "$1 does not run in '$INSTANCE'"
    kill_process "$1"
}

stack_stop() { signal_family "$1" STOP || die "$1 does not run in '$INSTANCE'"; }

stack_cont() { signal_family "$1" CONT || die "$1 does not run in '$INSTANCE'"; }

stack_save() {
    make_instance
    postgres_find
    timed "keeping Odoo's database" odoo_save
}

stack_restore() {
    make_instance
    postgres_find
    odoo_has_database odoo_saved || die "no database of Odoo's was kept" "scripts/stack save odoo --instance $INSTANCE"
    timed "stopping odoo" odoo_stop
    timed "putting the kept database in place" odoo_restore_saved
    timed "starting odoo" restart_component odoo
}

stack_logs() {
    local log
    log=$(component_dir "$1")/log
    [[ -f $log ]] || die "$1 has no log in '$INSTANCE' yet"
    exec tail -n 100 -F "$log"
}

stack_wipe() {
    local name
    [[ -d $INSTANCE_DIR ]] || return 0
    lock_instance
    # No good-byes: nothing of it is needed any more.
    for name in "${COMPONENTS[@]}"; do kill_process "$name"; done
    unmount_below "$INSTANCE_DIR"
    for name in "${COMPONENTS[@]}"; do part "$name" wipe; done
    rm -rf "$INSTANCE_DIR"
    say "'$INSTANCE' is forgotten"
}

# Small file systems that a test has put under an instance's data.
unmount_below() {
    local mounts mount at
    [[ -r /proc/self/mounts ]] || return 0
    # All of it first: the list changes under whoever unmounts.
    mapfile -t mounts </proc/self/mounts
    for mount in "${mounts[@]}"; do
        read -r _ at _ <<<"$mount"
        if [[ $at == "$1" || $at == "$1"/* ]]; then umount "$at"; fi
    done
}

assign() { printf 'export %s=%q\n' "$1" "$2"; }

up_start() {
    if alive "$1"; then return; fi
    STARTED[$1]=$(now_ms)
    part "$1" start
}

up_wait() {
    if [[ $1 == odoo ]]; then up_start odoo; fi
    part "$1" ready
    if [[ -n ${STARTED[$1]:-} ]]; then
        say "$1 answers at $(part "$1" address) after $(seconds_since "${STARTED[$1]}")"
    else
        say "$1 was up already, at $(part "$1" address)"
    fi
}

declare -A STARTED=()

restart_component() {
    part "$1" stop
    part "$1" install
    up_start "$1"
    part "$1" ready
}

# in_order <component…>: each once, with what it needs, in the order of starting; all when none is named.
in_order() {
    local name
    (($#)) || set -- "${COMPONENTS[@]}"
    for name in "${COMPONENTS[@]}"; do
        if [[ " $* " == *" $name "* || ($name == postgres && " $* " == *" odoo "*) ]]; then echo "$name"; fi
    done
}

# in_order_down <component…>: PostgreSQL after everything else.
in_order_down() {
    local name
    (($#)) || set -- "${COMPONENTS[@]}"
    for name in odoo registry kafka kafka-1 kafka-2 kafka-3 postgres; do
        [[ " ${COMPONENTS[*]} " == *" $name "* ]] || continue
        if [[ " $* " == *" $name "* ]]; then echo "$name"; fi
    done
}
