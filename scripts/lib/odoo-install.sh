# Odoo's programs: Debian's package of it from the unstable suite, unpacked into the cache beside a Python environment.
# The machine's own apt sources and installed packages are neither used nor touched.
# shellcheck shell=bash

odoo_install() {
    postgres_install
    ODOO_HOME=$VERTEBRA_CACHE/$ODOO_PACKAGE-$(sha256sum <"$SCRIPTS/odoo/requirements.txt" | cut -c1-8)
    [[ -d $ODOO_HOME ]] && return
    command -v apt-get >/dev/null || die "Odoo comes as a Debian package here, and this machine has no apt-get" "$ODOO_OTHERWISE"
    odoo_python
    cached "${ODOO_HOME##*/}" odoo_download
}

ODOO_OTHERWISE='run Docker and try again, or do without a real Odoo: ODOO=fake make demo'

odoo_download() {
    local into=$1 apt=$1/apt keyring mirror
    mkdir -p "$apt"/{lists/partial,archives/partial}
    : >"$apt/status"
    keyring=$(debian_keyring)
    mirror=$(debian_mirror)
    echo "deb [signed-by=$keyring] $mirror sid main" >"$apt/sources"
    timed "reading the list of Debian's unstable suite" private_apt "$apt" update
    timed "downloading Odoo (123 MB)" private_apt "$apt" download "$ODOO_PACKAGE"
    timed "unpacking Odoo" odoo_unpack "$into"
    timed "installing Odoo's Python packages" odoo_venv "$into"
    rm -rf "$apt"
    [[ $(<"$into/version") == "$ODOO_VERSION" ]] || say "note: Odoo $(<"$into/version"); what was tried is $ODOO_VERSION"
}

# apt-get with a state of its own.
private_apt() {
    local apt=$1
    shift
    (cd "$apt/archives" && watched "$apt" "$VERTEBRA_CACHE/apt.log" apt-get -q -y -o Dir::State="$apt" -o Dir::State::lists="$apt/lists" \
        -o Dir::State::status="$apt/status" -o Dir::Cache="$apt" -o Dir::Etc::sourcelist="$apt/sources" -o Dir::Etc::sourceparts=- \
        -o Dir::Etc::preferencesparts=- -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none "$@")
}

odoo_unpack() {
    local package=("$1"/apt/archives/"$ODOO_PACKAGE"_*.deb)
    dpkg-deb -f "${package[0]}" Version >"$1/version"
    dpkg-deb --fsys-tarfile "${package[0]}" | tar -x -C "$1" ./usr/bin/odoo ./usr/lib/python3/dist-packages/odoo
    mv "$1/usr/lib/python3/dist-packages/odoo" "$1/odoo"
    # The server starts its helpers by the name it was itself started by, so "python -m" will not do.
    mv "$1/usr/bin/odoo" "$1/odoo-server"
    rm -r "${1:?}/usr"
}

odoo_venv() {
    "$PYTHON" -m venv "$1/venv"
    watched "$1/venv" "$VERTEBRA_CACHE/pip.log" "$1/venv/bin/python" -m pip install --only-binary :all: --no-deps \
        -r "$SCRIPTS/odoo/requirements.txt"
}

# odoo_python: a Python that Odoo 19 runs on, able to make environments, as PYTHON.
odoo_python() {
    PYTHON=${VERTEBRA_PYTHON:-python3}
    odoo_python_suits && return
    MISSING+=(python3 python3-venv)
    install_missing
    odoo_python_suits || PYTHON=/usr/bin/python3
    odoo_python_suits || die "Odoo needs Python 3.10 or newer with its venv module" "name one: VERTEBRA_PYTHON=/path/to/python3"
}

odoo_python_suits() { "$PYTHON" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }

# The mirror that this machine itself is set up with: the first that ends in /debian, of either form of source list.
debian_mirror() {
    local mirror=${VERTEBRA_DEBIAN_MIRROR:-}
    [[ -n $mirror ]] || mirror=$(
        cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
            sed -n -e 's/^URIs:[[:space:]]*//p' -e 's/^deb[[:space:]]\{1,\}\(\[[^]]*\][[:space:]]*\)\{0,1\}\([^[:space:]]*\).*/\2/p' |
            tr ' ' '\n' | grep -E -m1 '/debian/?$'
    ) || true
    [[ -n $mirror ]] || die "no Debian mirror among this machine's apt sources" \
        "name one: VERTEBRA_DEBIAN_MIRROR=…; or $ODOO_OTHERWISE"
    echo "$mirror"
}

debian_keyring() {
    local file
    for file in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
        if [[ -f $file ]]; then
            echo "$file"
            return
        fi
    done
    die "Debian's archive keys are missing" "install them, for instance: sudo apt-get install debian-archive-keyring"
}
