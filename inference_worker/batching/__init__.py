"""How large batches are, how long they wait, and whose turn it is; without Kafka or engine."""
