# The schema registry: Apicurio over an H2 file, spoken to through its Confluent-compatible API.
# shellcheck shell=bash

registry_install() {
    REGISTRY_HOME=$VERTEBRA_CACHE/registry-$REGISTRY_VERSION-${REGISTRY_SHA256:0:8}
    need_java 17
    [[ -d $REGISTRY_HOME ]] && return
    need_command mvn maven
    install_missing
    cached "registry-$REGISTRY_VERSION-${REGISTRY_SHA256:0:8}" timed "downloading Apicurio Registry $REGISTRY_VERSION (109 MB)" registry_download
}

registry_start() {
    local dir
    dir=$(component_dir registry)
    mkdir -p "$dir"
    start_process registry "$JAVA" -Xmx256m -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError \
        -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$(port registry)" \
        -Dquarkus.management.host=127.0.0.1 -Dquarkus.management.port="$(port registry-management)" \
        -Dquarkus.log.console.color=false \
        -Dapicurio.storage.kind=sql -Dapicurio.storage.sql.kind=h2 "-Dapicurio.datasource.url=jdbc:h2:file:$dir/data" \
        -jar "$REGISTRY_HOME/apicurio-registry-app-$REGISTRY_VERSION-runner.jar"
}

registry_ready() { wait_ready registry 120 registry_answers; }

registry_answers() { curl -sf -m 2 -o /dev/null "$(registry_address)/subjects"; }

registry_stop() { stop_process registry TERM 15; }

registry_env() { assign VERTEBRA_REGISTRY_URL "$(registry_address)"; }

registry_address() { echo "http://127.0.0.1:$(port registry)/apis/ccompat/v7"; }

registry_wipe() { rm -rf "$(component_dir registry)"; }

registry_download() {
    local into=$1 archive=apicurio-registry-app-$REGISTRY_VERSION-all.tar.gz
    # In a folder without a project, so that Maven reads none.
    pushd "$into" >/dev/null || return
    maven "$into" "$MAVEN_DEPENDENCY_PLUGIN:copy" -DoutputDirectory="$into" \
        -Dartifact="io.apicurio:apicurio-registry-app:$REGISTRY_VERSION:tar.gz:all"
    sha256sum --check --quiet <<<"$REGISTRY_SHA256  $archive" || die_of_hash "$SCRIPTS/versions.sh"
    tar -xzf "$archive"
    rm "$archive"
    popd >/dev/null || return
}
