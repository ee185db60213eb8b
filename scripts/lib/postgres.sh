# PostgreSQL: private to the instance; fsync stays on, because what is committed must survive kill -9 of anything.
# shellcheck shell=bash

postgres_install() {
    postgres_find && return
    if ((EUID == 0)) && command -v apt-get >/dev/null && [[ ! -d /etc/postgresql-common ]]; then
        # Debian's package would start a cluster of its own on the usual port, which nobody here needs.
        mkdir -p /etc/postgresql-common/createcluster.d
        echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/vertebra.conf
    fi
    MISSING+=(postgresql)
    install_missing
    postgres_find || die "PostgreSQL's server programs were not found" "looked in PATH, pg_config --bindir and /usr/lib/postgresql/*/bin"
}

postgres_start() {
    local dir data PG_CLOCK=()
    [[ -z ${VERTEBRA_POSTGRES_CLOCK:-} ]] || postgres_shift_clock "$VERTEBRA_POSTGRES_CLOCK"
    dir=$(component_dir postgres)
    mkdir -p "$dir"
    [[ -s $dir/data-folder ]] || postgres_make_data_folder "$dir"
    data=$(<"$dir/data-folder")
    [[ -f $data/made ]] || postgres_initdb "$dir" "$data"
    postgres_conf >"$data/vertebra.conf"
    # After kill -9 its own lock file may name a number that is still taken, if only by a zombie. We know better.
    kill_process postgres
    rm -f "$data/cluster/postmaster.pid"
    start_process postgres "${PG_AS[@]}" env "${PG_CLOCK[@]}" "$PG_BIN/postgres" -D "$data/cluster" -c "config_file=$data/vertebra.conf"
}

# postgres_shift_clock <offset>: sets PG_CLOCK to variables under which a process sees the wall's clock so much later.
postgres_shift_clock() {
    local library
    for library in /usr/lib/*/faketime/libfaketime.so.1; do
        [[ -e $library ]] || die "libfaketime is not installed" "Debian's package: faketime"
    done
    PG_CLOCK=("LD_PRELOAD=$library" "FAKETIME=$1" FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1)
}

postgres_ready() {
    wait_ready postgres 60 postgres_answers
    local dir
    dir=$(component_dir postgres)
    [[ -f $dir/roles-made ]] && return
    postgres_make_roles "$dir"
    touch "$dir/roles-made"
}

postgres_answers() { "$PG_BIN/pg_isready" -q -h 127.0.0.1 -p "$(port postgres)"; }

# INT is PostgreSQL's fast shutdown: sessions are ended, nothing is lost.
postgres_stop() { stop_process postgres INT 20; }

postgres_env() {
    local dir
    dir=$(component_dir postgres)
    [[ -s $dir/vertebra.secret ]] || return 0
    assign VERTEBRA_POSTGRES_URL "postgres://vertebra:$(<"$dir/vertebra.secret")@$(postgres_address)/vertebra"
    # For a person who has the rights of deploy/postgres/operator.sql, and no others. Older instances have no such role.
    [[ -s $dir/vertebra_operator.secret ]] || return 0
    assign VERTEBRA_OPERATOR_POSTGRES_URL \
        "postgres://vertebra_operator:$(<"$dir/vertebra_operator.secret")@$(postgres_address)/vertebra"
}

postgres_address() { echo "127.0.0.1:$(port postgres)"; }

postgres_wipe() {
    local dir data
    dir=$(component_dir postgres)
    if [[ -s $dir/data-folder ]]; then
        data=$(<"$dir/data-folder")
        # Only what postgres_make_data_folder can have made.
        case $data in
            "$dir/data" | /var/tmp/vertebra-postgres.*)
                unmount_below "$data"
                rm -rf "$data"
                ;;
        esac
    fi
    rm -rf "$dir"
}

# superuser_psql <database> <psql options…>
superuser_psql() {
    local database=$1
    shift
    PGPASSWORD=$(<"$(component_dir postgres)/superuser.secret") "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 \
        -h 127.0.0.1 -p "$(port postgres)" -U postgres -d "$database" "$@"
}

# PG_BIN: where the programs are. PG_AS: what to put before a command that refuses to run as root.
postgres_find() {
    local candidate
    PG_AS=()
    if ((EUID == 0)); then
        local user=postgres
        id -u "$user" >/dev/null 2>&1 || user=nobody
        PG_USER=$user
        PG_AS=(setpriv "--reuid=$user" "--regid=$(id -gn "$user")" --init-groups)
    fi
    while read -r candidate; do
        if [[ -x $candidate/initdb && -x $candidate/postgres && -x $candidate/psql ]]; then
            PG_BIN=$candidate
            return 0
        fi
    done < <(
        printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV
        pg_config --bindir 2>/dev/null
        dirname "$(readlink -f "$(command -v initdb)")" 2>/dev/null
    )
    return 1
}

# The user that PostgreSQL runs as may be unable to enter the folders above the checkout: as root, its data lie where
# any user can reach, under a name that nobody can guess, and the instance remembers the place.
postgres_make_data_folder() {
    local data=$1/data
    if ((EUID == 0)); then
        data=$(mktemp -d /var/tmp/vertebra-postgres.XXXXXXXX)
        chown "$PG_USER:$(id -gn "$PG_USER")" "$data"
    else
        mkdir -p "$data"
    fi
    chmod 700 "$data"
    echo "$data" >"$1/data-folder"
}

postgres_initdb() {
    local dir=$1 data=$2
    find "$data" -mindepth 1 -delete # what an interrupted run left
    # initdb, as another user, may not read our file: it gets a copy for a moment.
    (umask 077 && secret "$dir/superuser.secret" >"$data/password")
    if ((EUID == 0)); then chown "$PG_USER" "$data/password"; fi
    (cd / && "${PG_AS[@]}" "$PG_BIN/initdb" -D "$data/cluster" -U postgres -A scram-sha-256 --pwfile="$data/password" \
        -E UTF8 --locale=C.UTF-8) >"$dir/initdb.log" 2>&1 || die "initdb failed" "$(tail -n 3 "$dir/initdb.log")"
    rm "$data/password"
    touch "$data/made"
}

postgres_make_roles() {
    local dir=$1 role
    for role in vertebra vertebra_operator odoo; do
        # The password goes in by standard input: a command line is there for everybody to read.
        superuser_psql postgres <<EOF
SELECT 'CREATE ROLE $role LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$role') \gexec
ALTER ROLE $role PASSWORD '$(secret "$dir/$role.secret")';
EOF
    done
    superuser_psql postgres <<'EOF'
ALTER ROLE odoo CREATEDB;
SELECT 'CREATE DATABASE vertebra OWNER vertebra' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'vertebra') \gexec
EOF
}

postgres_conf() {
    cat <<EOF
listen_addresses = '127.0.0.1'
port = $(port postgres)
unix_socket_directories = ''
max_connections = 200
shared_buffers = 128MB
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
EOF
}
