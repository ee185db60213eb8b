# Odoo 19 over the instance's PostgreSQL. A fresh database takes half a minute to make: the first one is kept as a dump
# in the cache, and every instance gets a copy of it with an identity and an API key of its own.
# shellcheck shell=bash

ODOO_DATABASE=odoo

# PostgreSQL answers already: stack_up sees to it.
odoo_start() {
    local dir
    dir=$(component_dir odoo)
    mkdir -p "$dir/data/filestore"
    (umask 077 && odoo_conf "$dir" >"$dir/odoo.conf")
    odoo_has_database "$ODOO_DATABASE" || odoo_copy_database "$dir"
    [[ -s $dir/api-key ]] || timed "making an API key" odoo_make_key "$dir"
    start_process odoo env PYTHONPATH="$ODOO_HOME" "$ODOO_HOME/venv/bin/python" "$ODOO_HOME/odoo-server" -c "$dir/odoo.conf" -d "$ODOO_DATABASE"
}

odoo_ready() { wait_ready odoo 120 odoo_answers; }

# With the key, through the database: the whole way that a client goes.
odoo_answers() {
    curl -sf -m 20 -o /dev/null "$(odoo_address)/json/2/res.users/context_get" -H 'content-type: application/json' \
        -H @<(printf 'authorization: bearer %s\n' "$(<"$(component_dir odoo)/api-key")") -d '{}'
}

odoo_stop() { stop_process odoo TERM 15; }

odoo_env() {
    assign VERTEBRA_ODOO_URL "$(odoo_address)"
    assign VERTEBRA_ODOO_DB "$ODOO_DATABASE"
    assign VERTEBRA_ODOO_KEY_FILE "$(component_dir odoo)/api-key"
    [[ -s $(component_dir postgres)/odoo.secret ]] || return 0
    # For tests that do in Odoo's database what no client can: hold a transaction open.
    assign VERTEBRA_STACK_ODOO_POSTGRES_URL "postgres://odoo:$(<"$(component_dir postgres)/odoo.secret")@$(postgres_address)/$ODOO_DATABASE"
}

odoo_address() { echo "http://127.0.0.1:$(port odoo)"; }

odoo_tell() { echo "Odoo: open $(odoo_address)/odoo and log in as admin, password admin (on this machine only)"; }

odoo_wipe() { rm -rf "$(component_dir odoo)"; }

odoo_has_database() { [[ $(superuser_psql postgres -At -c "SELECT 1 FROM pg_database WHERE datname = '$1'") == 1 ]]; }

odoo_copy_database() {
    local dir=$1 key
    key=$(sha256sum <<<"$(<"$ODOO_HOME/version") $ODOO_MODULES" | cut -c1-8)
    cached "odoo-database-$("$PG_BIN/postgres" -V | sed 's/[^0-9]*\([0-9]*\).*/\1/')-$key" \
        timed "making a first Odoo database with $ODOO_MODULES (kept for later)" odoo_make_template "$dir"
    timed "copying the fresh Odoo database" odoo_restore "$dir" "$CACHED"
}

# Under another name until it is whole: a database called "odoo" is one that can be used.
odoo_restore() {
    local dir=$1 template=$2
    odoo_pg dropdb --if-exists odoo_new
    odoo_pg createdb -T template0 odoo_new
    odoo_pg pg_restore -j 2 --no-owner -d odoo_new "$template/dump"
    # A client that remembers a database's uuid must see another one here.
    superuser_psql odoo_new <<'EOF'
UPDATE ir_config_parameter SET value = gen_random_uuid() WHERE key IN ('database.uuid', 'database.secret');
EOF
    rm -rf "$dir/data/filestore/$ODOO_DATABASE" "$dir/api-key"
    cp -r "$template/filestore" "$dir/data/filestore/$ODOO_DATABASE"
    superuser_psql postgres -c "ALTER DATABASE odoo_new RENAME TO $ODOO_DATABASE"
}

