# Downloads, kept outside the tree: each is checked, appears whole or not at all, and is fetched by one run at a time.
# shellcheck shell=bash

# lock_cache: held until unlock_cache or the script's end.
lock_cache() {
    mkdir -p "$VERTEBRA_CACHE"
    exec 8>"$VERTEBRA_CACHE/lock"
    flock -n 8 && return
    say "waiting for another run that is filling $VERTEBRA_CACHE …"
    flock -w 3600 8 || die "another run has held $VERTEBRA_CACHE/lock for an hour"
}

unlock_cache() { exec 8>&-; }

# cached <name> <command…>: the path of cache entry <name> in CACHED; when it is missing, the command is run with an
# empty folder as its last argument, and that folder becomes the entry if the command succeeds.
cached() {
    local name=$1 work
    shift
    CACHED=$VERTEBRA_CACHE/$name
    [[ -d $CACHED ]] && return
    lock_cache
    if [[ ! -d $CACHED ]]; then
        # What an interrupted run left behind is nobody's: we hold the lock.
        rm -rf "$VERTEBRA_CACHE"/.new-*
        work=$(mktemp -d "$VERTEBRA_CACHE/.new-XXXXXX")
        chmod 755 "$work"
        "$@" "$work"
        mv -T "$work" "$CACHED"
    fi
    unlock_cache
}

# check_hashes <folder> <list>: every file of the list is there with its hash, and no other file.
check_hashes() {
    local surplus
    (cd "$1" && sha256sum --check --quiet --strict "$2") || die_of_hash "$2"
    surplus=$(cd "$1" && comm -23 <(find . -type f -printf '%P\n' | LC_ALL=C sort) <(awk '{print $2}' "$2" | LC_ALL=C sort))
    [[ -z $surplus ]] || die "downloaded, but not in $2: $surplus"
}

# die_of_hash <where the expected hash stands>
die_of_hash() { die "what was downloaded is not what $1 expects; none of it is used"; }

# maven <folder to watch> <goal and options…>: with the user's own settings, which say where artifacts come from.
maven() {
    local folder=$1
    shift
    watched "$folder" "$VERTEBRA_CACHE/maven.log" mvn -B -ntp "$@"
}
