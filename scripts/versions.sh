# Every version of a foreign part that the local stack downloads, with what it must hash to.
# Sourced; the hashes of Kafka's jars are in kafka/jars.sha256, Odoo's Python packages in odoo/requirements.txt.
# shellcheck shell=bash disable=SC2034

KAFKA_VERSION=4.3.1

# The newest distribution that runs on Java 17, which is what Debian 12 ships.
REGISTRY_VERSION=3.0.9
REGISTRY_SHA256=2b28181501a20cbf6efcd77f9b7153908fc01f3d3a7c32024c0bd9e1b04c8a43

# Later ones insist on the registry's parent project, which was never published.
MAVEN_DEPENDENCY_PLUGIN=org.apache.maven.plugins:maven-dependency-plugin:2.8

# What was tried; a later build of the same series is taken as well, and said. apt checks it against Debian's signature.
ODOO_PACKAGE=odoo-19
ODOO_VERSION=19.0.0+dfsg-1
# What a database of ours has installed: the fewer, the faster it is made.
ODOO_MODULES=account,l10n_us,rpc,stock,product_expiry

# Only its promtool is used, by scripts/lint; 2.42 was tried, and any later one will do.
PROMETHEUS_PACKAGE=prometheus
