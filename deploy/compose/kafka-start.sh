#!/usr/bin/env bash
# Starts Kafka in its container; after a kill -9 its controller goes first.
#
# One process is broker and controller, so after a kill the metadata still say that the broker leads
# its partitions. Started at once, it takes up its pending transactions, is fenced while it registers
# anew, takes its partitions for deleted and drops the transactions' markers: a transaction whose
# commit was acknowledged just before the kill then hangs for ever, and read_committed consumers with
# it (seen with 4.3.1, after 4 of 20 such kills; 4.1.0 was not tried). So the controller runs alone until it has fenced the broker of before.
set -euo pipefail
data=${KAFKA_LOG_DIRS:-/var/lib/kafka/data}
run=/etc/kafka/docker/run
log=/tmp/controller.log
active="Performing controller activation"
fenced="Replayed BrokerRegistrationChangeRecord modifying the registration for broker"

# Replaying what was written before, it says much the same: what counts comes after its activation.
said() { sed -n "/$active/,\$p" "$log" | grep -q "$1"; }

wait_for() { # TEXT SECONDS: until the controller has said so, has ended, or the time is over
  local deadline=$((SECONDS + $2))
  until said "$1" || ! kill -0 "$controller" 2>/dev/null || ((SECONDS > deadline)); do
    sleep 0.2
  done
}

# Kafka leaves a marker when it stops, and removes it when it starts.
if [[ -d $data/__cluster_metadata-0 && ! -e $data/.kafka_cleanshutdown ]]; then
  echo "Kafka did not end well: its controller goes first"
  (
    unset KAFKA_ADVERTISED_LISTENERS KAFKA_INTER_BROKER_LISTENER_NAME
    export KAFKA_PROCESS_ROLES=controller
    export KAFKA_LISTENERS=CONTROLLER://127.0.0.1:9093
    # A broker without a heartbeat for so long is fenced; here nobody sends one.
    export KAFKA_BROKER_SESSION_TIMEOUT_MS=500 KAFKA_BROKER_HEARTBEAT_INTERVAL_MS=100
    exec "$run"
  ) >"$log" 2>&1 &
  controller=$!
  trap 'kill -TERM "$controller"; exit 143' TERM INT
  wait_for "$active" 60
  # If nothing is fenced until then, it was fenced before.
  wait_for "$fenced" 4
  kill -TERM "$controller" 2>/dev/null || true
  wait "$controller" || true
  trap - TERM INT
fi
exec "$run"
