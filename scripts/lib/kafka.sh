# Kafka: one node, broker and controller in one process, KRaft.
# More nodes: a list of node folders in place of one, RF 3, and ports two to five of lib/instance.sh.
# shellcheck shell=bash

kafka_install() {
    local lock
    lock=$(sha256sum <"$SCRIPTS/kafka/jars.sha256" | cut -c1-8)
    KAFKA_HOME=$VERTEBRA_CACHE/kafka-$KAFKA_VERSION-$lock
    need_java 17
    [[ -d $KAFKA_HOME ]] && return
    need_command mvn maven
    install_missing
    cached "kafka-$KAFKA_VERSION-$lock" timed "downloading Kafka $KAFKA_VERSION (44 MB)" kafka_download
}

kafka_start() {
    local dir
    dir=$(component_dir kafka)
    mkdir -p "$dir"
    kafka_properties "$dir" >"$dir/server.properties"
    if [[ ! -f $dir/data/meta.properties ]]; then
        rm -rf "$dir/data" # half a format is none
        "$JAVA" -Xmx96m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dlog4j2.configurationFile="$SCRIPTS/kafka/log4j2.properties" \
            -cp "$KAFKA_HOME/*" kafka.tools.StorageTool format -t "$(kafka_cluster_id)" -c "$dir/server.properties" >"$dir/format.log" 2>&1 ||
            die "Kafka's data folder could not be formatted" "see $dir/format.log"
    fi
    start_process kafka "$JAVA" -Xms160m -Xmx160m -XX:+UseSerialGC -XX:MaxMetaspaceSize=96m -XX:ReservedCodeCacheSize=48m \
        -XX:MaxDirectMemorySize=64m -Xss512k -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true \
        -Dlog4j2.configurationFile="$SCRIPTS/kafka/log4j2.properties" -cp "$KAFKA_HOME/*" kafka.Kafka "$dir/server.properties"
}

kafka_ready() { wait_ready kafka 90 kafka_answers; }

kafka_answers() { grep -q 'Kafka Server started' "$(component_dir kafka)/log" && port_open "$(port kafka)"; }

# A lone node shuts down in a few seconds.
kafka_stop() { stop_process kafka TERM 20; }

kafka_env() { assign VERTEBRA_KAFKA "$(kafka_address)"; }

kafka_address() { echo "127.0.0.1:$(port kafka)"; }

kafka_wipe() { rm -rf "$(component_dir kafka)"; }

kafka_download() {
    maven "$1" -f "$SCRIPTS/kafka/pom.xml" -Dkafka.version="$KAFKA_VERSION" \
        "$MAVEN_DEPENDENCY_PLUGIN:copy-dependencies" -DoutputDirectory="$1" -DincludeScope=runtime
    check_hashes "$1" "$SCRIPTS/kafka/jars.sha256"
}

# Another one for every instance: whoever remembers a cluster can tell that this is not it.
kafka_cluster_id() {
    local id
    id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')
    echo "${id/#-/A}"
}

kafka_properties() {
    cat <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$(port kafka-controller)
listeners=PLAINTEXT://127.0.0.1:$(port kafka),CONTROLLER://127.0.0.1:$(port kafka-controller)
advertised.listeners=PLAINTEXT://127.0.0.1:$(port kafka)
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$1/data

# Topics come from the catalog, never from a typing error.
auto.create.topics.enable=false

# One node: one replica of everything, and few partitions of what is internal.
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# Tests wait for these; the defaults are made for a fleet.
group.initial.rebalance.delay.ms=0
log.cleaner.backoff.ms=1000
log.cleaner.dedupe.buffer.size=8388608
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
# After kill -9 a broker is let in again when its old session is over.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=4
EOF
}
