"""What the chart uses of others' resources, as JSON Schema. A key that is not here is a mistake.

Written by us after KEDA 2.20.2 (its definitions, and the parameters of its Kafka scaler) and the
Prometheus operator 0.91. KEDA's own definitions took what the chart renders on 2026-11-22.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {"type": "string", "pattern": "^[0-9]+$"}


def _object(required: str, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "items": items}


def _custom(api: str, kind: str, spec: Schema) -> Schema:
    whole = {"apiVersion": {"const": api}, "kind": {"const": kind}, "metadata": {"type": "object"}}
    return _object("apiVersion kind metadata spec", **whole, spec=spec)


# A Kafka trigger's values are all text.
_KAFKA = _object(
    "bootstrapServers topic consumerGroup lagThreshold",
    bootstrapServers=_TEXT,
    topic=_TEXT,
    consumerGroup=_TEXT,
    lagThreshold={"type": "string", "pattern": "^[1-9][0-9]*$"},
    activationLagThreshold=_NUMBER,
    offsetResetPolicy={"enum": ["latest", "earliest"]},
    allowIdleConsumers={"enum": ["true", "false"]},
    tls={"enum": ["enable", "disable"]},
    sasl={"enum": ["none", "plaintext", "scram_sha256", "scram_sha512"]},
)
_RULES = _object(
    "policies",
    stabilizationWindowSeconds={"type": "integer", "minimum": 0, "maximum": 3600},
    policies=_list(
        _object(
            "type value periodSeconds",
            type={"enum": ["Pods", "Percent"]},
            value={"type": "integer", "minimum": 1},
            periodSeconds={"type": "integer", "minimum": 1, "maximum": 1800},
        )
    ),
)
_SCALED = _object(
    "scaleTargetRef triggers",
    scaleTargetRef=_object("name", name=_TEXT, kind=_TEXT, apiVersion=_TEXT),
    pollingInterval={"type": "integer", "minimum": 1},
    cooldownPeriod=_COUNT,
    minReplicaCount=_COUNT,
    maxReplicaCount={"type": "integer", "minimum": 1},
    fallback=_object(
        "failureThreshold replicas",
        failureThreshold=_COUNT,
        replicas=_COUNT,
        behavior={"enum": ["static", "currentReplicas", "currentReplicasIfHigher"]},
    ),
    advanced=_object(
        "",
        horizontalPodAutoscalerConfig=_object(
            "", behavior=_object("", scaleUp=_RULES, scaleDown=_RULES)
        ),
    ),
    triggers=_list(
        _object(
            "type metadata",
            type={"const": "kafka"},
            metadata=_KAFKA,
            authenticationRef=_object("name", name=_TEXT),
        )
    ),
)
_PARAMETER: Schema = {"enum": ["username", "password", "ca"]}
_LOGIN = _object(
    "",
    env=_list(_object("parameter name", parameter=_PARAMETER, name=_TEXT, containerName=_TEXT)),
    secretTargetRef=_list(
        _object("parameter name key", parameter=_PARAMETER, name=_TEXT, key=_TEXT)
    ),
)
_MONITOR = _object(
    "selector podMetricsEndpoints",
    selector=_object("matchLabels", matchLabels={"type": "object"}),
    podMetricsEndpoints=_list(
        _object(
            "port",
            port=_TEXT,
            path=_TEXT,
            interval=_TEXT,
            relabelings=_list(
                _object(
                    "targetLabel",
                    sourceLabels=_list(_TEXT),
                    targetLabel=_TEXT,
                    replacement=_TEXT,
                )
            ),
        )
    ),
)

SCHEMAS: dict[str, Schema] = {
    "ScaledObject": _custom("keda.sh/v1alpha1", "ScaledObject", _SCALED),
    "TriggerAuthentication": _custom("keda.sh/v1alpha1", "TriggerAuthentication", _LOGIN),
    "PodMonitor": _custom("monitoring.coreos.com/v1", "PodMonitor", _MONITOR),
}