# Nobody may be in a database that is copied: its sessions are ended, and Odoo takes new ones as it needs them.
odoo_save() {
    odoo_pg dropdb --if-exists odoo_saved
    odoo_alone "$ODOO_DATABASE"
    local status=0
    odoo_pg createdb -T "$ODOO_DATABASE" odoo_saved || status=$?
    superuser_psql postgres -c "ALTER DATABASE $ODOO_DATABASE ALLOW_CONNECTIONS true"
    return "$status"
}

# As it is after a backup was restored: the same uuid, and nothing of what came since. Odoo is stopped.
odoo_restore_saved() {
    odoo_alone "$ODOO_DATABASE"
    odoo_pg dropdb "$ODOO_DATABASE"
    superuser_psql postgres -c "ALTER DATABASE odoo_saved RENAME TO $ODOO_DATABASE"
}

odoo_alone() {
    superuser_psql postgres <<EOF >/dev/null
ALTER DATABASE $1 ALLOW_CONNECTIONS false;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '$1';
EOF
}

# odoo_make_template <instance's folder> <folder to fill>
odoo_make_template() {
    local dir=$1 into=$2
    odoo_pg dropdb --if-exists odoo_first
    rm -rf "$dir/data/filestore/odoo_first"
    odoo_run "$dir" -d odoo_first --stop-after-init -i "$ODOO_MODULES" >"$dir/init.log" 2>&1 ||
        die "Odoo could not make a database" "$(tail -n 20 "$dir/init.log")"
    odoo_pg pg_dump -Fc -Z 1 -f "$into/dump" odoo_first
    mkdir -p "$dir/data/filestore/odoo_first"
    mv "$dir/data/filestore/odoo_first" "$into/filestore"
    odoo_pg dropdb odoo_first
}

odoo_make_key() {
    rm -f "$1/api-key.new"
    VERTEBRA_KEY_FILE=$1/api-key.new odoo_run "$1" shell -d "$ODOO_DATABASE" --no-http <"$SCRIPTS/odoo/make-key.py" >"$1/key.log" 2>&1 ||
        die "Odoo made no API key" "see $1/key.log"
    mv "$1/api-key.new" "$1/api-key"
}

# odoo_run <instance's folder> <arguments…>: in the foreground. A crash here only means to do it again: no need to wait
# for the disk at each commit.
odoo_run() {
    local dir=$1 command=()
    shift
    if [[ $1 == shell ]]; then
        command=(shell)
        shift
    fi
    PGOPTIONS='-c synchronous_commit=off' PYTHONPATH=$ODOO_HOME \
        "$ODOO_HOME/venv/bin/python" "$ODOO_HOME/odoo-server" "${command[@]}" -c "$dir/odoo.conf" --workers 0 "$@"
}

# odoo_pg <program> <arguments…>: one of PostgreSQL's programs, as the role odoo.
odoo_pg() {
    local program=$1
    shift
    PGPASSWORD=$(<"$(component_dir postgres)/odoo.secret") PGOPTIONS='-c synchronous_commit=off -c client_min_messages=warning' \
        PGHOST=127.0.0.1 PGPORT=$(port postgres) PGUSER=odoo PGDATABASE=postgres "$PG_BIN/$program" "$@"
}

odoo_conf() {
    cat <<EOF
[options]
db_host = 127.0.0.1
db_port = $(port postgres)
db_user = odoo
db_password = $(<"$(component_dir postgres)/odoo.secret")
db_template = template0
db_maxconn = 16
list_db = False
data_dir = $1/data
addons_path = $ODOO_HOME/odoo/addons
http_interface = 127.0.0.1
http_port = $(port odoo)
gevent_port = $(port odoo-live)
proxy_mode = False
; Two at a time is what a small Odoo has, and what the writer must be content with.
workers = 2
; No scheduled jobs: what they do here is to call home.
max_cron_threads = 0
log_level = warn
EOF
}
