{{- define "onehertz.name" -}}
{{- if contains "onehertz" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-onehertz{{ end -}}
{{- end }}

{{/* What never changes of a role's pods: what Deployments and policies select by. */}}
{{- define "onehertz.selector" -}}
app.kubernetes.io/name: onehertz
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{/* Without the chart's version: with it each new chart would roll all pods, changed or not. */}}
{{- define "onehertz.podLabels" -}}
{{ include "onehertz.selector" . }}
app.kubernetes.io/part-of: onehertz
{{- end }}

{{- define "onehertz.labels" -}}
{{ include "onehertz.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "onehertz.image" -}}
{{- $image := .root.Values.image -}}
{{- $digest := get $image.digests .image -}}
{{- if has $image.tag (list "latest" "main" "master") }}
{{- fail (printf "image.tag: %s moves, so nobody would know what runs; name a version, such as 0.1.0" $image.tag) }}
{{- end -}}
{{ $image.registry }}/{{ .image }}{{ if $digest }}@{{ $digest }}{{ else }}:{{ $image.tag }}{{ end }}
{{- end }}

{{/* onehertz.yaml for all but producers: the settings, with the cameras of all groups. */}}
{{- define "onehertz.settings" -}}
{{- $cameras := dict -}}
{{- range .Values.produce.groups -}}
{{- range $name, $camera := .cameras -}}
{{- if hasKey $cameras $name }}{{ fail (printf "produce.groups: the camera %s is in two of them" $name) }}{{ end -}}
{{- $_ := set $cameras $name $camera -}}
{{- end -}}
{{- end -}}
{{- $settings := deepCopy .Values.settings -}}
{{- if $cameras }}{{ $_ := set $settings "cameras" $cameras }}{{ end -}}
{{/* JSON, which is YAML too: toYaml makes 1e+10 of 10000000000, and that is text. */}}
{{- toPrettyJson $settings -}}
{{- end }}

{{/* Changes with the sections that a role reads once, at its start. */}}
{{- define "onehertz.checksum" -}}
{{- $common := list "line" "kafka" "log" "health" "lifecycle" -}}
{{- $own := dict
  "produce" (list "produce" "gate")
  "gate" (list "cameras" "gate" "checkpoint")
  "infer" (list "cameras")
  "sql" (list "sql")
  "alerts" (list "cameras" "rules" "alerts" "checkpoint")
-}}
{{- $settings := include "onehertz.settings" .root | fromJson -}}
{{- $read := dict -}}
{{- range concat $common (get $own .role) -}}
{{- if hasKey $settings . }}{{ $_ := set $read . (get $settings .) }}{{ end -}}
{{- end -}}
{{- toJson $read | sha256sum -}}
{{- end }}

{{- define "onehertz.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "onehertz.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* How to reach Kafka and, where `sql` is set, the database: without a secret in it. `bare`: neither. */}}
{{- define "onehertz.env" -}}
{{- if not .bare }}
{{- $secrets := .root.Values.secrets -}}
{{- with $secrets.kafka }}{{ if .name }}
- name: ONEHERTZ_KAFKA__SASL_PASSWORD_FILE
  value: /run/onehertz/kafka/password
- name: ONEHERTZ_KAFKA__SASL_USERNAME
  {{- if .username }}
  valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .username }}}}
  {{- else }}
  value: {{ required "settings.kafka.sasl_username: needed with secrets.kafka.name, or secrets.kafka.username" $.root.Values.settings.kafka.sasl_username | quote }}
  {{- end }}
{{- end }}{{ end }}
{{- if $secrets.kafkaCa.name }}
- name: ONEHERTZ_KAFKA__SSL_CA_FILE
  value: /run/onehertz/kafka-ca/ca.crt
{{- end }}
{{- if .sql }}
{{- if $secrets.sql.name }}
- name: ONEHERTZ_SQL__PASSWORD_FILE
  value: /run/onehertz/sql/password
{{- end }}
- name: PGSSLMODE
  value: {{ .root.Values.sqlSslMode }}
{{- if $secrets.sqlCa.name }}
- name: PGSSLROOTCERT
  value: /run/onehertz/sql-ca/ca.crt
{{- else if hasPrefix "verify-" .root.Values.sqlSslMode }}
{{- fail "secrets.sqlCa.name: needed with sqlSslMode verify-ca and verify-full" }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "onehertz.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if not .bare }}
- {name: settings, mountPath: /etc/onehertz, readOnly: true}
{{- $secrets := .root.Values.secrets }}
{{- if $secrets.kafka.name }}
- {name: kafka, mountPath: /run/onehertz/kafka, readOnly: true}
{{- end }}
{{- if $secrets.kafkaCa.name }}
- {name: kafka-ca, mountPath: /run/onehertz/kafka-ca, readOnly: true}
{{- end }}
{{- if and .sql $secrets.sql.name }}
- {name: sql, mountPath: /run/onehertz/sql, readOnly: true}
{{- end }}
{{- if and .sql $secrets.sqlCa.name }}
- {name: sql-ca, mountPath: /run/onehertz/sql-ca, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{/* `settings`: the ConfigMap's name. */}}
{{- define "onehertz.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
{{- if not .bare }}
{{- $secrets := .root.Values.secrets }}
- name: settings
  configMap: {name: {{ .settings }}}
{{- with $secrets.kafka }}{{ if .name }}
- name: kafka
  secret: {secretName: {{ .name }}, defaultMode: 0440, items: [{key: {{ .password }}, path: password}]}
{{- end }}{{ end }}
{{- with $secrets.kafkaCa }}{{ if .name }}
- name: kafka-ca
  secret: {secretName: {{ .name }}, defaultMode: 0440, items: [{key: {{ .key }}, path: ca.crt}]}
{{- end }}{{ end }}
{{- if .sql }}
{{- with $secrets.sql }}{{ if .name }}
- name: sql
  secret: {secretName: {{ .name }}, defaultMode: 0440, items: [{key: {{ .password }}, path: password}]}
{{- end }}{{ end }}
{{- with $secrets.sqlCa }}{{ if .name }}
- name: sql-ca
  secret: {secretName: {{ .name }}, defaultMode: 0440, items: [{key: {{ .key }}, path: ca.crt}]}
{{- end }}{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "onehertz.placing" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "onehertz.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
A long-running role's pod. root, role; image, args; settings (ConfigMap), values (resources,
nodeSelector, tolerations), startupSeconds; sql (uses the database), and as YAML: env, mounts,
volumes, spec (more of the pod). serviceAccount in place of the chart's.
*/}}
{{- define "onehertz.pod" -}}
metadata:
  labels:
    {{- include "onehertz.podLabels" . | nindent 4 }}
    {{- with .labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/settings: {{ include "onehertz.checksum" . }}
    {{- if not .root.Values.podMonitor }}
    prometheus.io/scrape: "true"
    prometheus.io/port: "8080"
    {{- end }}
spec:
  serviceAccountName: {{ .serviceAccount | default (include "onehertz.name" .root) }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  # The drain, leaving the group (10 s at most), and some more.
  terminationGracePeriodSeconds: {{ add 20 (int (dig "lifecycle" "drain_deadline_s" 25 .root.Values.settings)) }}
  securityContext:
    {{- include "onehertz.podSecurity" . | nindent 4 }}
  {{- include "onehertz.pullSecrets" .root | nindent 2 }}
  {{- include "onehertz.placing" .values | nindent 2 }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "onehertz.selector" $ | nindent 10 }}
    {{- end }}
  {{- with .spec }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    - name: {{ .role }}
      image: {{ include "onehertz.image" . }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: {{ toJson .args }}
      env:
        - name: POD_NAME
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
        # To end and be started again would take up to 5 minutes once Kafka is back.
        - {name: ONEHERTZ_LIFECYCLE__WAIT_FOR_KAFKA, value: "true"}
        {{- with include "onehertz.env" . }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with .env }}
        {{- . | nindent 8 }}
        {{- end }}
      ports:
        - {name: health, containerPort: 8080}
      # Ready for the first time: until then nothing says that it hangs, or waits for Kafka.
      startupProbe:
        httpGet: {path: /readyz, port: health}
        periodSeconds: {{ .startupEvery | default 2 }}
        timeoutSeconds: 3
        failureThreshold: {{ div .startupSeconds (.startupEvery | default 2) }}
      livenessProbe:
        httpGet: {path: /healthz, port: health}
        periodSeconds: 10
        timeoutSeconds: 3
        failureThreshold: 3
      readinessProbe:
        httpGet: {path: /readyz, port: health}
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 3
      resources:
        {{- toYaml .values.resources | nindent 8 }}
      securityContext:
        {{- include "onehertz.containerSecurity" . | nindent 8 }}
      volumeMounts:
        {{- include "onehertz.mounts" . | nindent 8 }}
        {{- with .mounts }}
        {{- . | nindent 8 }}
        {{- end }}
  volumes:
    {{- include "onehertz.volumes" . | nindent 4 }}
    {{- with .volumes }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* A Job's pod. root, role, image, args, settings, sql or bare; env, mounts, volumes as YAML. */}}
{{- define "onehertz.jobPod" -}}
metadata:
  labels:
    {{- include "onehertz.podLabels" . | nindent 4 }}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    {{- include "onehertz.podSecurity" . | nindent 4 }}
  {{- include "onehertz.pullSecrets" .root | nindent 2 }}
  {{- include "onehertz.placing" (.values | default dict) | nindent 2 }}
  containers:
    - name: {{ .role }}
      image: {{ include "onehertz.image" . }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: {{ toJson .args }}
      {{- $env := trim (printf "%s\n%s" (include "onehertz.env" .) (.env | default "")) }}
      {{- with $env }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      resources:
        requests: {cpu: 100m, memory: {{ .memory | default "256Mi" }}}
        limits: {memory: {{ .memory | default "256Mi" }}}
      securityContext:
        {{- include "onehertz.containerSecurity" . | nindent 8 }}
      volumeMounts:
        {{- include "onehertz.mounts" . | nindent 8 }}
        {{- with .mounts }}
        {{- . | nindent 8 }}
        {{- end }}
  volumes:
    {{- include "onehertz.volumes" . | nindent 4 }}
    {{- with .volumes }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end }}
