# Kafka in KRaft: one node, or a cluster of three; each is broker and controller in one process.
# A node is a component: kafka where it is the only one, else kafka-1, kafka-2 and kafka-3.
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
    local node=$1 dir data
    dir=$(component_dir "$node")
    data=$dir/data
    mkdir -p "$data"
    kafka_properties "$node" "$dir" >"$dir/server.properties"
    if [[ ! -f $data/meta.properties ]]; then
        # Half a format is none. The folder itself stays: a test may have put a small file system there.
        find "$data" -mindepth 1 -delete
        "$JAVA" -Xmx96m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dlog4j2.configurationFile="$SCRIPTS/kafka/log4j2.properties" \
            -cp "$KAFKA_HOME/*" kafka.tools.StorageTool format -t "$(kafka_cluster_id)" -c "$dir/server.properties" >"$dir/format.log" 2>&1 ||
            die "Kafka's data folder could not be formatted" "see $dir/format.log"
    fi
    start_process "$node" "$JAVA" -Xms160m -Xmx160m -XX:+UseSerialGC -XX:MaxMetaspaceSize=96m -XX:ReservedCodeCacheSize=48m \
        -XX:MaxDirectMemorySize=64m -Xss512k -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true \
        -Dlog4j2.configurationFile="$SCRIPTS/kafka/log4j2.properties" -cp "$KAFKA_HOME/*" kafka.Kafka "$dir/server.properties"
}

kafka_ready() { wait_ready "$1" 90 kafka_answers "$1"; }

kafka_answers() { grep -q 'Kafka Server started' "$(component_dir "$1")/log" && port_open "$(port "$1")"; }

# A lone node shuts down in a few seconds; so does one of a cluster when another takes its partitions over.
kafka_stop() { stop_process "$1" TERM 20; }

kafka_env() {
    local node addresses=() proxies=() forwards=()
    while read -r node; do
        addresses+=("$(kafka_address "$node")")
        if [[ $PROXIED == yes ]]; then
            proxies+=("127.0.0.1:$(port "$node-clients-proxy")")
            forwards+=("$node-clients:$(port "$node-clients-proxy"):$(port "$node-clients")"
                "$node-brokers:$(port "$node-brokers-proxy"):$(port "$node-brokers")")
        fi
    done < <(kafka_nodes)
    assign VERTEBRA_KAFKA "$(joined , "${addresses[@]}")"
    if [[ $PROXIED == yes ]]; then
        # What services are to ask first, and what is to be forwarded for them: name, from, to.
        assign VERTEBRA_STACK_KAFKA_PROXIED "$(joined , "${proxies[@]}")"
        assign VERTEBRA_STACK_FORWARDS "$(joined , "${forwards[@]}")"
    fi
}

kafka_address() { echo "127.0.0.1:$(port "$1")"; }

kafka_wipe() { rm -rf "$(component_dir "$1")"; }

# kafka_nodes: the components that are nodes, one a line.
kafka_nodes() { if ((NODES > 1)); then printf '%s\n' kafka-1 kafka-2 kafka-3; else echo kafka; fi; }

# Two to five are a second and a third node; from thirty on, where brokers listen for whoever comes through a proxy, and
# from forty on, where that proxy is expected.
# shellcheck disable=SC2004,SC2034,SC2154 # the words in brackets are keys
cluster_ports() {
    local node
    for node in 1 2 3; do
        PORTS[kafka-$node]=$((2 * node - 2))
        PORTS[kafka-$node-controller]=$((2 * node - 1))
        if [[ $PROXIED == yes ]]; then
            PORTS[kafka-$node-clients]=$((29 + node))
            PORTS[kafka-$node-brokers]=$((32 + node))
            PORTS[kafka-$node-clients-proxy]=$((39 + node))
            PORTS[kafka-$node-brokers-proxy]=$((42 + node))
        fi
    done
    unset 'PORTS[kafka]' 'PORTS[kafka-controller]'
}

# joined <separator> <word…>
joined() {
    local IFS=$1
    shift
    echo "$*"
}

kafka_download() {
    maven "$1" -f "$SCRIPTS/kafka/pom.xml" -Dkafka.version="$KAFKA_VERSION" \
        "$MAVEN_DEPENDENCY_PLUGIN:copy-dependencies" -DoutputDirectory="$1" -DincludeScope=runtime
    check_hashes "$1" "$SCRIPTS/kafka/jars.sha256"
}

# Another one for every instance, and one for all of its nodes: whoever remembers a cluster can tell that this is not it.
kafka_cluster_id() {
    local file=$INSTANCE_DIR/cluster-id id
    if [[ ! -s $file ]]; then
        id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')
        echo "${id/#-/A}" >"$file"
    fi
    cat "$file"
}

kafka_properties() {
    local node=$1 number=${1#kafka-} voters=() each copies=1 in_sync=1
    [[ $number =~ ^[0-9]$ ]] || number=1
    while read -r each; do
        voters+=("$((${#voters[@]} + 1))@127.0.0.1:$(port "$each-controller")")
    done < <(kafka_nodes)
    if ((NODES > 1)); then copies=3 in_sync=2; fi
    cat <<EOF
process.roles=broker,controller
node.id=$number
controller.quorum.voters=$(joined , "${voters[@]}")
controller.listener.names=CONTROLLER
log.dirs=$2/data
$(kafka_listeners "$node")

# Topics come from the catalog, never from a typing error.
auto.create.topics.enable=false

# As many copies as there are nodes, and few partitions of what is internal.
default.replication.factor=$copies
min.insync.replicas=$in_sync
offsets.topic.num.partitions=4
offsets.topic.replication.factor=$copies
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=$copies
transaction.state.log.min.isr=$in_sync
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=$copies
share.coordinator.state.topic.min.isr=$in_sync

# Tests wait for these; the defaults are made for a fleet.
group.initial.rebalance.delay.ms=0
log.cleaner.backoff.ms=1000
log.cleaner.dedupe.buffer.size=8388608
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
# A follower that is behind for so long is no copy any more.
replica.lag.time.max.ms=5000
# After kill -9 a broker is let in again when its old session is over.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=4
EOF
}

# Where a node listens: for clients, for controllers, and of a proxied cluster for whoever comes through a proxy.
kafka_listeners() {
    local plain controller
    plain=127.0.0.1:$(port "$1") controller=127.0.0.1:$(port "$1-controller")
    if [[ $PROXIED == no ]]; then
        cat <<EOF
listeners=PLAINTEXT://$plain,CONTROLLER://$controller
advertised.listeners=PLAINTEXT://$plain
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
EOF
        return
    fi
    cat <<EOF
listeners=PLAINTEXT://$plain,CONTROLLER://$controller,CLIENTS://127.0.0.1:$(port "$1-clients"),BROKERS://127.0.0.1:$(port "$1-brokers")
advertised.listeners=PLAINTEXT://$plain,CLIENTS://127.0.0.1:$(port "$1-clients-proxy"),BROKERS://127.0.0.1:$(port "$1-brokers-proxy")
inter.broker.listener.name=BROKERS
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,CLIENTS:PLAINTEXT,BROKERS:PLAINTEXT
EOF
}
