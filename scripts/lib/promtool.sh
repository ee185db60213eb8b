# promtool, which checks Prometheus' rules: the machine's own, or out of Debian's package of Prometheus, unpacked into
# the cache. Nothing is installed; a machine that cannot have it goes without.
# shellcheck shell=bash

# promtool_find: where it is, as PROMTOOL; fails when it cannot be had.
promtool_find() {
    PROMTOOL=$(command -v promtool) && return
    PROMTOOL=$VERTEBRA_CACHE/promtool/promtool
    [[ -x $PROMTOOL ]] && return
    # In a shell of its own: what goes wrong there ends only that.
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null && (cached promtool promtool_download)
}

promtool_download() {
    local into=$1 package
    # apt checks what it downloads against Debian's signature.
    (cd "$into" && apt-get -q -o Acquire::http::Timeout=10 -o Acquire::Retries=0 -o APT::Sandbox::User="$(id -un)" download "$PROMETHEUS_PACKAGE") >"$VERTEBRA_CACHE/apt.log" 2>&1 ||
        die "Debian's package $PROMETHEUS_PACKAGE cannot be downloaded"
    package=("$into/$PROMETHEUS_PACKAGE"_*.deb)
    dpkg-deb --fsys-tarfile "${package[0]}" | tar -x -C "$into" --strip-components=3 ./usr/bin/promtool ||
        die "Debian's package $PROMETHEUS_PACKAGE has no promtool"
    rm "${package[0]}"
}
