# The stack in containers: what differs from the native one. Sourced last, so that it takes the place of the functions
# of the same names; the commands, the ports and what `env` prints stay the same.
# shellcheck shell=bash

# compose <arguments…>: of this instance's project; deploy/compose.yaml says what its variables mean.
compose() {
    VERTEBRA_CLUSTER_ID=$(cluster_id) VERTEBRA_SUPERUSER_PASSWORD=$(secret "$INSTANCE_DIR/postgres/superuser.secret") \
        VERTEBRA_ODOO_PASSWORD=$(secret "$INSTANCE_DIR/postgres/odoo.secret") \
        VERTEBRA_PORT_KAFKA=$(port kafka) VERTEBRA_PORT_REGISTRY=$(port registry) \
        VERTEBRA_PORT_POSTGRES=$(port postgres) VERTEBRA_PORT_ODOO=$(port odoo) \
        docker compose --project-name "vertebra-$INSTANCE" --file "$SCRIPTS/../deploy/compose.yaml" --profile '*' "$@"
}

kafka_install() { docker_install kafka; }
registry_install() { docker_install registry; }
postgres_install() { docker_install postgres; }
odoo_install() { docker_install odoo; }

kafka_start() { compose up --detach kafka; }
registry_start() { compose up --detach registry; }
postgres_start() { compose up --detach postgres; }

odoo_start() {
    local dir
    dir=$(component_dir odoo)
    if ! odoo_has_database "$ODOO_DATABASE"; then
        timed "making an Odoo database with $ODOO_MODULES" docker_odoo_database "$dir"
    fi
    [[ -s $dir/api-key ]] || timed "making an API key" docker_odoo_key "$dir"
    compose up --detach odoo
}

# The port is open before the broker behind it is: ask the broker.
kafka_answers() {
    compose exec -T kafka /opt/kafka/bin/kafka-broker-api-versions.sh --bootstrap-server localhost:9094 >/dev/null 2>&1
}

postgres_answers() { compose exec -T postgres pg_isready -q -h 127.0.0.1 -U postgres; }

superuser_psql() {
    local database=$1
    shift
    compose exec -T postgres psql -X -q -v ON_ERROR_STOP=1 -U postgres -d "$database" "$@"
}

# What the kernel's process table is for the native stack, the daemon's list is here.
alive() { [[ -n $(compose ps --quiet --status running --status paused "$1" 2>/dev/null) ]]; }
stop_process() {
    compose unpause "$1" >/dev/null 2>&1 || true
    compose stop --timeout "$3" "$1"
}
signal_process() { :; }
signal_family() { :; }
kill_process() { compose kill --signal KILL "$1"; }

wait_ready() {
    local name=$1 seconds=$2
    shift 2
    poll "$seconds" "$@" || {
        compose logs --tail 20 "$name" >&2
        die "$name was not ready after $seconds s"
    }
}

stack_status() {
    compose ps --all
    ! alive odoo || odoo_tell
    echo "instance $INSTANCE: $INSTANCE_DIR"
}

stack_stop() { compose pause "$1"; }
stack_cont() { compose unpause "$1"; }
stack_logs() { compose logs --follow --tail 100 "$1"; }

stack_wipe() {
    [[ -d $INSTANCE_DIR ]] || return 0
    compose down --volumes
    rm -rf "$INSTANCE_DIR"
    say "'$INSTANCE' is forgotten"
}

docker_install() {
    docker compose version >/dev/null 2>&1 || die "docker answers, but 'docker compose' does not" "install its compose plugin, or: VERTEBRA_STACK=native"
    mkdir -p "$(component_dir "$1")" "$(component_dir postgres)"
    [[ -n $(compose images --quiet "$1" 2>/dev/null) ]] || compose pull "$1"
}

docker_odoo_database() {
    superuser_psql postgres -c 'DROP DATABASE IF EXISTS odoo_new'
    compose run --rm -T odoo odoo --database=odoo_new --stop-after-init -i "$ODOO_MODULES" --workers=0 >"$1/init.log" 2>&1 ||
        die "Odoo could not make a database" "$(tail -n 20 "$1/init.log")"
    superuser_psql postgres -c "ALTER DATABASE odoo_new RENAME TO $ODOO_DATABASE"
}

# The key comes on standard output: the container cannot see our files.
docker_odoo_key() {
    (umask 077 && compose run --rm -T --env VERTEBRA_KEY_FILE=/dev/stdout odoo odoo shell --database="$ODOO_DATABASE" --no-http --workers=0 \
        <"$SCRIPTS/odoo/make-key.py" 2>"$1/key.log" | tail -n 1 >"$1/api-key.new")
    [[ $(<"$1/api-key.new") =~ ^[0-9a-f]{40}$ ]] || die "Odoo made no API key" "see $1/key.log"
    mv "$1/api-key.new" "$1/api-key"
}

cluster_id() {
    local file=$INSTANCE_DIR/kafka/cluster-id
    [[ -s $file ]] || kafka_cluster_id >"$file"
    cat "$file"
}
