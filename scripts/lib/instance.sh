# An instance: one private copy of the stack, with its own ports, folders and processes.
# shellcheck shell=bash

# The ports of an instance, as distances from its base. From twenty to twenty-nine they belong to the services that a demo
# or a test starts; kafka.sh has those of a cluster.
declare -A PORTS=([kafka]=0 [kafka-controller]=1 [registry]=6 [registry-management]=7 [postgres]=8 [odoo]=9 [odoo-live]=10 [services]=20)
PORTS_PER_INSTANCE=50

# open_instance <name>: sets INSTANCE, INSTANCE_DIR and BASE_PORT; changes nothing on disk.
open_instance() {
    INSTANCE=$1
    [[ $INSTANCE =~ ^[a-z][a-z0-9-]{0,30}$ ]] ||
        die "'$INSTANCE' is no instance name" "use lower-case letters, digits and dashes, beginning with a letter"
    INSTANCE_DIR=$VERTEBRA_HOME/$INSTANCE
    if [[ -n ${VERTEBRA_BASE_PORT:-} ]]; then
        BASE_PORT=$VERTEBRA_BASE_PORT
        if [[ ! $BASE_PORT =~ ^[0-9]{4,5}$ ]] || ((BASE_PORT < 1024 || BASE_PORT > 65000)); then
            die "VERTEBRA_BASE_PORT=$BASE_PORT is no port between 1024 and 65000"
        fi
    elif [[ -s $INSTANCE_DIR/base-port ]]; then
        BASE_PORT=$(<"$INSTANCE_DIR/base-port")
    else
        BASE_PORT=$(usual_base_port "$INSTANCE")
    fi
}

# choose_mode: sets MODE to native or docker; an instance stays what it was made as.
choose_mode() {
    local recorded=
    [[ ! -s $INSTANCE_DIR/mode ]] || recorded=$(<"$INSTANCE_DIR/mode")
    MODE=${VERTEBRA_STACK:-$recorded}
    if [[ -z $MODE ]]; then
        MODE=native
        if command -v docker >/dev/null && timeout 10 docker info >/dev/null 2>&1; then MODE=docker; fi
    fi
    [[ $MODE == native || $MODE == docker ]] || die "VERTEBRA_STACK=$MODE is neither native nor docker"
    [[ -z $recorded || $recorded == "$MODE" ]] ||
        die "instance '$INSTANCE' was made as $recorded" "unset VERTEBRA_STACK, or make it anew: VERTEBRA_STACK=$recorded scripts/stack wipe --instance $INSTANCE"
}

# choose_nodes: sets NODES to how many nodes Kafka has here, PROXIED to yes or no, and COMPONENTS to what there is; an
# instance stays what it was made as.
choose_nodes() {
    local recorded=
    [[ ! -s $INSTANCE_DIR/kafka-nodes ]] || recorded=$(<"$INSTANCE_DIR/kafka-nodes")
    # One that was made before there were clusters has one node.
    [[ -n $recorded || ! -s $INSTANCE_DIR/base-port ]] || recorded="1 no"
    read -r NODES PROXIED <<<"${recorded:-${VERTEBRA_KAFKA_NODES:-1} ${VERTEBRA_KAFKA_PROXIED:-no}}"
    [[ $NODES == [13] ]] || die "VERTEBRA_KAFKA_NODES=$NODES is neither 1 nor 3"
    [[ $PROXIED == yes || $PROXIED == no ]] || die "VERTEBRA_KAFKA_PROXIED=$PROXIED is neither yes nor no"
    [[ $NODES == 3 || $PROXIED == no ]] || die "VERTEBRA_KAFKA_PROXIED is for a cluster" "set VERTEBRA_KAFKA_NODES=3 as well"
    [[ $NODES == 1 || $MODE == native ]] || die "a cluster of Kafka runs natively only" "set VERTEBRA_STACK=native"
    if ((NODES > 1)); then
        COMPONENTS=(kafka-1 kafka-2 kafka-3 registry postgres odoo)
        cluster_ports
    fi
}

# spelled_out <component…>: kafka of a cluster is each of its nodes.
spelled_out() {
    local name
    for name in "$@"; do
        if [[ $name == kafka ]]; then
            kafka_nodes
        elif [[ " ${COMPONENTS[*]} " == *" $name "* ]]; then
            echo "$name"
        else
            die "'$INSTANCE' has no $name" "its components: ${COMPONENTS[*]}"
        fi
    done
}

# part <component> <what>: by the function of its kind, which is told which one it is.
part() { "${1%-[0-9]}_$2" "$1"; }

# make_instance: its folder, its lock (held until this script ends) and its ports, which stay the same from then on.
make_instance() {
    mkdir -p "$INSTANCE_DIR"
    lock_instance
    if [[ -s $INSTANCE_DIR/base-port ]]; then
        local recorded
        recorded=$(<"$INSTANCE_DIR/base-port")
        [[ $recorded == "$BASE_PORT" ]] ||
            die "instance '$INSTANCE' was made with base port $recorded, not $BASE_PORT" \
                "unset VERTEBRA_BASE_PORT, or make it anew: scripts/stack wipe --instance $INSTANCE"
        return
    fi
    local tries=1 busy
    while busy=$(busy_port "$BASE_PORT"); do
        if [[ -n ${VERTEBRA_BASE_PORT:-} ]] || ((tries++ >= 20)); then
            die "port $busy on 127.0.0.1 is in use by something else" \
                "choose other ports for '$INSTANCE': VERTEBRA_BASE_PORT=23000 scripts/stack up --instance $INSTANCE"
        fi
        say "port $busy is in use by something else; '$INSTANCE' takes its ports from $((BASE_PORT + PORTS_PER_INSTANCE)) on"
        BASE_PORT=$((BASE_PORT + PORTS_PER_INSTANCE))
    done
    echo "$MODE" >"$INSTANCE_DIR/mode"
    echo "$NODES $PROXIED" >"$INSTANCE_DIR/kafka-nodes"
    echo "$BASE_PORT" >"$INSTANCE_DIR/base-port"
}

# lock_instance: one script at a time changes an instance. Processes that stay must not inherit descriptor 9.
lock_instance() {
    [[ -d $INSTANCE_DIR ]] || return 0
    command -v flock >/dev/null || return 0
    exec 9>"$INSTANCE_DIR/lock"
    flock -n 9 && return
    say "waiting for another run that is changing '$INSTANCE' …"
    flock -w 900 9 || die "another run has held '$INSTANCE' for 15 minutes"
}

# port <name of PORTS>
port() { echo $((BASE_PORT + PORTS[$1])); }

# port_open <port>: something listens there on loopback.
port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

component_dir() { echo "$INSTANCE_DIR/$1"; }

# secret <file>: its content; made at random, readable by the owner only, when there is none.
secret() {
    if [[ ! -s $1 ]]; then
        (umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$1.new" && mv "$1.new" "$1")
    fi
    cat "$1"
}

# Below the range from which the kernel gives ports to outgoing connections.
usual_base_port() {
    case $1 in
        demo) echo 21000 ;;
        test) echo 21500 ;;
        dev) echo 22000 ;;
        *) echo $((23000 + $(cksum <<<"$1" | cut -d' ' -f1) % 160 * PORTS_PER_INSTANCE)) ;;
    esac
}

busy_port() {
    local name
    for name in "${!PORTS[@]}"; do
        # Whoever forwards may be there already.
        [[ $name != *-proxy ]] || continue
        if port_open $(($1 + PORTS[$name])); then
            echo $(($1 + PORTS[$name]))
            return 0
        fi
    done
    return 1
}
