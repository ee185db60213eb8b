# What the machine must have: installed with apt-get where we are root, told exactly where we are not.
# shellcheck shell=bash

MISSING=()

# need_command <command> <Debian package>
need_command() { command -v "$1" >/dev/null || MISSING+=("$2"); }

# need_file <Debian package> <pattern…>: a header or the like; any match will do.
need_file() {
    local package=$1 pattern
    shift
    for pattern in "$@"; do
        ! compgen -G "$pattern" >/dev/null || return 0
    done
    MISSING+=("$package")
}

# install_missing: installs what the calls above found missing.
install_missing() {
    ((${#MISSING[@]})) || return 0
    local packages=("${MISSING[@]}")
    MISSING=()
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        die "this machine lacks: ${packages[*]} (Debian's names)" "install them, for instance: sudo apt-get install ${packages[*]}"
    fi
    lock_cache
    timed "installing ${packages[*]}" apt_install "${packages[@]}" || die "apt-get could not install: ${packages[*]}"
    unlock_cache
    hash -r
}

apt_install() {
    local apt=(apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0)
    export DEBIAN_FRONTEND=noninteractive
    watched /var/cache/apt "$VERTEBRA_CACHE/apt.log" "${apt[@]}" update &&
        watched /var/cache/apt "$VERTEBRA_CACHE/apt.log" "${apt[@]}" install --no-install-recommends "$@"
}

# need_java <version>: a Java at least that new as JAVA.
need_java() {
    [[ -z ${JAVA:-} ]] || return 0
    need_command java default-jre-headless
    install_missing
    JAVA=${JAVA_HOME:+$JAVA_HOME/bin/}java
    local version
    version=$("$JAVA" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
    ((${version:-0} >= $1)) || die "Java $1 or newer is needed, '$JAVA' is ${version:-unknown}" "set JAVA_HOME to a newer one"
}
